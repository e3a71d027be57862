/** Services by address range: one look-up for each length of prefix in use, however many ranges there are. */
import { type IpAddress, ipFamily } from '../address.ts';
import { compileCidr, FAMILY_BITS, type NumericIp, numericIp } from '../cidr.ts';
import type { NetworkAddress, Service } from '../model.ts';
import { type Contenders, choose, drop, insert } from './contenders.ts';

export type Range = { readonly family: 4 | 6; readonly prefix: number; readonly key: string };

/** Throws RangeError for a prefix that its family does not have. */
export function rangeOf({ address, length }: NetworkAddress): Range {
  const family = ipFamily(address);
  const prefix = length ?? FAMILY_BITS[family];
  return { family, prefix, key: String(compileCidr({ address, prefix }).network) };
}

/** The first `prefix` bits, as `compileCidr` has them. */
function networkOf(ip: NumericIp, prefix: number): string {
  if (ip.family === 6) return String(ip.value >> BigInt(FAMILY_BITS[6] - prefix));
  return String(prefix === 0 ? 0 : ip.value & (-1 << (FAMILY_BITS[4] - prefix))); // a shift by 32 would be a shift by 0
}

export class RangeIndex {
  readonly #byLength: Readonly<Record<4 | 6, Map<number, Contenders>>> = { 4: new Map(), 6: new Map() };
  /** Longest first. */
  readonly #lengths: Record<4 | 6, readonly number[]> = { 4: [], 6: [] };

  add({ family, prefix, key }: Range, service: Service): void {
    const known = this.#byLength[family].get(prefix);
    const contenders: Contenders = known ?? new Map();
    insert(contenders, key, service);
    if (known !== undefined) return;
    this.#byLength[family].set(prefix, contenders);
    this.#sort(family);
  }

  remove({ family, prefix, key }: Range, service: Service): void {
    const contenders = this.#byLength[family].get(prefix);
    if (contenders === undefined) return;
    drop(contenders, key, service);
    if (contenders.size > 0) return;
    this.#byLength[family].delete(prefix);
    this.#sort(family);
  }

  /** The client's own namespace beats a tighter range of somebody else; then the longer prefix, then canonical. */
  find(ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const family = ipFamily(ip);
    const lengths = this.#lengths[family];
    if (lengths.length === 0) return undefined;
    const number = numericIp(ip);
    let first: Service | undefined;
    for (const prefix of lengths) {
      const service = choose(this.#byLength[family].get(prefix)?.get(networkOf(number, prefix)), clientNamespace);
      if (service === undefined) continue;
      if (clientNamespace === undefined || service.namespace === clientNamespace) return service;
      first ??= service;
    }
    return first;
  }

  #sort(family: 4 | 6): void {
    this.#lengths[family] = [...this.#byLength[family].keys()].sort((a, b) => b - a);
  }
}
