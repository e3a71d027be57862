/** Kubernetes Services: what derivation reads of them, and the mesh service that one becomes. */
import { type IpAddress, parseIp } from '../address.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { AppProtocol, LoadBalancing, RoutingScope, Service, ServicePort } from '../model.ts';
import { fields, type Labels, labelsOf, list, portNumber, text, texts } from './read.ts';

export type KubeServicePort = {
  readonly name: string;
  readonly port: number;
  /** A number, or the name of a container port. */
  readonly target: number | string;
  readonly isTcp: boolean;
  readonly appProtocol: AppProtocol;
};

export type ServiceFacts = {
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
};

export type ServiceReading =
  | { readonly kind: 'service'; readonly service: ServiceFacts }
  | { readonly kind: 'no-service' }
  | { readonly kind: 'invalid'; readonly problem: string };

export const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';

export function readService(object: KubeObject): ServiceReading {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  if (spec['type'] === 'ExternalName') return { kind: 'no-service' }; // a name for a name: DNS's business
  const clusterIps = list(spec['clusterIPs']).length > 0 ? texts(spec['clusterIPs']) : [text(spec['clusterIP'])];
  const addresses: IpAddress[] = [];
  for (const written of clusterIps) {
    if (written === '' || written === 'None') continue;
    const ip = parseIp(written);
    if (ip === undefined)
      return { kind: 'invalid', problem: `spec.clusterIPs: ${JSON.stringify(written)} is no address` };
    addresses.push(ip);
  }
  const selector = labelsOf(spec['selector']);
  return {
    kind: 'service',
    service: {
      key: `${namespace}/${name}`,
      name,
      namespace,
      selector: Object.keys(selector).length > 0 ? selector : undefined,
      addresses,
      ports: readPorts(spec['ports']),
      ipFamilies: familiesOf(texts(spec['ipFamilies'])),
      localOnly: spec['internalTrafficPolicy'] === 'Local',
      publishNotReady: spec['publishNotReadyAddresses'] === true,
      distribution: text(spec['trafficDistribution']) || annotations?.[DISTRIBUTION_ANNOTATION],
    },
  };
}

export function hostnameOf(service: ServiceFacts, config: MeshConfig): string {
  return `${service.name}.${service.namespace}.svc.${config.clusterDomain}`;
}

/** The mesh's service. `inherited` is the traffic distribution that the namespace asks for. */
export function meshService(
  service: ServiceFacts,
  around: { readonly config: MeshConfig; readonly network: string; readonly inherited: string | undefined },
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
    weightedWaypoints: [],
    ...(loadBalancing && { loadBalancing }),
    ipFamilies: service.ipFamilies,
    canonical: true,
    ingressUseWaypoint: false,
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

/** By first word; what is not here is UNKNOWN. */
const APP_PROTOCOLS: ReadonlyMap<string, AppProtocol> = new Map([
  ['http', 'HTTP11'],
  ['http2', 'HTTP2'],
  ['grpc', 'GRPC'],
  ['https', 'TLS'],
  ['tls', 'TLS'],
  ['tcp', 'TCP'],
]);
const KUBERNETES_APP_PROTOCOLS: ReadonlyMap<string, AppProtocol> = new Map([
  ['kubernetes.io/h2c', 'HTTP2'],
  ['kubernetes.io/ws', 'HTTP11'],
  ['kubernetes.io/wss', 'TLS'],
]);
/** Well-known protocols in which the server speaks first, so that nobody waits for a client to reveal the protocol. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

function appProtocolOf(declared: string, portName: string, port: number): AppProtocol {
  if (declared !== '') {
    return KUBERNETES_APP_PROTOCOLS.get(declared) ?? APP_PROTOCOLS.get(declared.toLowerCase()) ?? 'UNKNOWN';
  }
  const name = portName.toLowerCase();
  const word = name.startsWith('grpc-web') ? 'grpc-web' : (name.split('-')[0] ?? '');
  return APP_PROTOCOLS.get(word) ?? (SERVER_FIRST_PORTS.has(port) ? 'TCP' : 'UNKNOWN');
}

function familiesOf(families: readonly string[]): Service['ipFamilies'] {
  if (families.length === 0) return 'AUTOMATIC';
  if (families.length > 1) return 'DUAL';
  return families[0] === 'IPv6' ? 'IPV6_ONLY' : 'IPV4_ONLY';
}

const DISTRIBUTIONS: ReadonlyMap<string, readonly RoutingScope[]> = new Map([
  ['preferclose', ['NETWORK', 'REGION', 'ZONE']],
  ['prefersamezone', ['NETWORK', 'REGION', 'ZONE']],
  ['prefersamenode', ['NETWORK', 'REGION', 'ZONE', 'SUBZONE', 'NODE']],
]);

/** Traffic policy Local beats every distribution; the service's own word, even an unknown one, beats the namespace's. */
function balancingOf(service: ServiceFacts, inherited: string | undefined): LoadBalancing | undefined {
  const healthPolicy = service.publishNotReady ? 'ALLOW_ALL' : 'ONLY_HEALTHY';
  if (service.localOnly) return { routingPreference: ['NODE'], mode: 'STRICT', healthPolicy };
  const scopes = DISTRIBUTIONS.get((service.distribution ?? inherited ?? '').toLowerCase());
  if (scopes !== undefined) return { routingPreference: [...scopes], mode: 'FAILOVER', healthPolicy };
  if (!service.publishNotReady) return undefined;
  return { routingPreference: [], mode: 'UNSPECIFIED_MODE', healthPolicy };
}
