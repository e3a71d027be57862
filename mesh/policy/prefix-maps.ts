/** Values kept under ranges of addresses, or under beginnings or ends of texts: one look-up for each length that is in use. */
import type { CompiledCidr, NumericIp } from '../cidr.ts';

const NOTHING: readonly never[] = [];

export class RangeMap<T> {
  /** By mask, then by network. */
  readonly #v4 = new Map<number, Map<number, T>>();
  /** By shift, then by network. */
  readonly #v6 = new Map<bigint, Map<bigint, T>>();

  get isEmpty(): boolean {
    return this.#v4.size === 0 && this.#v6.size === 0;
  }

  getOrAdd(range: CompiledCidr, make: () => T): T {
    return range.family === 4
      ? getOrAdd(of(this.#v4, range.mask), range.network, make)
      : getOrAdd(of(this.#v6, range.shift), range.network, make);
  }

  /** Values whose range the address is in. */
  containing(ip: NumericIp): readonly T[] {
    let found: T[] | undefined;
    const keep = (value: T | undefined) => {
      if (value === undefined) return;
      found ??= [];
      found.push(value);
    };
    if (ip.family === 4) for (const [mask, networks] of this.#v4) keep(networks.get(ip.value & mask));
    else for (const [shift, networks] of this.#v6) keep(networks.get(ip.value >> shift));
    return found ?? NOTHING;
  }
}

export class AffixMap<T> {
  readonly #byLength = new Map<number, Map<string, T>>();
  readonly #end: 'prefix' | 'suffix';

  constructor(end: 'prefix' | 'suffix') {
    this.#end = end;
  }

  getOrAdd(affix: string, make: () => T): T {
    return getOrAdd(of(this.#byLength, affix.length), affix, make);
  }

  /** Values whose text the given one begins, or ends, with. */
  within(text: string): readonly T[] {
    let found: T[] | undefined;
    for (const [length, texts] of this.#byLength) {
      if (length > text.length) continue;
      const from = this.#end === 'prefix' ? 0 : text.length - length;
      const value = texts.get(text.slice(from, from + length));
      if (value === undefined) continue;
      found ??= [];
      found.push(value);
    }
    return found ?? NOTHING;
  }
}

function of<L, K, T>(byLength: Map<L, Map<K, T>>, length: L): Map<K, T> {
  return getOrAdd(byLength, length, () => new Map<K, T>());
}

function getOrAdd<K, T>(map: Map<K, T>, key: K, make: () => T): T {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
