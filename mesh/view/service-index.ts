/** Services by virtual address, by range and by hostname, as one client sees them. */
import { type IpAddress, ipFamily } from '../address.ts';
import { FAMILY_BITS } from '../cidr.ts';
import type { NetworkAddress, Service } from '../model.ts';
import { choose, drop, insert } from './contenders.ts';
import { RangeIndex, rangeOf } from './range-index.ts';

export class ServiceIndex {
  readonly #byVip = new Map<string, readonly Service[]>();
  readonly #byHostname = new Map<string, readonly Service[]>();
  readonly #ranges = new Map<string, RangeIndex>();

  /** Throws RangeError, before changing anything, for a range that its family does not have. */
  add(service: Service): void {
    const ranges = service.addresses.filter(isRange).map((a) => ({ network: a.network, range: rangeOf(a) }));
    for (const { network, range } of ranges) {
      let index = this.#ranges.get(network);
      if (index === undefined) {
        index = new RangeIndex();
        this.#ranges.set(network, index);
      }
      index.add(range, service);
    }
    for (const a of service.addresses) if (!isRange(a)) insert(this.#byVip, `${a.network}/${a.address}`, service);
    insert(this.#byHostname, service.hostname, service);
  }

  remove(service: Service): void {
    for (const a of service.addresses) {
      if (isRange(a)) this.#ranges.get(a.network)?.remove(rangeOf(a), service);
      else drop(this.#byVip, `${a.network}/${a.address}`, service);
    }
    drop(this.#byHostname, service.hostname, service);
  }

  /** Without a client namespace, visibility is not looked at. */
  byVip(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    return choose(this.#byVip.get(`${network}/${ip}`), clientNamespace);
  }

  byRange(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    return this.#ranges.get(network)?.find(ip, clientNamespace);
  }

  byHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return choose(this.#byHostname.get(hostname), clientNamespace);
  }

  /** All that have the name: canonical ones first, then by key. */
  allByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? [];
  }
}

/** Whether it stands for more than one address. */
export function isRange(a: NetworkAddress): boolean {
  return a.length !== undefined && a.length !== FAMILY_BITS[ipFamily(a.address)];
}
