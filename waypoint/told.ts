/**
 * What this waypoint was told, and the addresses that it needs for that: applies what discovery brings, asks for what it names,
 * and forgets what is not named any more.
 */
import {
  ADDRESS_TYPE,
  type DeltaHandlers,
  decodeAddress,
  decodeWaypoint,
  type Rejection,
  type Update,
  WAYPOINT_TYPE,
} from '../core/xds/index.ts';
import {
  addressKey,
  type BackendPolicy,
  type GatewayConfig,
  MeshError,
  type ServiceConfig,
  type SpiffeId,
  serviceKey,
  spiffeId,
  spiffeParts,
  View,
  type ViewOptions,
  type WaypointResource,
} from '../mesh/index.ts';

export type ToldOptions = ViewOptions & {
  /** Wants the address resource of that name, and all that belongs to it; resolves when it is there, or when there is none. */
  readonly demand: (name: string) => Promise<void>;
  /** Does not want it any more. */
  readonly release: (names: Iterable<string>) => void;
  /** Something that requests are served by has changed. Told once for each update. */
  readonly onChange: (changed: ToldChange) => void;
};

export type ToldChange = {
  /** Keys of services whose configuration came, changed or went. */
  readonly services: ReadonlySet<string>;
  /** The gateway's own configuration changed: everything that is made of it has to be made again. */
  readonly gateway: boolean;
};

/** A service, as it was told; `unreadable`: it is ours, and nobody may be served until it can be read. */
export type ToldService = { readonly kind: 'told'; readonly config: ServiceConfig } | { readonly kind: 'unreadable' };

export class Told implements DeltaHandlers {
  readonly view: View;
  readonly #options: ToldOptions;
  readonly #resources = new Map<string, WaypointResource>();
  readonly #services = new Map<string, ToldService>();
  readonly #workloads = new Set<string>();
  /** How endpoints are treated, by `namespace/hostname:port`, and with port 0 for all others. */
  #backends: ReadonlyMap<string, BackendPolicy> = new Map();
  #gateway: GatewayConfig | undefined;
  /** Demanded names, and how many resources refer to each. */
  readonly #references = new Map<string, number>();
  readonly #pending = new Set<Promise<void>>();

  constructor(options: ToldOptions) {
    this.#options = options;
    this.view = new View(options);
  }

  get gateway(): GatewayConfig | undefined {
    return this.#gateway;
  }

  service(key: string): ToldService | undefined {
    return this.#services.get(key);
  }

  /** Whether calls of that workload's own address come through us. */
  hasWorkload(uid: string): boolean {
    return this.#workloads.has(uid);
  }

  /** What a DestinationRule says of a service that we send to. */
  backend(service: string, port: number): BackendPolicy | undefined {
    if (this.#backends.size === 0) return undefined;
    return this.#backends.get(`${service}:${port}`) ?? this.#backends.get(`${service}:0`);
  }

  services(): ReadonlyMap<string, ToldService> {
    return this.#services;
  }

  /** Resolves when all addresses that were asked for until now are known, or known not to exist. */
  async addressesKnown(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  onUpdate(typeUrl: string, update: Update): readonly Rejection[] {
    if (typeUrl === WAYPOINT_TYPE) return this.#applyTold(update);
    return typeUrl === ADDRESS_TYPE ? this.#applyAddresses(update) : [];
  }

  #applyTold({ upserted, removed, unreadable = [] }: Update): readonly Rejection[] {
    const rejected: Rejection[] = [];
    const changed = new Set<string>();
    const before = this.#gateway;
    for (const { name, bytes } of upserted) {
      try {
        this.#set(name, decodeWaypoint(bytes), changed);
      } catch (error) {
        this.#unreadable(name, changed);
        rejected.push({ name, reason: error instanceof MeshError ? error.message : String(error) });
      }
    }
    for (const { name } of unreadable) this.#unreadable(name, changed);
    for (const name of removed) this.#remove(name, changed);
    this.#backends = backendsOf(this.#resources.values());
    this.#options.onChange({ services: changed, gateway: this.#gateway !== before });
    return rejected;
  }

  #set(name: string, resource: WaypointResource, changed: Set<string>): void {
    const before = this.#resources.get(name);
    this.#resources.set(name, resource);
    for (const reference of referencesOf(resource)) this.#refer(reference);
    if (before !== undefined) this.#unrefer(referencesOf(before));
    if (resource.gateway !== undefined) this.#gateway = resource.gateway;
    if (resource.workload !== undefined) this.#workloads.add(resource.workload.uid);
    if (resource.service !== undefined) {
      const key = serviceKey(resource.service);
      this.#services.set(key, { kind: 'told', config: resource.service });
      changed.add(key);
    }
  }

  /** What was told before stays in force; what never was is refused until it can be read. */
  #unreadable(name: string, changed: Set<string>): void {
    const key = serviceOfName(name);
    if (this.#resources.has(name) || key === undefined) return;
    this.#services.set(key, { kind: 'unreadable' });
    changed.add(key);
  }

  #remove(name: string, changed: Set<string>): void {
    const key = serviceOfName(name);
    if (key !== undefined && this.#services.delete(key)) changed.add(key);
    const resource = this.#resources.get(name);
    if (resource === undefined) return;
    this.#resources.delete(name);
    this.#unrefer(referencesOf(resource));
    if (resource.workload !== undefined) this.#workloads.delete(resource.workload.uid);
    if (resource.gateway !== undefined) this.#gateway = undefined;
  }

  #refer(name: string): void {
    const count = this.#references.get(name) ?? 0;
    this.#references.set(name, count + 1);
    if (count > 0) return;
    const answered = this.#options.demand(name).catch(() => {}); // closing: nobody waits any more
    this.#pending.add(answered);
    void answered.then(() => this.#pending.delete(answered));
  }

  #unrefer(names: readonly string[]): void {
    const gone: string[] = [];
    for (const name of names) {
      const left = (this.#references.get(name) ?? 1) - 1;
      if (left > 0) this.#references.set(name, left);
      else {
        this.#references.delete(name);
        gone.push(name);
      }
    }
    if (gone.length === 0) return;
    this.#options.release(gone);
    this.#dropAddresses(new Set(gone));
  }

  /** The services and workloads that nothing refers to any more. */
  #dropAddresses(gone: ReadonlySet<string>): void {
    const workloads = [...this.view.workloads()].filter(({ uid, services }) => {
      const isEndpoint = [...services.keys()].some((key) => gone.has(key));
      if (!gone.has(uid) && !isEndpoint) return false;
      return !this.#references.has(uid) && ![...services.keys()].some((key) => this.#references.has(key));
    });
    for (const name of gone) this.view.removeAddress(name);
    for (const { uid } of workloads) this.view.removeAddress(uid);
    this.#options.release(workloads.map(({ uid }) => uid));
  }

  #applyAddresses({ upserted, removed }: Update): readonly Rejection[] {
    const rejected: Rejection[] = [];
    for (const { name, bytes } of upserted) {
      try {
        const address = decodeAddress(bytes);
        this.view.upsertAddress(address);
        if (addressKey(address) !== name) throw new MeshError('XDS_RESOURCE_INVALID', `it is ${addressKey(address)}`);
      } catch (error) {
        rejected.push({ name, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    for (const name of removed) this.view.removeAddress(name);
    return rejected;
  }

  /** Whether a peer is of our trust domain, or of one of its aliases; nobody is while we do not know them. */
  isTrusted(peer: SpiffeId): boolean {
    return this.#gateway?.trustDomains.some((domain) => peer.startsWith(`spiffe://${domain}/`)) ?? false;
  }

  /** What certificates may call that identity while a trust domain is being renamed: the same account under each of its names. */
  alternatives(identity: SpiffeId): readonly SpiffeId[] {
    const domains = this.#gateway?.trustDomains ?? [];
    if (domains.length < 2 || !this.isTrusted(identity)) return [identity];
    const { namespace, serviceAccount } = spiffeParts(identity);
    return domains.map((domain) => spiffeId(domain, namespace, serviceAccount));
  }
}

function referencesOf({ gateway, service, workload }: WaypointResource): readonly string[] {
  return service?.references ?? gateway?.references ?? (workload === undefined ? [] : [workload.uid]);
}

/** `namespace/hostname` out of `ns/gateway/service/namespace/hostname`. */
function serviceOfName(name: string): string | undefined {
  const [, , kind, namespace, hostname] = name.split('/');
  return kind === 'service' && namespace && hostname ? `${namespace}/${hostname}` : undefined;
}

function backendsOf(resources: Iterable<WaypointResource>): ReadonlyMap<string, BackendPolicy> {
  const found = new Map<string, BackendPolicy>();
  for (const { service, gateway } of resources) {
    for (const policy of (service ?? gateway)?.backends ?? []) found.set(`${policy.service}:${policy.port}`, policy);
  }
  return found;
}
