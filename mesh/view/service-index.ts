/** Services by virtual address, by range and by hostname, as one client sees them. */
import { type IpAddress, ipFamily } from '../address.ts';
import { type CompiledCidr, cidrContains, compileCidr, FAMILY_BITS, numericIp } from '../cidr.ts';
import { type NetworkAddress, type Service, serviceKey } from '../model.ts';

type Range = { readonly cidr: CompiledCidr; readonly prefix: number; readonly service: Service };

export class ServiceIndex {
  readonly #byVip = new Map<string, readonly Service[]>();
  readonly #byHostname = new Map<string, readonly Service[]>();
  readonly #ranges = new Map<string, readonly Range[]>();

  /** Throws RangeError, before changing anything, for a range that its family does not have. */
  add(service: Service): void {
    const ranges = service.addresses.filter(isRange).map((a) => ({ network: a.network, range: toRange(a, service) }));
    for (const { network, range } of ranges) insert(this.#ranges, network, range, rangeOrder);
    for (const a of service.addresses) {
      if (!isRange(a)) insert(this.#byVip, `${a.network}/${a.address}`, service, serviceOrder);
    }
    insert(this.#byHostname, service.hostname, service, serviceOrder);
  }

  remove(service: Service): void {
    for (const a of service.addresses) {
      if (isRange(a)) drop(this.#ranges, a.network, (range) => range.service === service);
      else drop(this.#byVip, `${a.network}/${a.address}`, (other) => other === service);
    }
    drop(this.#byHostname, service.hostname, (other) => other === service);
  }

  /** Exact addresses first; if none is visible, ranges. Without a client namespace, visibility is not looked at. */
  byVip(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    return choose(this.#byVip.get(`${network}/${ip}`), clientNamespace) ?? this.#byRange(network, ip, clientNamespace);
  }

  byHostname(hostname: string, clientNamespace: string | undefined): Service | undefined {
    return choose(this.#byHostname.get(hostname), clientNamespace);
  }

  /** All that have the name: canonical ones first, then by key. */
  allByHostname(hostname: string): readonly Service[] {
    return this.#byHostname.get(hostname) ?? [];
  }

  // The client's own namespace beats a tighter range of somebody else; then the longer prefix, then canonical.
  #byRange(network: string, ip: IpAddress, clientNamespace: string | undefined): Service | undefined {
    const ranges = this.#ranges.get(network);
    if (ranges === undefined) return undefined;
    const number = numericIp(ip);
    let first: Service | undefined;
    for (const { cidr, service } of ranges) {
      if (!cidrContains(cidr, number) || !isVisible(service, clientNamespace)) continue;
      if (service.namespace === clientNamespace) return service;
      first ??= service;
    }
    return first;
  }
}

/** More than one address. */
export function isRange(a: NetworkAddress): boolean {
  return a.length !== undefined && a.length !== FAMILY_BITS[ipFamily(a.address)];
}

function toRange(a: NetworkAddress, service: Service): Range {
  const prefix = a.length ?? FAMILY_BITS[ipFamily(a.address)];
  return { cidr: compileCidr({ address: a.address, prefix }), prefix, service };
}

/** Without a client namespace, everything is visible. */
export function isVisible(service: Service, clientNamespace: string | undefined): boolean {
  return service.visibility === 'PUBLIC' || clientNamespace === undefined || service.namespace === clientNamespace;
}

/** The client's own namespace, else the first visible one: lists are kept with canonical services first. */
function choose(services: readonly Service[] | undefined, clientNamespace: string | undefined): Service | undefined {
  if (services === undefined) return undefined;
  let first: Service | undefined;
  for (const service of services) {
    if (!isVisible(service, clientNamespace)) continue;
    if (service.namespace === clientNamespace) return service;
    first ??= service;
  }
  return first;
}

/** Canonical first, then by key, so that the order of arrival does not matter. */
function serviceOrder(a: Service, b: Service): number {
  if (a.canonical !== b.canonical) return a.canonical ? -1 : 1;
  return serviceKey(a) < serviceKey(b) ? -1 : 1;
}

function rangeOrder(a: Range, b: Range): number {
  return b.prefix - a.prefix || serviceOrder(a.service, b.service);
}

function insert<T>(map: Map<string, readonly T[]>, key: string, value: T, order: (a: T, b: T) => number): void {
  const held = map.get(key);
  map.set(key, held === undefined ? [value] : [...held, value].sort(order));
}

function drop<T>(map: Map<string, readonly T[]>, key: string, gone: (value: T) => boolean): void {
  const left = map.get(key)?.filter((value) => !gone(value)) ?? [];
  if (left.length === 0) map.delete(key);
  else map.set(key, left);
}
