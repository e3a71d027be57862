/**
 * Addresses for ServiceEntries that have none, so that their hosts can be resolved and told apart (controller.md section 1.11).
 * An address stays with its host as long as the entry wants it: it is kept in the entry's status, and only a conflict moves it.
 * An address that a user chose beats an automatic one; of two automatic ones the older entry keeps it.
 */
import type { IpAddress } from '../address.ts';
import { ipFamily } from '../address.ts';
import { type Cidr, type CompiledCidr, cidrContains, compileCidr, numericIp } from '../cidr.ts';
import { getOrAdd } from '../derive/selector.ts';
import { isRange, readServiceEntry, type ServiceEntryFacts, wantsAllocation } from '../derive/service-entry.ts';
import { fnv1a } from '../hash.ts';
import type { KubeObject } from '../kube-object.ts';
import { AddressPool, DEFAULT_POOLS } from './pool.ts';

/** An element of `status.addresses`. */
export type AllocatedAddress = { readonly value: IpAddress; readonly host: string };

type Claim = { readonly key: string; readonly host: string; readonly created: string };

export class AddressAllocator {
  readonly #pools: readonly AddressPool[];
  readonly #entries = new Map<string, ServiceEntryFacts>();
  /** Given, whether or not the status shows it yet. */
  readonly #given = new Map<string, readonly AllocatedAddress[]>();
  readonly #automatic = new Map<IpAddress, Claim[]>();
  /** By entry: single addresses and ranges alike, they are few. */
  readonly #chosen = new Map<string, readonly CompiledCidr[]>();

  /** One address of each pool for each host. Throws MESH_CONFIG_INVALID for a pool that is too small. */
  constructor(pools: readonly Cidr[] = DEFAULT_POOLS) {
    this.#pools = pools.map((range) => new AddressPool(range));
  }

  /** An entry is new, changed or gone. Gives back the keys (`namespace/name`) whose addresses have to be looked at. */
  set(key: string, object: KubeObject | undefined): ReadonlySet<string> {
    const reading = object && readServiceEntry(object);
    const entry = reading?.kind === 'facts' ? reading.facts : undefined;
    const concerned = new Set([key]);
    for (const ip of this.#claimed(key)) this.#unclaim(ip, key, concerned);
    if (entry === undefined) {
      this.#entries.delete(key);
      this.#given.delete(key);
    } else this.#entries.set(key, entry);
    for (const { value, host } of this.#held(key)) this.#claim(value, key, host, concerned);
    this.#choose(key, entry, concerned);
    return concerned;
  }

  /** What `status.addresses` of the entry should be; undefined when it is that already, or the entry is not known. */
  wanted(key: string): readonly AllocatedAddress[] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const wanted: AllocatedAddress[] = [];
    for (const host of this.#hosts(entry)) {
      for (const pool of this.#pools) {
        const value = this.#kept(entry, host, pool) ?? this.#free(entry, host, pool);
        if (value === undefined) continue; // the pool is used up: the host does without
        wanted.push({ value, host });
        this.#claim(value, key, host, new Set());
      }
    }
    this.#given.set(key, wanted);
    const present = [...entry.allocated].flatMap(([host, ips]) => ips.map((value) => `${host} ${value}`));
    const same =
      present.length === wanted.length && wanted.every(({ host, value }) => present.includes(`${host} ${value}`));
    return same ? undefined : wanted;
  }

  #hosts(entry: ServiceEntryFacts): readonly string[] {
    return entry.allowsAllocation ? entry.hosts.filter((host) => wantsAllocation(entry, host)) : [];
  }

  /** What the status shows, and what was given since. */
  #held(key: string): readonly AllocatedAddress[] {
    const entry = this.#entries.get(key);
    if (entry === undefined) return [];
    const hosts = this.#hosts(entry);
    const shown = [...entry.allocated].flatMap(([host, ips]) => ips.map((value) => ({ value, host })));
    return [...shown, ...(this.#given.get(key) ?? [])].filter(({ host }) => hosts.includes(host));
  }

  *#claimed(key: string): Iterable<IpAddress> {
    for (const { value } of this.#held(key)) yield value;
  }

  #claim(ip: IpAddress, key: string, host: string, concerned: Set<string>): void {
    const claims = getOrAdd(this.#automatic, ip, () => []);
    if (claims.some((claim) => claim.key === key && claim.host === host)) return;
    claims.push({ key, host, created: this.#entries.get(key)?.created ?? '' });
    for (const claim of claims) concerned.add(claim.key);
  }

  #unclaim(ip: IpAddress, key: string, concerned: Set<string>): void {
    const left = (this.#automatic.get(ip) ?? []).filter((claim) => claim.key !== key);
    for (const claim of left) concerned.add(claim.key);
    if (left.length === 0) this.#automatic.delete(ip);
    else this.#automatic.set(ip, left);
  }

  #choose(key: string, entry: ServiceEntryFacts | undefined, concerned: Set<string>): void {
    const ranges = (entry?.addresses ?? []).filter(
      (cidr) => isRange(cidr) || this.#pools.some((pool) => pool.contains(cidr.address)),
    );
    if (ranges.length === 0) {
      this.#chosen.delete(key);
      return;
    }
    const compiled = ranges.map(compileCidr);
    this.#chosen.set(key, compiled);
    for (const [ip, claims] of this.#automatic) {
      if (compiled.some((range) => cidrContains(range, numericIp(ip))))
        for (const claim of claims) concerned.add(claim.key);
    }
  }

  /** The address that this host has, unless somebody has a better right to it. */
  #kept(entry: ServiceEntryFacts, host: string, pool: AddressPool): IpAddress | undefined {
    return this.#held(entry.key).find(({ value, host: of }) => {
      if (of !== host || ipFamily(value) !== pool.family || this.#isChosen(value)) return false;
      const best = this.#automatic.get(value)?.reduce((a, b) => (isOlder(b, a) ? b : a));
      return best === undefined || (best.key === entry.key && best.host === host);
    })?.value;
  }

  #free(entry: ServiceEntryFacts, host: string, pool: AddressPool): IpAddress | undefined {
    const start = fnv1a(`${entry.key} ${host}`);
    for (let i = 0; i < pool.size; i++) {
      const ip = pool.at(start + i);
      if (!this.#automatic.has(ip) && !this.#isChosen(ip)) return ip;
    }
    return undefined;
  }

  #isChosen(ip: IpAddress): boolean {
    const numeric = numericIp(ip);
    for (const ranges of this.#chosen.values()) if (ranges.some((range) => cidrContains(range, numeric))) return true;
    return false;
  }
}

function isOlder(a: Claim, b: Claim): boolean {
  if (a.created !== b.created) return a.created < b.created;
  return a.key === b.key ? a.host < b.host : a.key < b.key;
}

/** ServiceEntries as the controller would leave them, each with its addresses: for objects that no controller has seen. */
export function withAllocatedAddresses(objects: readonly KubeObject[]): readonly KubeObject[] {
  const allocator = new AddressAllocator();
  const isEntry = ({ kind, apiVersion }: KubeObject) =>
    kind === 'ServiceEntry' && apiVersion.startsWith('networking.istio.io/');
  const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name}`;
  for (const object of objects) if (isEntry(object)) allocator.set(keyOf(object), object);
  return objects.map((object) => {
    const addresses = isEntry(object) ? allocator.wanted(keyOf(object)) : undefined;
    return addresses === undefined ? object : { ...object, status: { ...(object['status'] as object), addresses } };
  });
}
