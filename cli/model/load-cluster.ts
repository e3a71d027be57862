/** Everything of a live cluster that the mesh looks at. */
import { RESOURCES, type ResourceType } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { ifServed } from '../if-served.ts';
import { DEFAULT_NAMESPACE } from '../install/bundle.ts';

const KINDS: readonly ResourceType[] = [
  RESOURCES.Namespace,
  RESOURCES.Node,
  RESOURCES.Pod,
  RESOURCES.Service,
  RESOURCES.EndpointSlice,
  RESOURCES.AuthorizationPolicy,
  RESOURCES.PeerAuthentication,
  RESOURCES.RequestAuthentication,
  RESOURCES.ServiceEntry,
  RESOURCES.DestinationRule,
  RESOURCES.Telemetry,
  RESOURCES.WorkloadEntry,
  RESOURCES.Gateway,
  RESOURCES.GatewayClass,
  RESOURCES.HTTPRoute,
  RESOURCES.GRPCRoute,
  RESOURCES.TCPRoute,
  RESOURCES.TLSRoute,
  RESOURCES.ReferenceGrant,
  RESOURCES.BackendTLSPolicy,
];

/** Lists all kinds at once, and the mesh configuration of `namespace`. A kind that the cluster does not serve has no objects. */
export async function loadCluster(cluster: Cluster, namespace = DEFAULT_NAMESPACE): Promise<readonly KubeObject[]> {
  const lists = [
    ...KINDS.map((kind) => cluster.list(kind)),
    cluster.list(RESOURCES.ConfigMap, { namespace, fieldSelector: 'metadata.name=istio' }),
  ];
  return (await Promise.all(lists.map(ifServed))).flat();
}
