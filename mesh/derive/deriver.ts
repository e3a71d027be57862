/**
 * Kubernetes objects in, mesh resources out. A change marks what truly depends on it, and only that is computed again; what
 * comes out equal to before is not sent.
 */

import { WAYPOINT_ACCEPTED, waypointCondition } from '../http-policy/derive/accepted.ts';
import { type HeldPolicy, HttpPolicies } from '../http-policy/derive/http-policies.ts';
import type { PolicyTarget } from '../http-policy/derive/targets.ts';
import { type Delta, groupOf, type KubeObject, type KubeObjectRef, type MeshConfig } from '../kube-object.ts';
import type { WaypointResource } from '../l7/model.ts';
import type { Address, Authorization } from '../model.ts';
import { BackendTlsPolicies } from '../resilience/backend-tls-policies.ts';
import { BackendUses } from '../resilience/backend-uses.ts';
import { type BackendsParts, usesOf } from '../resilience/backends.ts';
import { DestinationRules } from '../resilience/destination-rules.ts';
import { type Material, type MaterialRef, materialName, readMaterial } from '../resilience/tls-material.ts';
import type { MaterialLookup } from '../resilience/tls-wish.ts';
import { type NotedKind, Routes } from '../route/derive/routes.ts';
import { Telemetries } from '../telemetry/derive/telemetries.ts';
import { Addresses, type Unbound, VISIBILITY_APPLIED, WAYPOINT_MISSING } from './addresses.ts';
import type { PolicyReading } from './authorization-policy.ts';
import { Collection } from './collection.ts';
import {
  endpointsOf,
  followBackends,
  followDependents,
  followEndpointPorts,
  type Mark,
  type OwnerKind,
  usersOf,
} from './dependents.ts';
import { Discovered, isDiscovered } from './discovered.ts';
import { readSlice } from './endpoint-slice.ts';
import { readGateway, readGatewayClass } from './gateway.ts';
import { Hosts } from './hosts.ts';
import { Inputs } from './inputs.ts';
import { readService, type ServiceFacts } from './kube-service.ts';
import { Memberships } from './memberships.ts';
import { readNamespace, readNode } from './namespace.ts';
import { type Condition, Outputs } from './outputs.ts';
import { readPod } from './pod.ts';
import { Policies } from './policies.ts';
import { stateOfTarget, type TargetStateParts } from './policy-target-states.ts';
import type { Reading } from './read.ts';
import { Requirements, WAYPOINT_REQUIRED } from './require-waypoint.ts';
import { isOfRevision } from './revision.ts';
import { routeSurroundings } from './route-surroundings.ts';
import { Senders } from './senders.ts';
import { readServiceEntry, type ServiceEntryFacts } from './service-entry.ts';
import { WAYPOINT_BOUND } from './service-waypoint.ts';
import { WaypointResources } from './waypoint-resources.ts';
import { Waypoints } from './waypoints.ts';
import { readWorkloadEntry } from './workload-entry.ts';

/** Why an object could not be taken; absent where it could. */
const ACCEPTED = 'ambit.io/Accepted';
/** Conditions that stand only on objects that could be read. */
const DERIVED_CONDITIONS = [WAYPOINT_BOUND, VISIBILITY_APPLIED, WAYPOINT_MISSING, WAYPOINT_REQUIRED];

const NAMESPACE_KIND = '/Namespace';
/** ztunnels see no tokens, and waypoints obey only targetRefs. */
const UNATTACHED: Condition = {
  status: 'False',
  reason: 'AncestorNotBound',
  message: 'not enforced: only waypoints see tokens, and none is named by targetRefs',
};
const ROUTE_KINDS: readonly NotedKind[] = ['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute', 'ReferenceGrant'];

/** Takes note of one object of its kind; undefined: it is gone. */
type Note = (key: string, ref: KubeObjectRef, object: KubeObject | undefined) => void;

export class Deriver {
  #config: MeshConfig;
  readonly #inputs = new Inputs();
  readonly #outputs = new Outputs();
  readonly #discovered: Discovered;
  readonly #hosts: Hosts;
  readonly #policies: Policies;
  readonly #addresses: Addresses;
  readonly #waypointResources: WaypointResources;
  readonly #routes: Routes;
  readonly #httpPolicies: HttpPolicies;
  readonly #telemetries: Telemetries;
  readonly #destinationRules: DestinationRules;
  readonly #tlsPolicies: BackendTlsPolicies;
  readonly #targetStates: TargetStateParts;
  readonly #requirements: Requirements;
  /** Whose waypoint may be required now, or on other ports, beside those that are dirty themselves. */
  readonly #toRequire = { Service: new Set<string>(), ServiceEntry: new Set<string>() };
  /** Policies for waypoints whose condition may be another now, by kind and name. */
  readonly #dirtyPolicies = new Map<string, HeldPolicy>();
  readonly #notes: ReadonlyMap<string, Note>;
  readonly #dirty: Readonly<Record<OwnerKind, Set<string>>> = {
    Pod: new Set(),
    Service: new Set(),
    EndpointSlice: new Set(),
    WorkloadEntry: new Set(),
    ServiceEntry: new Set(),
    Gateway: new Set(),
  };

  constructor(config: MeshConfig) {
    this.#config = config;
    const current = () => this.#config;
    const inputs = this.#inputs;
    const outputs = this.#outputs;
    this.#discovered = new Discovered((name) => isDiscovered(name, inputs.namespaces.get(name), this.#config));
    this.#policies = new Policies(config, outputs, (namespace, selector) => {
      for (const { kind, key } of inputs.selected(namespace, selector)) this.#dirty[kind].add(key);
    });
    const hosts = new Hosts(inputs, current);
    this.#hosts = hosts;
    const memberships = new Memberships(inputs, hosts, current);
    const waypoints = new Waypoints(inputs);
    const policies = this.#policies;
    const surroundings = routeSurroundings({ config: current, inputs, hosts, waypoints });
    const routes = new Routes(surroundings);
    routes.follow(({ kind, namespace, name }) => this.#dirty[kind].add(`${namespace}/${name}`));
    this.#routes = routes;
    inputs.serviceEntries.follow(({ old, next }) => {
      for (const host of [...(old?.hosts ?? []), ...(next?.hosts ?? [])]) routes.hostChanged(host);
    });
    const httpPolicies = new HttpPolicies(config);
    const requirements = new Requirements({ config: current, inputs, outputs, hosts, waypoints, httpPolicies });
    this.#requirements = requirements;
    this.#addresses = new Addresses({
      config: current,
      inputs,
      outputs,
      hosts,
      memberships,
      waypoints,
      policies,
      requirements,
    });
    httpPolicies.follow((target) => this.#markTarget(target));
    inputs.gatewayClasses.follow(({ key }) => this.#lookAtPolicies({ kind: 'GatewayClass', namespace: '', name: key }));
    this.#httpPolicies = httpPolicies;
    this.#targetStates = { inputs, hosts, waypoints };
    const materials = new Collection<Material>();
    materials.follow(() => {
      tlsPolicies.materialChanged();
      this.#markSenders(); // they are few: those that something names
    });
    const material: MaterialLookup = (ref) => materials.get(materialName(ref));
    const uses = new BackendUses();
    const senders = new Senders();
    const tlsPolicies = new BackendTlsPolicies({
      material,
      ports: ({ kind, namespace, name }) => {
        const key = `${namespace}/${name}`;
        return (kind === 'Service' ? inputs.services.get(key) : inputs.serviceEntries.get(key))?.ports;
      },
      uses: (ref) => {
        const services = surroundings.services(ref);
        return services.flatMap(({ namespace, hostname }) => usesOf(backends, uses, `${namespace}/${hostname}`));
      },
    });
    tlsPolicies.follow(() => this.#markSenders());
    this.#tlsPolicies = tlsPolicies;
    const destinationRules = new DestinationRules({
      config: current,
      material,
      missing: (rule) => uses.missing(rule),
      say: (target, condition) => outputs.setCondition(target, ACCEPTED, condition),
    });
    this.#destinationRules = destinationRules;
    // Rules are few, and a wildcard may be about any service.
    destinationRules.follow(() => this.#markSenders());
    const backends: BackendsParts = {
      rules: destinationRules,
      tlsPolicies,
      owner: (namespace, hostname) => hosts.ownerOf(namespace, hostname),
    };
    uses.follow({
      rule: (key) => destinationRules.missingChanged(key),
      service: (service) => {
        const { namespace, name: hostname } = namesIn(service);
        const owner = hosts.ownerOf(namespace, hostname);
        if (owner !== undefined) tlsPolicies.targetChanged(owner);
      },
    });
    const telemetries = new Telemetries({
      config: current,
      say: (target, condition) => outputs.setCondition(target, ACCEPTED, condition),
    });
    // They are few, too, and most are about whole namespaces.
    telemetries.follow(() => this.#markSenders());
    this.#telemetries = telemetries;
    this.#waypointResources = new WaypointResources({
      config: current,
      inputs,
      hosts,
      waypoints,
      routes,
      httpPolicies,
      backends,
      uses,
      senders,
      telemetries,
    });
    const mark: Mark = (kind, key) => this.#dirty[kind].add(key);
    followDependents(inputs, hosts, mark);
    followBackends(inputs, hosts, senders, mark);
    followEndpointPorts(inputs, (kind, key) => this.#toRequire[kind].add(key));
    const noteMaterial: Note = (_, { kind, metadata: { namespace = '', name } }, object) => {
      const reading = object && readMaterial(object);
      const ref = { kind: kind === 'Secret' ? 'Secret' : 'ConfigMap', namespace, name } as const;
      materials.set(materialName(ref), reading?.kind === 'facts' ? reading.facts : undefined);
    };
    this.#notes = new Map<string, Note>([
      ['/Pod', this.#into(inputs.pods, (pod) => ({ kind: 'facts', facts: readPod(pod) }))],
      ['/Service', this.#into(inputs.services, readService)],
      ['/Node', this.#into(inputs.nodes, readNode)],
      [NAMESPACE_KIND, this.#into(inputs.namespaces, readNamespace)],
      ['discovery.k8s.io/EndpointSlice', this.#into(inputs.slices, readSlice)],
      ['networking.istio.io/ServiceEntry', this.#ours(this.#into(inputs.serviceEntries, readServiceEntry))],
      ['networking.istio.io/WorkloadEntry', this.#ours(this.#into(inputs.workloadEntries, readWorkloadEntry))],
      ['gateway.networking.k8s.io/Gateway', this.#into(inputs.gateways, readGateway)],
      ['gateway.networking.k8s.io/GatewayClass', this.#into(inputs.gatewayClasses, readGatewayClass)],
      ['/Secret', noteMaterial],
      ['/ConfigMap', noteMaterial],
      ['gateway.networking.k8s.io/BackendTLSPolicy', this.#ours((key, _, object) => tlsPolicies.note(key, object))],
      [
        'networking.istio.io/DestinationRule',
        this.#ours((key, ref, object) => {
          destinationRules.note(key, object);
          if (object === undefined) outputs.forgetConditions(ref);
        }),
      ],
      [
        'telemetry.istio.io/Telemetry',
        this.#ours((key, ref, object) => {
          telemetries.note(key, object);
          if (object === undefined) outputs.forgetConditions(ref);
        }),
      ],
      ...ROUTE_KINDS.map((kind): [string, Note] => [
        `gateway.networking.k8s.io/${kind}`,
        this.#ours((key, _, object) => routes.note(kind, key, object)),
      ]),
      [
        'security.istio.io/AuthorizationPolicy',
        this.#ours((key, ref, object) => {
          policies.notePolicy(key, ref, object);
          httpPolicies.note(key, object);
          this.#lookAtPolicy(ref, object, httpPolicies.policy(key), undefined);
        }),
      ],
      [
        'security.istio.io/RequestAuthentication',
        this.#ours((key, ref, object) => {
          httpPolicies.noteAuthentication(key, object);
          if (object === undefined) outputs.forgetConditions(ref);
          this.#lookAtPolicy(ref, object, httpPolicies.authentication(key), UNATTACHED);
        }),
      ],
      ['security.istio.io/PeerAuthentication', this.#ours((...note) => policies.notePeer(...note))],
    ]);
  }

  /** All resources that exist now, by resource name. */
  get addresses(): ReadonlyMap<string, Address> {
    return this.#outputs.addresses.held;
  }

  get authorizations(): ReadonlyMap<string, Authorization> {
    return this.#outputs.authorizations.held;
  }

  /** What waypoints are told, by resource name. */
  get waypoints(): ReadonlyMap<string, WaypointResource> {
    return this.#outputs.waypoints.held;
  }

  /** An object is new or changed. Kinds that do not matter here change nothing; bad input yields a condition, never throws. */
  apply(object: KubeObject): Delta {
    this.#note(object, object);
    return this.#derive();
  }

  /** Many at once, as after a first list: the same as one by one, at less cost. */
  applyAll(objects: Iterable<KubeObject>): Delta {
    for (const object of objects) this.#note(object, object);
    return this.#derive();
  }

  /** An object is gone; one that was never seen changes nothing. */
  remove(object: KubeObjectRef): Delta {
    this.#note(object, undefined);
    return this.#derive();
  }

  /** Everything is computed again; only the differences come back. */
  reconfigure(config: MeshConfig): Delta {
    this.#config = config;
    this.#policies.reconfigure(config);
    this.#httpPolicies.reconfigure(config);
    this.#telemetries.reconfigure();
    for (const held of this.#httpPolicies.held()) this.#dirtyPolicies.set(policyName(held), held);
    this.#discovered.lookAtAll();
    this.#everything();
    return this.#derive();
  }

  /** Pods that ask for a waypoint which they do not get, by `namespace/name`. */
  get unboundPods(): ReadonlyMap<string, Unbound> {
    return this.#addresses.unboundPods;
  }

  /** The Service or ServiceEntry that a host of a namespace is of: what a policy for that host is attached to. */
  ownerOf(namespace: string, host: string): ServiceFacts | ServiceEntryFacts | undefined {
    return this.#hosts.ownerOf(namespace, host);
  }

  /**
   * Secrets and ConfigMaps that DestinationRules and BackendTLSPolicies name, whether a waypoint follows them or not; some may
   * come more than once. Only these matter: whoever feeds it should tell of no others, for what it is told it keeps.
   */
  *materials(): Generator<MaterialRef> {
    yield* this.#destinationRules.materials();
    yield* this.#tlsPolicies.materials();
  }

  /** What became of an AuthorizationPolicy, by `namespace/name`. */
  policyReading(key: string): PolicyReading | undefined {
    return this.#policies.reading(key);
  }

  #note(ref: KubeObjectRef, object: KubeObject | undefined): void {
    const { name, namespace = '' } = ref.metadata;
    if (typeof name !== 'string' || name === '') return;
    const group = groupOf(ref.apiVersion);
    const kind = `${group}/${ref.kind}`;
    const note = this.#notes.get(kind);
    if (note === undefined) return; // plays no part
    const network = this.#addresses.network();
    if (namespace === '') note(name, ref, object);
    else {
      this.#discovered.note(namespace, `${kind} ${name}`, object, (counting) => {
        if (object !== undefined && counting === undefined) this.#outputs.withdrawConditions(object);
        note(`${namespace}/${name}`, ref, counting);
      });
    }
    if (kind === NAMESPACE_KIND) this.#discovered.lookAt(name);
    if (this.#addresses.network() !== network) this.#everything();
  }

  #into<T extends object>(collection: Collection<T>, read: (object: KubeObject) => Reading<T>): Note {
    return (key, ref, object) => {
      const reading = object && read(object);
      collection.set(key, reading?.kind === 'facts' ? reading.facts : undefined);
      if (object === undefined) this.#outputs.forgetConditions(ref);
      if (object === undefined || reading === undefined) return;
      const problem = reading.kind === 'invalid' ? reading.problem : undefined;
      const condition = problem && ({ status: 'False', reason: 'Invalid', message: problem } as const);
      this.#outputs.setCondition(object, ACCEPTED, condition || undefined);
      if (reading.kind === 'facts') return;
      for (const type of DERIVED_CONDITIONS) this.#outputs.setCondition(object, type, undefined);
    };
  }

  /** A policy is another, or gone. */
  #lookAtPolicy(
    ref: KubeObjectRef,
    object: KubeObject | undefined,
    held: HeldPolicy | undefined,
    /** What is said of one that is not for waypoints. */
    otherwise: Condition | undefined,
  ): void {
    if (held !== undefined) {
      this.#dirtyPolicies.set(policyName(held), held);
      return;
    }
    this.#dirtyPolicies.delete(policyName({ object: ref }));
    if (object !== undefined) this.#outputs.setCondition(object, WAYPOINT_ACCEPTED, otherwise);
  }

  /** What is attached to a target has changed: so does what waypoints are told, and which of them are required. */
  #markTarget({ kind, namespace, name }: PolicyTarget): void {
    const { gateways, services, serviceEntries } = this.#inputs;
    const key = `${namespace}/${name}`;
    if (kind !== 'GatewayClass') this.#dirty[kind].add(key);
    else for (const gateway of gateways.keys()) this.#dirty.Gateway.add(gateway);
    if (kind === 'Gateway') {
      for (const user of usersOf(this.#inputs, key)) {
        if (user.kind === 'Service' || user.kind === 'ServiceEntry') this.#toRequire[user.kind].add(user.key);
      }
    }
    if (kind === 'GatewayClass') {
      for (const service of services.keys()) this.#toRequire.Service.add(service);
      for (const entry of serviceEntries.keys()) this.#toRequire.ServiceEntry.add(entry);
    }
  }

  /** A target, or what it is bound to, has changed: so may what its policies say of themselves. */
  #lookAtPolicies(target: PolicyTarget): void {
    for (const held of this.#httpPolicies.heldAt(target)) this.#dirtyPolicies.set(policyName(held), held);
  }

  /** What is labelled for another control plane is as good as gone. */
  #ours(note: Note): Note {
    return (key, ref, object) => {
      const isOurs = object !== undefined && isOfRevision(object, this.#config.revision);
      if (object !== undefined && !isOurs) this.#outputs.withdrawConditions(object);
      note(key, ref, isOurs ? object : undefined);
    };
  }

  /** All because of which waypoints send anything anywhere. */
  #markSenders(): void {
    const { services, serviceEntries, gateways } = this.#inputs;
    for (const key of services.keys()) this.#dirty.Service.add(key);
    for (const key of serviceEntries.keys()) this.#dirty.ServiceEntry.add(key);
    for (const key of gateways.keys()) this.#dirty.Gateway.add(key);
  }

  #everything(): void {
    const { pods, slices, workloadEntries } = this.#inputs;
    for (const key of pods.keys()) this.#dirty.Pod.add(key);
    for (const key of slices.keys()) this.#dirty.EndpointSlice.add(key);
    for (const key of workloadEntries.keys()) this.#dirty.WorkloadEntry.add(key);
    this.#markSenders();
  }

  #derive(): Delta {
    this.#policies.derive();
    this.#lookAtRoutes();
    this.#lookAtRequirements();
    for (const kind of Object.keys(this.#dirty) as OwnerKind[]) {
      for (const key of this.#dirty[kind]) {
        const owner = `${kind} ${key}`;
        this.#outputs.addresses.set(owner, this.#addresses.of[kind](key));
        this.#outputs.waypoints.set(owner, this.#waypointResources.of[kind](key));
        if (kind === 'Service' || kind === 'ServiceEntry' || kind === 'Gateway') {
          this.#lookAtPolicies({ kind, ...namesIn(key) });
        }
      }
      this.#dirty[kind].clear();
    }
    const hasProvider = (provider: string) => this.#config.authorizers.some(({ name }) => name === provider);
    for (const held of this.#dirtyPolicies.values()) {
      const condition = waypointCondition(held, (target) => stateOfTarget(this.#targetStates, target), hasProvider);
      this.#outputs.setCondition(held.object, WAYPOINT_ACCEPTED, condition);
    }
    this.#dirtyPolicies.clear();
    this.#destinationRules.sayConditions();
    return { ...this.#outputs.take(), routes: [...this.#routes.takeStatuses(), ...this.#tlsPolicies.takeStatuses()] };
  }

  /** Before addresses, which name the policies: whose list is another now is computed again. */
  #lookAtRequirements(): void {
    for (const kind of ['Service', 'ServiceEntry'] as const) {
      for (const key of new Set([...this.#dirty[kind], ...this.#toRequire[kind]])) {
        if (!this.#requirements.derive(kind, key)) continue;
        this.#dirty[kind].add(key);
        const facts = kind === 'Service' ? this.#inputs.services.get(key) : this.#inputs.serviceEntries.get(key);
        for (const endpoint of facts === undefined ? [] : endpointsOf(this.#inputs, facts)) {
          this.#dirty[endpoint.kind].add(endpoint.key);
        }
      }
      this.#toRequire[kind].clear();
    }
  }

  /** Of what changed, routes may make something else, for themselves and for the services that they are about. */
  #lookAtRoutes(): void {
    for (const kind of ['Service', 'ServiceEntry'] as const) {
      for (const key of [...this.#dirty[kind]]) {
        this.#routes.serviceChanged({ kind, ...namesIn(key) });
        this.#tlsPolicies.targetChanged({ kind, ...namesIn(key) });
        const hosts = kind === 'ServiceEntry' ? this.#inputs.serviceEntries.get(key)?.hosts : undefined;
        for (const host of hosts ?? []) this.#routes.hostChanged(host);
      }
    }
  }
}

/** Of `namespace/name`. */
function namesIn(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

function policyName({ object }: { readonly object: Pick<KubeObjectRef, 'kind' | 'metadata'> }): string {
  return `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}
