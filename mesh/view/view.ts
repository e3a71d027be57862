/**
 * What a proxy holds of the mesh. Updates keep every index current; what is costly to build (endpoints laid out for choosing,
 * policy scopes) is built at its first use and follows the changes from then on.
 */
import type { IpAddress } from '../address.ts';
import { type Address, type Authorization, type Service, serviceKey, type Workload } from '../model.ts';
import type { PolicyScope } from '../policy/scope.ts';
import { AddressIndex } from './address-index.ts';
import { Balancer } from './balancer.ts';
import { PolicyStore } from './policy-store.ts';
import type { Endpoint } from './ports.ts';
import { ServiceIndex } from './service-index.ts';

export type ViewOptions = {
  /** The network this view is in; '' is the default network. */
  readonly network: string;
  /** Name of this node; '' when unset, then every workload counts as local. */
  readonly localNode: string;
};

/** How a pod's own proxy names the pod. */
export type WorkloadInfo = { readonly name: string; readonly namespace: string; readonly serviceAccount: string };

const NO_ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map();

export class View {
  readonly network: string;
  readonly #localNode: string;
  readonly #workloads = new Map<string, Workload>();
  readonly #services = new Map<string, Service>();
  readonly #byAddress = new AddressIndex();
  readonly #byInfo = new Map<string, OneOrMore>();
  readonly #byHostname = new Map<string, OneOrMore>();
  readonly #serviceIndex = new ServiceIndex();
  /** By service key, also for services that are not known (yet, or for the moment): nothing is lost by order. */
  readonly #endpoints = new Map<string, Map<string, Endpoint>>();
  readonly #balancers = new Map<string, Balancer>();
  #policies = new PolicyStore();

  constructor(options: ViewOptions) {
    this.network = options.network;
    this.#localNode = options.localNode;
  }

  /** Throws RangeError for a service with an impossible address range; the view is then unchanged. */
  upsertAddress(address: Address): void {
    if (address.kind === 'service') this.#upsertService(address.service);
    else this.#replaceWorkload(this.#workloads.get(address.workload.uid), address.workload);
  }

  /** By resource name: a workload's uid or a service's `namespace/hostname`. Unknown names are fine. */
  removeAddress(name: string): void {
    const workload = this.#workloads.get(name);
    if (workload !== undefined) {
      this.#replaceWorkload(workload, undefined);
      return;
    }
    const service = this.#services.get(name);
    if (service === undefined) return;
    this.#services.delete(name);
    this.#serviceIndex.remove(service);
    this.#balancers.delete(name);
  }

  /** Throws RangeError for a policy with an impossible CIDR; the view is then unchanged. */
  upsertAuthorization(authorization: Authorization): void {
    this.#policies.upsert(authorization);
  }

  removeAuthorization(key: string): void {
    this.#policies.remove(key);
  }

  /** A copy of the policies to change at leisure; nothing of it is in force before `usePolicies`. */
  draftPolicies(): PolicyStore {
    return this.#policies.copy();
  }

  /** All of the draft comes into force at once. It must be the latest: what else was changed since it was made is lost. */
  usePolicies(draft: PolicyStore): void {
    this.#policies = draft;
  }

  workloadByUid(uid: string): Workload | undefined {
    return this.#workloads.get(uid);
  }

  workloadByAddress(network: string, ip: IpAddress): Workload | undefined {
    return this.#byAddress.find(network, ip);
  }

  /** The workload of that pod, among those of this node. */
  localWorkload(info: WorkloadInfo): Workload | undefined {
    return smallestUid(this.#byInfo.get(infoKey(info)), (w) => this.#localNode === '' || w.node === this.#localNode);
  }

  /** A workload that is itself reached by this name. */
  workloadByHostname(namespace: string, hostname: string): Workload | undefined {
    return smallestUid(this.#byHostname.get(`${namespace}/${hostname}`), () => true);
  }

  serviceByKey(key: string): Service | undefined {
    return this.#services.get(key);
  }

  /**
   * Without a client namespace, visibility is not looked at (waypoint references, inbound checks). Without `ranges`, only
   * services with exactly this address are found.
   */
  serviceByVip(
    network: string,
    ip: IpAddress,
    clientNamespace?: string,
    { ranges }: { readonly ranges: boolean } = { ranges: true },
  ): Service | undefined {
    const exact = this.#serviceIndex.byVip(network, ip, clientNamespace);
    return exact ?? (ranges ? this.#serviceIndex.byRange(network, ip, clientNamespace) : undefined);
  }

  serviceByHostname(hostname: string, clientNamespace?: string): Service | undefined {
    return this.#serviceIndex.byHostname(hostname, clientNamespace);
  }

  /** All that have the name, visible or not: canonical ones first, then by key. */
  servicesByHostname(hostname: string): readonly Service[] {
    return this.#serviceIndex.allByHostname(hostname);
  }

  workloads(): Iterable<Workload> {
    return this.#workloads.values();
  }

  services(): Iterable<Service> {
    return this.#services.values();
  }

  authorizations(): Iterable<Authorization> {
    return this.#policies.all();
  }

  authorizationByKey(key: string): Authorization | undefined {
    return this.#policies.get(key);
  }

  /** Endpoints that may be chosen: the healthy ones, or all where the service says so; sorted by uid. */
  endpoints(service: Service): readonly Endpoint[] {
    return this.balancer(service).endpoints;
  }

  /** Endpoints of a service, healthy or not. */
  allEndpoints(service: Service): Iterable<Endpoint> {
    return (this.#endpoints.get(serviceKey(service)) ?? NO_ENDPOINTS).values();
  }

  /** One endpoint of a service, healthy or not. */
  endpoint(service: Service, uid: string): Endpoint | undefined {
    return this.#endpoints.get(serviceKey(service))?.get(uid);
  }

  balancer(service: Service): Balancer {
    const key = serviceKey(service);
    const known = this.#balancers.get(key);
    if (known !== undefined) return known;
    const balancer = new Balancer(service, this.#endpoints.get(key) ?? NO_ENDPOINTS);
    if (this.#services.get(key) === service) this.#balancers.set(key, balancer);
    return balancer;
  }

  /** The same object until a policy changes or the workload names others. */
  policyScope(workload: Workload): PolicyScope {
    return this.#policies.scope(workload);
  }

  /** `now` takes the place of `old`, one of which may be missing; they have the same uid. */
  #replaceWorkload(old: Workload | undefined, now: Workload | undefined): void {
    if (now !== undefined) this.#workloads.set(now.uid, now);
    else if (old !== undefined) this.#workloads.delete(old.uid);
    this.#byAddress.replace(old, now);
    replaceIn(this.#byInfo, infoKey, old, now);
    replaceIn(this.#byHostname, hostnameKey, old, now);
    if (old !== undefined) {
      for (const key of old.services.keys()) if (!now?.services.has(key)) this.#dropEndpoint(key, old.uid);
    }
    if (now === undefined) return;
    for (const [key, ports] of now.services) this.#setEndpoint(key, { workload: now, ports });
  }

  #setEndpoint(key: string, endpoint: Endpoint): void {
    const { uid } = endpoint.workload;
    let endpoints = this.#endpoints.get(key);
    if (endpoints === undefined) {
      endpoints = new Map();
      this.#endpoints.set(key, endpoints);
      this.#balancers.delete(key); // it looks at no endpoints
    }
    endpoints.set(uid, endpoint);
    this.#balancers.get(key)?.changed(uid);
  }

  #dropEndpoint(key: string, uid: string): void {
    const endpoints = this.#endpoints.get(key);
    endpoints?.delete(uid);
    this.#balancers.get(key)?.changed(uid);
    if (endpoints?.size !== 0) return;
    this.#endpoints.delete(key);
    this.#balancers.delete(key);
  }

  #upsertService(service: Service): void {
    const key = serviceKey(service);
    const old = this.#services.get(key);
    if (old === service) return;
    this.#serviceIndex.add(service); // the one step that can throw comes first
    if (old !== undefined) this.#serviceIndex.remove(old);
    this.#services.set(key, service);
    this.#balancers.delete(key);
  }
}

function infoKey(info: WorkloadInfo): string {
  return `${info.namespace}/${info.name}/${info.serviceAccount}`;
}

/** Mostly one, and then not worth a map: a map costs more memory than a workload's name. */
type OneOrMore = Workload | Map<string, Workload>;
type KeyOf = (w: Workload) => string | undefined;

const hostnameKey: KeyOf = ({ namespace, hostname }) => (hostname === '' ? undefined : `${namespace}/${hostname}`);

/** As `AddressIndex.replace`. */
function replaceIn(
  index: Map<string, OneOrMore>,
  keyOf: KeyOf,
  old: Workload | undefined,
  now: Workload | undefined,
): void {
  const before = old && keyOf(old);
  const key = now && keyOf(now);
  if (old !== undefined && before !== undefined && before !== key) {
    const held = index.get(before);
    if (!(held instanceof Map)) index.delete(before);
    else if (held.delete(old.uid) && held.size === 0) index.delete(before);
  }
  if (now === undefined || key === undefined) return;
  const held = index.get(key);
  if (held instanceof Map) held.set(now.uid, now);
  else if (held === undefined || held.uid === now.uid) index.set(key, now);
  else index.set(key, new Map([held, now].map((w) => [w.uid, w])));
}

function smallestUid(of: OneOrMore | undefined, accept: (w: Workload) => boolean): Workload | undefined {
  if (of === undefined) return undefined;
  let found: Workload | undefined;
  for (const w of of instanceof Map ? of.values() : [of]) {
    if (accept(w) && (found === undefined || w.uid < found.uid)) found = w;
  }
  return found;
}
