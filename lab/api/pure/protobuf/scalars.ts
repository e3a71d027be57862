/** How single values, and the small messages that JSON writes as one value, become JSON (spec section 2). */
import { badRequest } from '../status-error.ts';
import type { Json } from '../types.ts';
import type { ScalarCode } from './field-table.ts';
import { type WireField, wireFields } from './wire.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The JSON value, or null where Go's zero value stands for "not set" (an empty Time). */
export function decodeScalar(code: ScalarCode, field: WireField): Json {
  switch (code) {
    case 's':
      return text(bytesOf(field));
    case 'b':
      return numberOf(field) !== 0n;
    case 'i':
      return Number(BigInt.asIntN(64, numberOf(field)));
    case 'd':
      return new DataView(new BigUint64Array([numberOf(field)]).buffer).getFloat64(0, true);
    case 'y':
      return Buffer.from(bytesOf(field)).toString('base64');
    case 'Q':
      return text(members(field).bytes.get(1) ?? new Uint8Array());
    case 'R':
      return embeddedJson(members(field).bytes.get(1));
    case 'T':
      return time(field, 0);
    case 'U':
      return time(field, 6);
    case 'D':
      return goDuration(members(field).numbers.get(1) ?? 0n);
    case 'O':
      return intOrString(field);
    default:
      return code satisfies never;
  }
}

function time(field: WireField, fractionDigits: 0 | 6): Json {
  const { numbers } = members(field);
  const seconds = numbers.get(1) ?? 0n;
  const nanos = numbers.get(2) ?? 0n;
  if (numbers.size === 0) return null;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) throw badRequest(`the protobuf body cannot be decoded: time ${seconds} s`);
  const whole = date.toISOString().slice(0, 19);
  const fraction = String(nanos).padStart(9, '0').slice(0, fractionDigits);
  return fractionDigits === 0 ? `${whole}Z` : `${whole}.${fraction}Z`;
}

function intOrString(field: WireField): Json {
  const { numbers, bytes } = members(field);
  return (numbers.get(1) ?? 0n) === 0n ? Number(numbers.get(2) ?? 0n) : text(bytes.get(3) ?? new Uint8Array());
}

function embeddedJson(raw: Uint8Array | undefined): Json {
  if (raw === undefined || raw.length === 0) return null;
  try {
    return JSON.parse(text(raw)) as Json;
  } catch (error) {
    throw badRequest('the protobuf body cannot be decoded: a raw field holds no JSON', { cause: error });
  }
}

/** Go's notation, such as `1h0m0s` and `1.5s`. */
function goDuration(nanos: bigint): string {
  const sign = nanos < 0n ? '-' : '';
  const total = nanos < 0n ? -nanos : nanos;
  if (total === 0n) return '0s';
  if (total < 1_000_000_000n) {
    const [unit, size] = total < 1_000n ? ['ns', 1] : total < 1_000_000n ? ['µs', 1e3] : ['ms', 1e6];
    return `${sign}${Number(total) / size}${unit}`;
  }
  const hours = total / 3_600_000_000_000n;
  const minutes = (total / 60_000_000_000n) % 60n;
  const seconds = Number(total % 60_000_000_000n) / 1e9;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

type Members = { readonly numbers: ReadonlyMap<number, bigint>; readonly bytes: ReadonlyMap<number, Uint8Array> };

function members(field: WireField): Members {
  const numbers = new Map<number, bigint>();
  const bytes = new Map<number, Uint8Array>();
  for (const member of wireFields(bytesOf(field))) {
    if (member.type === 'number') numbers.set(member.number, BigInt.asIntN(64, member.value));
    else bytes.set(member.number, member.value);
  }
  return { numbers, bytes };
}

export function text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw badRequest('the protobuf body cannot be decoded: a string is not UTF-8', { cause: error });
  }
}

export function bytesOf(field: WireField): Uint8Array {
  if (field.type === 'bytes') return field.value;
  throw badRequest(`the protobuf body cannot be decoded: field ${field.number} is a number`);
}

function numberOf(field: WireField): bigint {
  if (field.type === 'number') return field.value;
  throw badRequest(`the protobuf body cannot be decoded: field ${field.number} is no number`);
}
