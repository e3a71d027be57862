/** HPACK decoding by nghttp2, whose decoder the Node binary exports: for tests, as the other opinion on what a block means. */
import ffi from 'node:ffi';
import { addressOf, copyMemory } from './kernel.ts';
import { copyOf, OutPointer } from './openssl.ts';
import { WORD, word } from './word.ts';

const TABLE = {
  nghttp2_hd_inflate_new: { arguments: [WORD], return: 'i32' },
  nghttp2_hd_inflate_del: { arguments: [WORD], return: 'void' },
  nghttp2_hd_inflate_hd2: { arguments: [WORD, WORD, WORD, WORD, WORD, WORD], return: 'i32' },
  nghttp2_hd_inflate_end_headers: { arguments: [WORD], return: 'i32' },
} as const;

// Opened for who asks, and kept: once the library is collected, the functions taken from it dangle.
let library: ReturnType<typeof ffi.dlopen<typeof TABLE>> | undefined;
function nghttp2() {
  library ??= ffi.dlopen(null, TABLE);
  return library.functions;
}

type DecodeLimits = {
  /** RFC 9113 section 6.5.2: names, values, and 32 for each field. */
  readonly maxListBytes: number;
  readonly maxFields: number;
};

type DecodeResult =
  /** Name and value as bytes, in latin1. */
  | { readonly kind: 'fields'; readonly fields: readonly (readonly [name: string, value: string])[] }
  /** Decoded to the end, so that the table is right, but not kept. */
  | { readonly kind: 'too-large' }
  /** So much more that it was not worth decoding to the end; the connection can't go on. */
  | { readonly kind: 'bomb' }
  /** The connection can't go on: its table is unknown now. */
  | { readonly kind: 'malformed' };

// struct nghttp2_nv: two pointers, two lengths, a byte of flags.
const NV_BYTES = 64;
const VALUE_AT = 8;
const NAME_BYTES_AT = 16;
const VALUE_BYTES_AT = 24;
/** `in_final`: the block ends with these bytes. */
const IS_ALL = 1n;
const INFLATE_FINAL = 1;
const INFLATE_EMIT = 2;
const FIELD_OVERHEAD_BYTES = 32;
/** A list that is too large by this much is an attack: a byte of the block may stand for 4 KB of the list (RFC 7541 section 7.3). */
const BOMB_FACTOR = 16;

/** One for all decoders of this thread: a block is decoded in one go. */
let input = Buffer.alloc(64 * 1024);
let inputAt = addressOf(input);

/** Names and values on their way to strings; longer ones are rare. */
const textBytes = Buffer.alloc(4 * 1024);
const textAt = addressOf(textBytes);

/** Where `bytes` have room. */
function inputAddress(bytes: number): bigint {
  if (bytes > input.length) {
    input = Buffer.alloc(bytes);
    inputAt = addressOf(input);
  }
  return inputAt;
}

const collected = new FinalizationRegistry<bigint>((address) => nghttp2().nghttp2_hd_inflate_del(address));

/** One connection's decoder, with the table that all its header blocks share. */
export class Nghttp2Decoder {
  readonly #address: bigint;
  readonly #nv = Buffer.alloc(NV_BYTES);
  readonly #nvAddress = addressOf(this.#nv);
  readonly #flags = Buffer.alloc(64);
  readonly #flagsAddress = addressOf(this.#flags);
  #isClosed = false;

  constructor() {
    const out = new OutPointer();
    if (nghttp2().nghttp2_hd_inflate_new(out.address) !== 0) throw new Error('out of memory for a header decoder');
    this.#address = out.value;
    collected.register(this, this.#address, this);
  }

  /** Decodes a complete header block. */
  decode(block: Uint8Array, limits: DecodeLimits): DecodeResult {
    if (this.#isClosed) return { kind: 'malformed' };
    const fields: [name: string, value: string][] = [];
    let listBytes = 0;
    let count = 0;
    // Into memory that stays: a buffer of this call alone would be garbage for the compiler once its address is taken, and
    // a collection in the middle of the block would give it to somebody else.
    const start = inputAddress(block.length);
    input.set(block);
    for (let at = 0; ; ) {
      const used = nghttp2().nghttp2_hd_inflate_hd2(
        this.#address,
        this.#nvAddress,
        this.#flagsAddress,
        start + BigInt(at),
        word(block.length - at),
        IS_ALL,
      );
      if (used < 0) return { kind: 'malformed' };
      at += used;
      const flags = this.#flags.readInt32LE(0);
      if ((flags & INFLATE_EMIT) !== 0) {
        const [nameBytes, valueBytes] = [this.#length(NAME_BYTES_AT), this.#length(VALUE_BYTES_AT)];
        listBytes += nameBytes + valueBytes + FIELD_OVERHEAD_BYTES;
        count += 1;
        if (listBytes <= limits.maxListBytes && count <= limits.maxFields) {
          fields.push([this.#text(0, nameBytes), this.#text(VALUE_AT, valueBytes)]);
        } else if (listBytes > BOMB_FACTOR * limits.maxListBytes || count > BOMB_FACTOR * limits.maxFields) {
          return { kind: 'bomb' };
        }
      }
      if ((flags & INFLATE_FINAL) !== 0) break;
      if ((flags & INFLATE_EMIT) === 0 && at >= block.length) return { kind: 'malformed' };
    }
    nghttp2().nghttp2_hd_inflate_end_headers(this.#address);
    return fields.length === count ? { kind: 'fields', fields } : { kind: 'too-large' };
  }

  /** Frees it now; harmless the second time. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    collected.unregister(this);
    nghttp2().nghttp2_hd_inflate_del(this.#address);
  }

  #length(at: number): number {
    return Number(this.#nv.readBigUInt64LE(at));
  }

  #text(at: number, bytes: number): string {
    if (bytes === 0) return '';
    const from = this.#nv.readBigUInt64LE(at);
    if (bytes > textBytes.length) return copyOf(from, bytes).toString('latin1');
    copyMemory(textAt, from, bytes);
    return textBytes.toString('latin1', 0, bytes);
  }
}
