/**
 * What a proxy holds of the mesh. Updates keep every index current; what is costly to build (endpoint lists, policy scopes)
 * is built at the first use after a change and kept until the next.
 */
import type { IpAddress } from '../address.ts';
import { type Address, type Authorization, type Service, serviceKey, type Workload } from '../model.ts';
import type { PolicyScope } from '../policy/scope.ts';
import { AddressIndex } from './address-index.ts';
import { Balancer, type Endpoint } from './balancer.ts';
import { PolicyStore } from './policy-store.ts';
import { ServiceIndex } from './service-index.ts';

export type ViewOptions = {
  /** The network this view is in; '' is the default network. */
  readonly network: string;
  /** Name of this node; '' when unset, then every workload counts as local. */
  readonly localNode: string;
};

/** How a pod's own proxy names the pod. */
export type WorkloadInfo = { readonly name: string; readonly namespace: string; readonly serviceAccount: string };

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
    if (address.kind === 'workload') this.#upsertWorkload(address.workload);
    else this.#upsertService(address.service);
  }

  /** By resource name: a workload's uid or a service's `namespace/hostname`. Unknown names are fine. */
  removeAddress(name: string): void {
    const workload = this.#workloads.get(name);
    if (workload !== undefined) {
      this.#dropWorkload(workload);
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

  /** Without a client namespace, visibility is not looked at (waypoint references, inbound checks). */
  serviceByVip(network: string, ip: IpAddress, clientNamespace?: string): Service | undefined {
    return this.#serviceIndex.byVip(network, ip, clientNamespace);
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

  /** One endpoint of a service, healthy or not. */
  endpoint(service: Service, uid: string): Endpoint | undefined {
    return this.#endpoints.get(serviceKey(service))?.get(uid);
  }

  balancer(service: Service): Balancer {
    const key = serviceKey(service);
    const known = this.#balancers.get(key);
    if (known !== undefined) return known;
    const all = this.#endpoints.get(key)?.values() ?? [];
    const everybody = service.loadBalancing?.healthPolicy === 'ALLOW_ALL';
    const balancer = new Balancer(
      service,
      [...all].filter(({ workload }) => everybody || workload.status === 'HEALTHY'),
    );
    if (this.#services.get(key) === service) this.#balancers.set(key, balancer);
    return balancer;
  }

  /** The same object until a policy changes or the workload names others. */
  policyScope(workload: Workload): PolicyScope {
    return this.#policies.scope(workload);
  }

  #upsertWorkload(workload: Workload): void {
    const old = this.#workloads.get(workload.uid);
    if (old !== undefined) this.#dropWorkload(old);
    this.#workloads.set(workload.uid, workload);
    this.#byAddress.add(workload);
    addTo(this.#byInfo, infoKey(workload), workload);
    if (workload.hostname !== '') addTo(this.#byHostname, `${workload.namespace}/${workload.hostname}`, workload);
    for (const [key, ports] of workload.services) {
      let endpoints = this.#endpoints.get(key);
      if (endpoints === undefined) {
        endpoints = new Map();
        this.#endpoints.set(key, endpoints);
      }
      endpoints.set(workload.uid, { workload, ports });
      this.#balancers.delete(key);
    }
  }

  #dropWorkload(workload: Workload): void {
    this.#workloads.delete(workload.uid);
    this.#byAddress.remove(workload);
    removeFrom(this.#byInfo, infoKey(workload), workload);
    if (workload.hostname !== '') removeFrom(this.#byHostname, `${workload.namespace}/${workload.hostname}`, workload);
    for (const key of workload.services.keys()) {
      const endpoints = this.#endpoints.get(key);
      endpoints?.delete(workload.uid);
      if (endpoints?.size === 0) this.#endpoints.delete(key);
      this.#balancers.delete(key);
    }
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

/** Mostly one, and then not worth a set: a set costs more memory than a workload's name. */
type OneOrMore = Workload | Set<Workload>;

function addTo(index: Map<string, OneOrMore>, key: string, workload: Workload): void {
  const held = index.get(key);
  if (held === undefined) index.set(key, workload);
  else if (held instanceof Set) held.add(workload);
  else if (held !== workload) index.set(key, new Set([held, workload]));
}

function removeFrom(index: Map<string, OneOrMore>, key: string, workload: Workload): void {
  const held = index.get(key);
  if (held instanceof Set) held.delete(workload);
  if (held === workload || (held instanceof Set && held.size === 0)) index.delete(key);
}

function smallestUid(of: OneOrMore | undefined, accept: (w: Workload) => boolean): Workload | undefined {
  if (of === undefined) return undefined;
  let found: Workload | undefined;
  for (const w of of instanceof Set ? of : [of]) if (accept(w) && (found === undefined || w.uid < found.uid)) found = w;
  return found;
}
