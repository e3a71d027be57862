/** The protobuf wire format, read only: https://protobuf.dev/programming-guides/encoding */
import { badRequest } from '../status-error.ts';

/** One field as it stands on the wire: numbers for varint and fixed types, bytes for the length-delimited one. */
export type WireField =
  | { readonly number: number; readonly type: 'number'; readonly value: bigint }
  | { readonly number: number; readonly type: 'bytes'; readonly value: Uint8Array };

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** A 64-bit number takes ten groups of seven bits. */
const MAX_VARINT_BYTES = 10;

/** The fields of one message, in order; throws 400 for what is cut short or not protobuf. */
export function* wireFields(message: Uint8Array): Generator<WireField> {
  const cursor = { at: 0 };
  while (cursor.at < message.length) {
    const tag = Number(readVarint(message, cursor));
    const number = Math.floor(tag / 8);
    if (number === 0) throw malformed('field number 0');
    switch (tag % 8) {
      case VARINT:
        yield { number, type: 'number', value: readVarint(message, cursor) };
        break;
      case FIXED64:
        yield { number, type: 'number', value: readFixed(message, cursor, 8) };
        break;
      case FIXED32:
        yield { number, type: 'number', value: readFixed(message, cursor, 4) };
        break;
      case BYTES: {
        const length = Number(readVarint(message, cursor));
        yield { number, type: 'bytes', value: take(message, cursor, length) };
        break;
      }
      default:
        throw malformed(`wire type ${tag % 8}`);
    }
  }
}

function readVarint(message: Uint8Array, cursor: { at: number }): bigint {
  let value = 0n;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = message[cursor.at++];
    if (byte === undefined) throw malformed('cut short');
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw malformed('a number of more than 64 bits');
}

function readFixed(message: Uint8Array, cursor: { at: number }, size: 4 | 8): bigint {
  return take(message, cursor, size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function take(message: Uint8Array, cursor: { at: number }, length: number): Uint8Array {
  const end = cursor.at + length;
  if (end > message.length) throw malformed('cut short');
  const view = message.subarray(cursor.at, end);
  cursor.at = end;
  return view;
}

function malformed(why: string) {
  return badRequest(`the protobuf body cannot be decoded: ${why}`);
}
