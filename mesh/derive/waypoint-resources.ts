/** From gateways, and from what is bound to them, to what each waypoint is told. */
import type { AttachedPolicies, HttpPolicies } from '../http-policy/derive/http-policies.ts';
import { WAYPOINT_CLASS } from '../http-policy/derive/targets.ts';
import type { ExternalAuthorizer, JwtAuthentication } from '../http-policy/model.ts';
import { needsToken } from '../http-policy/tokens.ts';
import type { MeshConfig } from '../kube-object.ts';
import type { ServiceConfig, WaypointResource } from '../l7/model.ts';
import type { BackendUse, BackendUses } from '../resilience/backend-uses.ts';
import { type BackendsParts, backendsOf } from '../resilience/backends.ts';
import type { BackendPolicy } from '../resilience/model.ts';
import type { ServiceRef } from '../route/derive/facts.ts';
import type { RoutedService } from '../route/derive/resolve.ts';
import type { Routes } from '../route/derive/routes.ts';
import { servicesIn } from '../route/derive/tables.ts';
import type { ServiceTarget, Telemetries } from '../telemetry/derive/telemetries.ts';
import type { TelemetryConfig } from '../telemetry/model.ts';
import type { OwnerKind } from './dependents.ts';
import type { GatewayFacts } from './gateway.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import { hostnameOf } from './kube-service.ts';
import { podUid } from './pod.ts';
import { routedService } from './route-surroundings.ts';
import type { Senders } from './senders.ts';
import type { WaypointWish } from './waypoint-wish.ts';
import type { WaypointBinding, Waypoints } from './waypoints.ts';
import { workloadEntryUid } from './workload-entry.ts';

export type WaypointResourceParts = {
  readonly config: () => MeshConfig;
  readonly inputs: Inputs;
  readonly hosts: Hosts;
  readonly waypoints: Waypoints;
  readonly routes: Routes;
  readonly httpPolicies: HttpPolicies;
  readonly backends: BackendsParts;
  readonly uses: BackendUses;
  readonly senders: Senders;
  readonly telemetries: Telemetries;
};

const NO_POLICIES: AttachedPolicies = { policies: [], authentications: [] };

/** What is the same for all waypoints that serve it. */
type ServedService = Omit<ServiceConfig, 'backends' | 'telemetry'>;

/** A resource, whom it has its waypoint send to, and whose words it follows in that. */
type Told = {
  readonly resource: WaypointResource;
  readonly references: readonly string[];
  readonly uses: readonly BackendUse[];
};

/** What a resource asks of its reader (`min_revision` in the schema). */
const MIN_REVISION = 1;
/** Of one who originates TLS: any other would send in the clear. */
const TLS_REVISION = 2;
/** Of one who requires tokens: any other would let everybody through. */
const TOKEN_REVISION = 3;
/** Of one who looks at the backends of its gateway: any other would send in the clear, or what may not be sent. */
const GATEWAY_BACKENDS_REVISION = 4;

function gatewayRevision(authentications: readonly JwtAuthentication[], backends: readonly BackendPolicy[]): number {
  if (backends.some(({ tls, refusal }) => tls !== undefined || refusal !== '')) return GATEWAY_BACKENDS_REVISION;
  return needsToken(authentications) ? TOKEN_REVISION : MIN_REVISION;
}

function serviceRevision(authentications: readonly JwtAuthentication[], backends: readonly BackendPolicy[]): number {
  if (needsToken(authentications)) return TOKEN_REVISION;
  return backends.some(({ tls }) => tls !== undefined) ? TLS_REVISION : MIN_REVISION;
}

export class WaypointResources {
  readonly #parts: WaypointResourceParts;
  /** By kind of the object: what the one with this key lets waypoints know, now. */
  readonly of: Readonly<Record<OwnerKind, (key: string) => readonly WaypointResource[]>> = {
    Pod: (key) => this.#pod(key),
    Service: (key) => this.#tell('Service', key, this.#service(key)),
    EndpointSlice: () => [],
    WorkloadEntry: (key) => this.#workloadEntry(key),
    ServiceEntry: (key) => this.#tell('ServiceEntry', key, this.#serviceEntry(key)),
    Gateway: (key) => this.#tell('Gateway', key, this.#gateway(key)),
  };

  constructor(parts: WaypointResourceParts) {
    this.#parts = parts;
  }

  /** What rules and policies say of themselves follows from what is told, and this from the services that are sent to. */
  #tell(kind: OwnerKind, key: string, told: readonly Told[]): readonly WaypointResource[] {
    const { uses, senders } = this.#parts;
    uses.set(
      `${kind} ${key}`,
      told.flatMap((one) => one.uses),
    );
    senders.set(kind, key, [...new Set(told.flatMap(({ references }) => references))]);
    return told.map(({ resource }) => resource);
  }

  /** By the rules of the gateway's namespace: of two waypoints of one service, each follows its own. */
  #backends(gateway: GatewayFacts, references: readonly string[]) {
    const told = references.map((reference) => backendsOf(this.#parts.backends, gateway.namespace, reference));
    return { backends: told.flatMap(({ policies }) => policies), uses: told.flatMap(({ use }) => use ?? []) };
  }

  #gateway(key: string): readonly Told[] {
    const gateway = this.#parts.inputs.gateways.get(key);
    if (gateway === undefined) return [];
    const { httpPolicies, telemetries } = this.#parts;
    const { trustDomain, trustDomainAliases, pathNormalization, receiptHeader } = this.#parts.config();
    const { namespace, name } = gateway;
    const own = httpPolicies.ofGateway(namespace, name);
    const ofClass = gateway.className === WAYPOINT_CLASS ? httpPolicies.ofClass() : NO_POLICIES;
    const policies = [...ofClass.policies, ...own.policies];
    const authentications = [...ofClass.authentications, ...own.authentications];
    const authorizers = this.#authorizers({ policies });
    const telemetry = telemetries.of(gateway, undefined);
    const asked = authorizers.map(({ service }) => service);
    const references = [...new Set([...asked, ...keysServicesOf(authentications), ...collectorOf(telemetry)])];
    const { backends, uses } = this.#backends(gateway, references);
    const config = {
      namespace,
      name,
      trustDomains: [trustDomain, ...trustDomainAliases],
      pathNormalization,
      receiptHeader,
      policies,
      authentications,
      authorizers,
      references,
      backends,
      ...(telemetry && { telemetry }),
    };
    const minRevision = gatewayRevision(authentications, backends);
    return [{ resource: { minRevision, name: key, gateway: config }, references, uses }];
  }

  #service(key: string): readonly Told[] {
    const service = this.#parts.inputs.services.get(key);
    if (service === undefined) return [];
    const { namespace, waypoint } = service;
    const binding = this.#parts.waypoints.bind({ namespace, waypoint, traffic: 'service' });
    const gateways = gatewaysOf(binding);
    if (gateways.length === 0) return [];
    const attached = this.#parts.httpPolicies.ofService(namespace, service.name);
    const served = this.#served(service, routedService(service, hostnameOf(service, this.#parts.config())), attached);
    return gateways.map((gateway) =>
      this.#serviceResource(gateway, { kind: 'Service', namespace, name: service.name }, served),
    );
  }

  #serviceEntry(key: string): readonly Told[] {
    const { inputs, hosts, waypoints } = this.#parts;
    const entry = inputs.serviceEntries.get(key);
    if (entry === undefined) return [];
    const isPrivate = hosts.visibilityOf(entry) === 'NAMESPACE';
    const { namespace, waypoint } = entry;
    const binding = waypoints.bind({ namespace, waypoint, traffic: 'service', isPrivate });
    const gateways = gatewaysOf(binding);
    if (gateways.length === 0) return [];
    const attached = this.#parts.httpPolicies.ofServiceEntry(namespace, entry.name);
    const served = hosts.servedBy(entry).map((host) => this.#served(entry, routedService(entry, host), attached));
    const target = { kind: 'ServiceEntry', namespace, name: entry.name } as const;
    return gateways.flatMap((gateway) => served.map((one) => this.#serviceResource(gateway, target, one)));
  }

  #serviceResource(gateway: GatewayFacts, target: ServiceTarget, service: ServedService): Told {
    const telemetry = this.#parts.telemetries.of(gateway, target);
    const references = [...new Set([...service.references, ...collectorOf(telemetry)])];
    const { backends, uses } = this.#backends(gateway, references);
    const name = `${gateway.key}/service/${service.namespace}/${service.hostname}`;
    const config = { ...service, references, backends, ...(telemetry && { telemetry }) };
    const minRevision = serviceRevision(service.authentications, backends);
    return { resource: { minRevision, name, service: config }, references, uses };
  }

  #served(parent: ServiceRef, service: RoutedService, attached: AttachedPolicies): ServedService {
    const { namespace, hostname, ports } = service;
    const routes = this.#parts.routes.ofService(parent, service);
    const references = new Set([`${namespace}/${hostname}`]);
    for (const ofPort of routes.values()) for (const key of servicesIn(ofPort)) references.add(key);
    const authorizers = this.#authorizers(attached);
    for (const authorizer of authorizers) references.add(authorizer.service);
    for (const key of keysServicesOf(attached.authentications)) references.add(key);
    return {
      namespace,
      hostname,
      ports: ports.map(({ port, protocol }) => {
        const ofPort = routes.get(port);
        return { port, protocol, ...(ofPort && { routes: ofPort }) };
      }),
      references: [...references],
      ...attached,
      authorizers,
    };
  }

  /** Whom policies ask. One that nobody has configured is not among them: the waypoint then denies. */
  #authorizers({ policies }: Pick<AttachedPolicies, 'policies'>): readonly ExternalAuthorizer[] {
    const names = new Set(policies.map(({ provider }) => provider));
    return this.#parts.config().authorizers.filter(({ name }) => names.has(name));
  }

  #pod(key: string): readonly WaypointResource[] {
    const { inputs, waypoints, config } = this.#parts;
    const pod = inputs.pods.get(key);
    if (pod?.addresses === undefined || waypoints.served(pod.namespace, pod.labels)) return [];
    return this.#workload(pod.namespace, pod.waypoint, podUid(pod, config()));
  }

  #workloadEntry(key: string): readonly WaypointResource[] {
    const { inputs, config } = this.#parts;
    const entry = inputs.workloadEntries.get(key);
    if (entry === undefined) return [];
    return this.#workload(entry.namespace, entry.waypoint, workloadEntryUid(entry, config()));
  }

  #workload(namespace: string, waypoint: WaypointWish | undefined, uid: string): readonly WaypointResource[] {
    const binding = this.#parts.waypoints.bind({ namespace, waypoint, traffic: 'workload' });
    return gatewaysOf(binding).map(({ key }) => ({
      minRevision: MIN_REVISION,
      name: `${key}/workload/${uid}`,
      workload: { uid },
    }));
  }
}

/** Keys of services that keys of tokens may come from. */
function keysServicesOf(authentications: readonly JwtAuthentication[]): readonly string[] {
  const named = authentications.flatMap(({ rules }) => rules.map(({ keysService }) => keysService));
  return named.filter((key) => key !== '');
}

/** Keys of services that spans go to. */
function collectorOf(telemetry: TelemetryConfig | undefined): readonly string[] {
  return telemetry?.tracing === undefined ? [] : [telemetry.tracing.service];
}

/** The waypoint, and the one that is being tried beside it. */
function gatewaysOf(binding: WaypointBinding): readonly GatewayFacts[] {
  if (binding.kind !== 'bound') return [];
  const { gateway, canary } = binding;
  return canary?.kind === 'canary' ? [gateway, canary.gateway] : [gateway];
}
