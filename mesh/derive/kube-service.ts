/** Kubernetes Services: what derivation reads of them, and the mesh service that one becomes. */
import { type IpAddress, parseIp } from '../address.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { AppProtocol, Service, ServicePort } from '../model.ts';
import { appProtocolOf } from './app-protocol.ts';
import { balancingOf, DISTRIBUTION_ANNOTATION } from './balancing.ts';
import { type ConditionTarget, conditionTarget } from './outputs.ts';
import {
  fields,
  invalid,
  type Labels,
  labelsOf,
  list,
  NOTHING,
  portNumber,
  type Reading,
  text,
  texts,
} from './read.ts';
import { ingressWish, NO_WAYPOINT, requireWish, type WaypointWish, waypointWish } from './waypoint-wish.ts';

/** The part of a service that comes of its waypoint. */
export type ServiceWaypoint = Pick<Service, 'waypoint' | 'weightedWaypoints' | 'ingressUseWaypoint'>;

export type KubeServicePort = {
  readonly name: string;
  readonly port: number;
  /** A number, or the name of a container port. */
  readonly target: number | string;
  readonly isTcp: boolean;
  readonly appProtocol: AppProtocol;
};

export type ServiceFacts = {
  readonly kind: 'Service';
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** Absent for a service whose endpoints somebody else writes. */
  readonly selector: Labels | undefined;
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly KubeServicePort[];
  readonly ipFamilies: Service['ipFamilies'];
  readonly localOnly: boolean;
  readonly publishNotReady: boolean;
  /** As written on the service; undefined: the namespace decides. */
  readonly distribution: string | undefined;
  readonly waypoint: WaypointWish | undefined;
  /** Whether ingress gateways are to send to the waypoint; undefined: the namespace decides. */
  readonly ingress: boolean | undefined;
  /** Nobody may go around the waypoint, where policy hangs on it. */
  readonly requiresWaypoint: boolean;
  readonly target: ConditionTarget;
};

/** Gateways that the mesh runs itself: a waypoint has no waypoint. */
const MANAGED: ReadonlySet<string> = new Set(['istio.io-mesh-controller', 'istio.io-eastwest-controller']);

export function readService(object: KubeObject): Reading<ServiceFacts> {
  const { name, namespace = '', annotations } = object.metadata;
  const labels = labelsOf(object.metadata.labels);
  const spec = fields(object['spec']);
  if (spec['type'] === 'ExternalName') return NOTHING; // a name for a name: DNS's business
  const clusterIps = list(spec['clusterIPs']).length > 0 ? texts(spec['clusterIPs']) : [text(spec['clusterIP'])];
  const addresses: IpAddress[] = [];
  for (const written of clusterIps) {
    if (written === '' || written === 'None') continue;
    const ip = parseIp(written);
    if (ip === undefined) return invalid(`spec.clusterIPs: ${JSON.stringify(written)} is no address`);
    addresses.push(ip);
  }
  const selector = labelsOf(spec['selector']);
  return {
    kind: 'facts',
    facts: {
      kind: 'Service',
      target: conditionTarget(object),
      key: `${namespace}/${name}`,
      name,
      namespace,
      selector: Object.keys(selector).length > 0 ? selector : undefined,
      addresses,
      ports: readPorts(spec['ports']),
      ipFamilies: familiesOf(texts(spec['ipFamilies'])),
      localOnly: spec['internalTrafficPolicy'] === 'Local',
      publishNotReady: spec['publishNotReadyAddresses'] === true,
      distribution: text(spec['trafficDistribution']) || labelsOf(annotations)[DISTRIBUTION_ANNOTATION],
      waypoint: MANAGED.has(labels['gateway.istio.io/managed'] ?? '') ? NO_WAYPOINT : waypointWish(labels, annotations),
      ingress: ingressWish(labels),
      requiresWaypoint: requireWish(annotations),
    },
  };
}

export function hostnameOf(service: ServiceFacts, config: MeshConfig): string {
  return `${service.name}.${service.namespace}.svc.${config.clusterDomain}`;
}

/** The mesh's service. `inherited` is the traffic distribution that the namespace asks for. */
export function meshService(
  service: ServiceFacts,
  around: {
    readonly config: MeshConfig;
    readonly network: string;
    readonly inherited: string | undefined;
    readonly waypoint: ServiceWaypoint;
  },
): Service {
  const { network } = around;
  const loadBalancing = balancingOf(service, around.inherited);
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: hostnameOf(service, around.config),
    addresses: service.addresses.map((address) => ({ network, address })),
    ports: service.ports.map((p) => ({
      servicePort: p.port,
      targetPort: typeof p.target === 'number' ? p.target : 0,
      appProtocol: p.appProtocol,
    })),
    subjectAltNames: [],
    ...around.waypoint,
    ...(loadBalancing && { loadBalancing }),
    ipFamilies: service.ipFamilies,
    canonical: true,
    visibility: 'PUBLIC',
  };
}

/** The ports of one endpoint: named targets resolved by what the endpoint calls them, those it lacks left out. */
export function endpointPorts(service: ServiceFacts, named: ReadonlyMap<string, number>): readonly ServicePort[] {
  return service.ports.flatMap((p) => {
    const targetPort = typeof p.target === 'number' ? p.target : named.get(p.target);
    return targetPort === undefined ? [] : [{ servicePort: p.port, targetPort, appProtocol: 'UNKNOWN' as const }];
  });
}

/** The ports of a machine outside of Kubernetes: what it calls like the service's port beats the number. */
export function machinePorts(service: ServiceFacts, named: ReadonlyMap<string, number>): readonly ServicePort[] {
  return service.ports.flatMap((p) => {
    const targetPort = typeof p.target === 'number' ? (named.get(p.name) ?? p.target) : named.get(p.target);
    return targetPort === undefined ? [] : [{ servicePort: p.port, targetPort, appProtocol: 'UNKNOWN' as const }];
  });
}

function readPorts(value: unknown): readonly KubeServicePort[] {
  const ports = list(value).flatMap((entry): readonly KubeServicePort[] => {
    const { name, port, targetPort, protocol = 'TCP', appProtocol } = fields(entry);
    const number = portNumber(port);
    if (number === undefined) return [];
    const target = portNumber(targetPort) ?? (text(targetPort) || number);
    const isTcp = protocol === 'TCP';
    const app = protocol === 'UDP' ? 'UNKNOWN' : appProtocolOf(text(appProtocol), text(name), number);
    return [{ name: text(name), port: number, target, isTcp, appProtocol: app }];
  });
  // DNS and its like have TCP and UDP on one number: the mesh carries TCP, so its mapping is the one that counts.
  return ports.filter((p) => p.isTcp || !ports.some((other) => other.isTcp && other.port === p.port));
}

function familiesOf(families: readonly string[]): Service['ipFamilies'] {
  if (families.length === 0) return 'AUTOMATIC';
  if (families.length > 1) return 'DUAL';
  return families[0] === 'IPv6' ? 'IPV6_ONLY' : 'IPV4_ONLY';
}
