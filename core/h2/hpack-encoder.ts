/**
 * HPACK encoding (RFC 7541), of requests and of tunnels: what is repeated becomes one byte. Nothing is Huffman coded, which would cost more than the
 * bytes that it saves inside a cluster.
 */
import { STATIC_TABLE } from './static-table.ts';

const INDEXED = 0x80;
const LITERAL_INDEXED = 0x40;
const LITERAL = 0x00;
/** Section 7.1.3: what nobody on the way shall index either. */
const LITERAL_NEVER = 0x10;
const TABLE_SIZE = 0x20;

/** The largest table that we keep, whatever a peer permits. */
const MAX_TABLE_BYTES = 4_096;
const ENTRY_OVERHEAD_BYTES = 32;
const RING = MAX_TABLE_BYTES / ENTRY_OVERHEAD_BYTES;
/** A field that takes more of the table pushes too many others out. */
const MAX_ENTRY_BYTES = 512;
/** Names of which we remember what was said last; they come from whoever sends requests. */
const MAX_NAMES = 256;
/** What a field takes beyond its name and value: a kind, and two lengths. */
const FIELD_OVERHEAD_BYTES = 11;
const START_BYTES = 12;
const NOTHING = Buffer.alloc(0);
const NO_SIZES = new Uint16Array(0);

/** Guessing them by the size of what is sent must not be possible. */
const SECRETS = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

type StaticName = { readonly index: number; readonly values: ReadonlyMap<string, number> | undefined };
const STATIC_NAMES = new Map<string, StaticName>();
for (const [at, [name, value]] of STATIC_TABLE.entries()) {
  const known = STATIC_NAMES.get(name);
  const values = value === '' ? known?.values : new Map(known?.values).set(value, at + 1);
  STATIC_NAMES.set(name, { index: known?.index ?? at + 1, values });
}

/** What we know of a name. A value goes into the table when it comes twice in a row: others would push out what is of use. */
type Name = {
  /** In the static table; 0: not in it. */
  readonly index: number;
  readonly values: ReadonlyMap<string, number> | undefined;
  readonly isSecret: boolean;
  last: string;
  /** Its value in the dynamic table, and which insertion that was. */
  indexed: string;
  place: number;
};

export class HpackEncoder {
  readonly #names = new Map<string, Name>();
  /** Sizes of the entries of the dynamic table, by insertion. */
  #sizes = NO_SIZES; // until there is one
  #inserted = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes = MAX_TABLE_BYTES;
  /** The smallest size since the last block, which has to be said first. */
  #shrunkTo: number | undefined;
  #into: Buffer = NOTHING;
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  limitTable(bytes: number): void {
    const wanted = Math.min(bytes, MAX_TABLE_BYTES);
    if (wanted === this.#maxBytes && this.#shrunkTo === undefined) return;
    this.#shrunkTo = Math.min(this.#shrunkTo ?? wanted, wanted);
    this.#maxBytes = wanted;
    this.#evict(wanted);
  }

  /** No block of these fields (name, value, name, value…) is longer. */
  static boundOf(list: readonly string[]): number {
    let bytes = START_BYTES;
    for (const text of list) bytes += text.length;
    return bytes + (list.length / 2) * FIELD_OVERHEAD_BYTES;
  }

  /** Begins a block at `at`, where there has to be room for {@link boundOf} all its fields. It has to be sent. */
  begin(into: Buffer, at: number): void {
    this.#into = into;
    this.#at = at;
    if (this.#shrunkTo === undefined) return;
    if (this.#shrunkTo < this.#maxBytes) this.#integer(TABLE_SIZE, 0x1f, this.#shrunkTo);
    this.#integer(TABLE_SIZE, 0x1f, this.#maxBytes);
    this.#shrunkTo = undefined;
  }

  field(name: string, value: string): void {
    const known = this.#names.get(name) ?? this.#learn(name);
    const whole = known.values?.get(value);
    if (whole !== undefined) {
      this.#into[this.#at++] = INDEXED | whole;
      return;
    }
    const back = this.#inserted - known.place;
    if (back < this.#count && known.indexed === value) {
      this.#integer(INDEXED, 0x7f, STATIC_TABLE.length + 1 + back);
      return;
    }
    const bytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    const isWorthIt = known.last === value && !known.isSecret && bytes <= MAX_ENTRY_BYTES && bytes <= this.#maxBytes;
    known.last = value;
    if (isWorthIt) this.#integer(LITERAL_INDEXED, 0x3f, known.index);
    else this.#integer(known.isSecret ? LITERAL_NEVER : LITERAL, 0x0f, known.index);
    if (known.index === 0) this.#string(name);
    this.#string(value);
    if (!isWorthIt) return;
    this.#insert(bytes);
    known.indexed = value;
    known.place = this.#inserted;
  }

  /** Ends the block; says where. */
  end(): number {
    return this.#at;
  }

  #learn(name: string): Name {
    if (this.#names.size >= MAX_NAMES) this.#names.clear();
    const fixed = STATIC_NAMES.get(name);
    const known: Name = {
      index: fixed?.index ?? 0,
      values: fixed?.values,
      isSecret: SECRETS.has(name),
      last: '',
      indexed: '',
      place: Number.NEGATIVE_INFINITY,
    };
    this.#names.set(name, known);
    return known;
  }

  #insert(bytes: number): void {
    this.#evict(this.#maxBytes - bytes);
    this.#inserted += 1;
    if (this.#sizes === NO_SIZES) this.#sizes = new Uint16Array(RING);
    this.#sizes[this.#inserted % RING] = bytes;
    this.#count += 1;
    this.#bytes += bytes;
  }

  #evict(most: number): void {
    while (this.#bytes > most && this.#count > 0) {
      this.#bytes -= this.#sizes[(this.#inserted - this.#count + 1) % RING] as number;
      this.#count -= 1;
    }
  }

  /** Section 5.1. */
  #integer(kind: number, most: number, value: number): void {
    const into = this.#into;
    if (value < most) {
      into[this.#at++] = kind | value;
      return;
    }
    into[this.#at++] = kind | most;
    let rest = value - most;
    for (; rest >= 128; rest = Math.floor(rest / 128)) into[this.#at++] = (rest % 128) | 128;
    into[this.#at++] = rest;
  }

  /** What no field may hold (RFC 9113 section 8.2.1) is sent as `?`: it must not become something else at the next hop. */
  #string(text: string): void {
    this.#integer(0, 0x7f, text.length);
    const into = this.#into;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      into[at++] = (code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff ? 0x3f : code;
    }
    this.#at = at;
  }
}
