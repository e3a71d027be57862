/** Where we are in the mesh, as long as nobody has told us: what the environment says of our own pod. */
import { mustParseIp, type Workload } from '../mesh/index.ts';
import type { WaypointConfig } from './config.ts';

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
