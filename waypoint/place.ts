/** Where we are in the mesh, as long as nobody has told us: what the environment says of our own pod. */
import { newTraceId } from '../core/hbone/index.ts';
import { mustParseIp, spiffeId, spiffeParts, type Workload } from '../mesh/index.ts';
import type { WaypointConfig } from './config.ts';
import type { Source } from './source.ts';

/** The resource name of our own workload. */
export function ownUid({ clusterId, pod }: Pick<WaypointConfig, 'clusterId' | 'pod'>): string {
  return `${clusterId}//Pod/${pod.namespace}/${pod.name}`;
}

export function ownPlace(config: WaypointConfig): Workload {
  const { pod, clusterId, network, localNode, trustDomain, instanceIp } = config;
  return {
    uid: ownUid(config),
    name: pod.name,
    namespace: pod.namespace,
    addresses: [mustParseIp(instanceIp)],
    network,
    tunnelProtocol: 'HBONE',
    trustDomain,
    serviceAccount: pod.serviceAccount,
    node: localNode,
    canonicalName: pod.name,
    canonicalRevision: 'latest',
    workloadType: 'DEPLOYMENT',
    workloadName: pod.name,
    nativeTunnel: true,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId,
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
  };
}

/** Ourselves as a caller: of requests that nobody else asked for. */
export function ownSource({ trustDomain, namespace, serviceAccount, addresses }: Workload): Source {
  const identity = spiffeId(trustDomain, namespace, serviceAccount);
  const [ip = mustParseIp('0.0.0.0')] = addresses;
  const parts = spiffeParts(identity);
  return { identity, parts, ip, port: 0, baggage: undefined, traceId: newTraceId(), header: `${identity};${ip}` };
}
