/** From the facts of one object, and what is around it, to the workloads and services that it amounts to. */
import type { MeshConfig, Visibility } from '../kube-object.ts';
import { type Address, type Service, serviceKey, type Workload } from '../model.ts';
import type { OwnerKind } from './dependents.ts';
import { sliceWorkloads } from './endpoint-slice.ts';
import { gatewayAddress } from './gateway.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import { meshService, type ServiceFacts } from './kube-service.ts';
import type { Memberships } from './memberships.ts';
import type { Condition, Outputs } from './outputs.ts';
import { podWorkload } from './pod.ts';
import type { Policies } from './policies.ts';
import type { Labels } from './read.ts';
import type { Requirements } from './require-waypoint.ts';
import type { ServiceEntryFacts } from './service-entry.ts';
import { entryWorkloads, hostService } from './service-entry-resources.ts';
import { boundCondition, serviceWaypoint, WAYPOINT_BOUND, WITHOUT_WAYPOINT } from './service-waypoint.ts';
import { type WaypointWish, waypointWish } from './waypoint-wish.ts';
import type { WaypointBinding, Waypoints } from './waypoints.ts';
import { entryWorkload } from './workload-entry.ts';
import type { WorkloadSurroundings } from './workload-surroundings.ts';

export const VISIBILITY_APPLIED = 'istio.io/VisibilityApplied';
export const WAYPOINT_MISSING = 'istio.io/WaypointMissing';

/** Why there is no waypoint, in one word and for people. */
export type Unbound = { readonly reason: string; readonly message: string };

export type AddressParts = {
  readonly config: () => MeshConfig;
  readonly inputs: Inputs;
  readonly hosts: Hosts;
  readonly memberships: Memberships;
  readonly waypoints: Waypoints;
  readonly policies: Policies;
  readonly requirements: Requirements;
  readonly outputs: Outputs;
};

export class Addresses {
  readonly #parts: AddressParts;
  readonly #unbound = new Map<string, Unbound>();
  /** By kind of the object: what the one with this key amounts to, now. */
  readonly of: Readonly<Record<OwnerKind, (key: string) => readonly Address[]>> = {
    Pod: (key) => this.#pod(key),
    Service: (key) => this.#service(key),
    EndpointSlice: (key) => this.#slice(key),
    WorkloadEntry: (key) => this.#workloadEntry(key),
    ServiceEntry: (key) => this.#serviceEntry(key),
    Gateway: () => [], // its pods and its Service are objects of their own
  };

  constructor(parts: AddressParts) {
    this.#parts = parts;
  }

  /** Pods that ask for a waypoint which they do not get, by `namespace/name`: they have no condition that could say so. */
  get unboundPods(): ReadonlyMap<string, Unbound> {
    return this.#unbound;
  }

  /** The root namespace's label says which network this cluster is; else the configuration does. */
  network(): string {
    const { config, inputs } = this.#parts;
    return inputs.namespaces.get(config().rootNamespace)?.network || config().network;
  }

  #pod(key: string): readonly Address[] {
    const { inputs, memberships, waypoints } = this.#parts;
    const pod = inputs.pods.get(key);
    this.#unbound.delete(key);
    if (pod?.addresses === undefined) return [];
    // What serves a waypoint has none itself: its calls would come back to it.
    const served = waypoints.served(pod.namespace, pod.labels);
    const { namespace, waypoint } = pod;
    const binding = served === undefined ? waypoints.bind({ namespace, waypoint, traffic: 'workload' }) : undefined;
    if (binding?.kind === 'unbound') {
      this.#unbound.set(key, { reason: binding.reason, message: `${binding.message}; ${WITHOUT_WAYPOINT}` });
    }
    const services = memberships.of(pod);
    const around = {
      ...this.#around(pod.namespace, pod.labels, services),
      locality: inputs.nodes.get(pod.node),
      services,
      waypoint: binding && addressOf(binding, this.network()),
      applicationTunnel: served?.tunnel,
    };
    return workloads(podWorkload(pod, around));
  }

  #service(key: string): readonly Address[] {
    const { config, inputs } = this.#parts;
    const service = inputs.services.get(key);
    if (service === undefined) return [];
    const waypoint = this.#serviceWaypoint(service);
    const inherited = inputs.namespaces.get(service.namespace)?.distribution;
    return [asAddress(meshService(service, { config: config(), network: this.network(), inherited, waypoint }))];
  }

  #slice(key: string): readonly Address[] {
    const { config, inputs } = this.#parts;
    const slice = inputs.slices.get(key);
    const service = slice && inputs.services.get(slice.service);
    if (slice === undefined || service === undefined) return [];
    return workloads(...sliceWorkloads(slice, service, { config: config(), network: this.network() }));
  }

  #workloadEntry(key: string): readonly Address[] {
    const { inputs, memberships, outputs, waypoints } = this.#parts;
    const entry = inputs.workloadEntries.get(key);
    if (entry === undefined) return [];
    const { namespace, waypoint } = entry;
    const binding = waypoints.bind({ namespace, waypoint, traffic: 'workload' });
    outputs.setCondition(entry.target, WAYPOINT_BOUND, boundCondition(binding, { ingress: false, isRequired: false }));
    const services = memberships.of(entry);
    const around = {
      ...this.#around(namespace, entry.labels, services),
      services,
      waypoint: addressOf(binding, this.network()),
    };
    return workloads(entryWorkload(entry, around));
  }

  #serviceEntry(key: string): readonly Address[] {
    const { config, hosts, inputs, outputs } = this.#parts;
    const entry = inputs.serviceEntries.get(key);
    if (entry === undefined) return [];
    const visibility = hosts.visibilityOf(entry);
    const applied = config().serviceEntryVisibility === undefined ? undefined : VISIBILITIES[visibility];
    outputs.setCondition(entry.target, VISIBILITY_APPLIED, applied);
    const waypoint = this.#serviceWaypoint(entry, visibility === 'NAMESPACE');
    outputs.setCondition(entry.target, WAYPOINT_MISSING, waypoint.waypoint ? undefined : missing(entry));
    if (visibility === 'NONE') return [];
    const served = hosts.servedBy(entry);
    const network = this.network();
    const inherited = inputs.namespaces.get(entry.namespace)?.distribution;
    const hostServices = served.map((host) => {
      const canonical = hosts.isCanonical(entry, host);
      return asAddress(hostService(entry, host, { network, inherited, canonical, visibility, waypoint }));
    });
    const keys = new Map(served.map((hostname) => [serviceKey({ namespace: entry.namespace, hostname }), true]));
    const around = this.#around(entry.namespace, entry.labels, keys);
    const endpoints = entryWorkloads(entry, {
      config: config(),
      hosts: served,
      around: ({ labels }) => ({ ...around, waypoint: this.#workloadWaypoint(entry.namespace, waypointWish(labels)) }),
    });
    return [...hostServices, ...workloads(...endpoints)];
  }

  /** `services`: those that it is an endpoint of, by `namespace/hostname`. */
  #around(
    namespace: string,
    labels: Labels,
    services: ReadonlyMap<string, unknown>,
  ): Omit<WorkloadSurroundings, 'services' | 'waypoint'> {
    const { config, policies, requirements } = this.#parts;
    return {
      config: config(),
      network: this.network(),
      locality: undefined,
      authorizationPolicies: [...policies.naming(namespace, labels), ...requirements.naming(services)],
      applicationTunnel: undefined,
    };
  }

  #workloadWaypoint(namespace: string, waypoint: WaypointWish | undefined) {
    return addressOf(this.#parts.waypoints.bind({ namespace, waypoint, traffic: 'workload' }), this.network());
  }

  /** Also says in a condition of the object what became of its wish. */
  #serviceWaypoint(service: ServiceFacts | ServiceEntryFacts, isPrivate = false) {
    const { inputs, outputs, requirements, waypoints } = this.#parts;
    const { namespace, target, waypoint } = service;
    const binding = waypoints.bind({ namespace, waypoint, traffic: 'service', isPrivate });
    const ingress = service.ingress ?? inputs.namespaces.get(namespace)?.ingress ?? false;
    outputs.setCondition(
      target,
      WAYPOINT_BOUND,
      boundCondition(binding, { ingress, isRequired: requirements.isRequired(service) }),
    );
    return serviceWaypoint(binding, this.network(), ingress);
  }
}

function addressOf(binding: WaypointBinding, network: string) {
  return binding.kind === 'bound' ? gatewayAddress(binding.gateway, network) : undefined;
}

const VISIBILITIES: Readonly<Record<Visibility, Condition>> = {
  PUBLIC: { status: 'True', reason: 'Public', message: 'everybody in the mesh sees it' },
  NAMESPACE: { status: 'True', reason: 'Namespace', message: 'only its namespace sees it' },
  // The reference says nothing here, which reads as if nothing were restricted.
  NONE: { status: 'True', reason: 'None', message: 'the mesh configuration lets nobody see it' },
};

/** What an entry without waypoint asks for and only a waypoint can do. */
function missing({ hosts, racesConnects }: ServiceEntryFacts): Condition | undefined {
  const wildcard = hosts.find((host) => host.startsWith('*'));
  if (wildcard !== undefined) {
    const message = `only a waypoint knows which of the hosts under ${wildcard} is meant; bind one with label istio.io/use-waypoint`;
    return { status: 'True', reason: 'NoWaypointForWildcardService', message };
  }
  if (!racesConnects) return undefined;
  const message = 'only a waypoint tries all addresses at once; bind one with label istio.io/use-waypoint';
  return { status: 'True', reason: 'NoWaypointForRacingConnectStrategy', message };
}

function workloads(...found: readonly (Workload | undefined)[]): readonly Address[] {
  return found.flatMap((workload) => (workload === undefined ? [] : [{ kind: 'workload', workload }]));
}

function asAddress(service: Service): Address {
  return { kind: 'service', service };
}
