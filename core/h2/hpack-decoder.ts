/**
 * HPACK decoding (RFC 7541) in JavaScript: most fields of a request, or of a tunnel's CONNECT, are an index into a table, and here that
 * gives an object which was made, and judged, when the field first came. nghttp2's decoder is what its tests hold it against.
 */
import type { BlockDecoder, DecodeLimits } from './header-blocks.ts';
import { decodeHuffman } from './huffman.ts';
import { STATIC_TABLE } from './static-table.ts';

export interface Field {
  /** Bytes, in latin1, as all that follow. */
  readonly name: string;
  readonly value: string;
}

/** Makes a field of what came. Once for each literal; who is indexed comes again as the same object. */
export type MakeField<F extends Field> = (name: string, value: string) => F;

type Decoded<F> = ReturnType<BlockDecoder<F>['decode']>;

/** We never say otherwise in SETTINGS_HEADER_TABLE_SIZE. */
const MAX_TABLE_BYTES = 4_096;
/** Section 4.1, and RFC 9113 section 6.5.2 */
const FIELD_OVERHEAD_BYTES = 32;
/** As many as the largest table has room for. */
const RING = MAX_TABLE_BYTES / FIELD_OVERHEAD_BYTES;
/** No number in a block that we read is larger. */
const MAX_INTEGER = 2 ** 24;
/** As for the tunnels' decoder: a list that is too large by this much is an attack. */
const BOMB_FACTOR = 16;

const MALFORMED = { kind: 'malformed' } as const;
const BOMB = { kind: 'bomb' } as const;
const TOO_LARGE = { kind: 'too-large' } as const;

/** The static table as fields; one for all decoders that make the same. */
export function staticFields<F extends Field>(make: MakeField<F>): readonly F[] {
  return STATIC_TABLE.map(([name, value]) => make(name, value));
}

export class HpackDecoder<F extends Field> implements BlockDecoder<F> {
  readonly #static: readonly F[];
  readonly #make: MakeField<F>;
  /** The dynamic table: the newest is before `#next`. */
  readonly #ring: (F | undefined)[] = [];
  #next = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes = MAX_TABLE_BYTES;
  /** Where the block is read; -1 once it was found malformed. */
  #at = 0;

  constructor(fields: readonly F[], make: MakeField<F>) {
    this.#static = fields;
    this.#make = make;
  }

  decode(block: Buffer, limits: DecodeLimits): Decoded<F> {
    const { maxListBytes, maxFields } = limits;
    const fields: F[] = [];
    let listBytes = 0;
    let count = 0;
    this.#at = 0;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        // Section 4.2: only before the first field.
        const bytes = this.#integer(block, 0x1f);
        if (this.#at < 0 || count > 0 || bytes > MAX_TABLE_BYTES) return MALFORMED;
        this.#maxBytes = bytes;
        this.#evict(bytes);
        continue;
      }
      const field = (first & 0x80) !== 0 ? this.#field(this.#integer(block, 0x7f)) : this.#literal(block, first);
      if (field === undefined || this.#at < 0) return MALFORMED;
      count += 1;
      listBytes += field.name.length + field.value.length + FIELD_OVERHEAD_BYTES;
      if (listBytes <= maxListBytes && count <= maxFields) fields.push(field);
      else if (listBytes > BOMB_FACTOR * maxListBytes || count > BOMB_FACTOR * maxFields) return BOMB;
    }
    return fields.length === count ? { kind: 'fields', fields } : TOO_LARGE;
  }

  [Symbol.dispose](): void {
    this.#evict(0);
  }

  /** Section 6.2. Undefined, or `#at` below 0: malformed. */
  #literal(block: Buffer, first: number): F | undefined {
    const isIndexed = (first & 0x40) !== 0;
    const index = this.#integer(block, isIndexed ? 0x3f : 0x0f);
    if (this.#at < 0) return undefined;
    const name = index === 0 ? this.#string(block) : this.#field(index)?.name;
    if (name === undefined) return undefined;
    const value = this.#string(block);
    if (value === undefined) return undefined;
    const field = this.#make(name, value);
    if (isIndexed) this.#insert(field);
    return field;
  }

  #field(index: number): F | undefined {
    if (index <= STATIC_TABLE.length) return index < 1 ? undefined : this.#static[index - 1];
    const back = index - STATIC_TABLE.length;
    return back > this.#count ? undefined : this.#ring[(this.#next - back + RING) % RING];
  }

  #insert(field: F): void {
    const bytes = field.name.length + field.value.length + FIELD_OVERHEAD_BYTES;
    this.#evict(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return; // section 4.4: that empties the table, and is no error
    this.#ring[this.#next] = field;
    this.#next = (this.#next + 1) % RING;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** Until no more than so many bytes are left. */
  #evict(most: number): void {
    while (this.#bytes > most && this.#count > 0) {
      const oldest = (this.#next - this.#count + RING) % RING;
      const field = this.#ring[oldest] as F;
      this.#ring[oldest] = undefined;
      this.#count -= 1;
      this.#bytes -= field.name.length + field.value.length + FIELD_OVERHEAD_BYTES;
    }
  }

  /** Section 5.1; `mask` is the prefix. `#at` is -1 when it is cut off or too large. */
  #integer(block: Buffer, mask: number): number {
    let value = (block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = block[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * factor;
      if (value > MAX_INTEGER || factor > MAX_INTEGER) break;
      if (byte < 0x80) return value;
    }
    this.#at = -1;
    return 0;
  }

  /** Section 5.2. Undefined: malformed. */
  #string(block: Buffer): string | undefined {
    const first = block[this.#at];
    if (first === undefined) return undefined;
    const length = this.#integer(block, 0x7f);
    const start = this.#at;
    const end = start + length;
    if (start < 0 || end > block.length) return undefined;
    this.#at = end;
    return first < 0x80 ? block.toString('latin1', start, end) : decodeHuffman(block, start, end);
  }
}
