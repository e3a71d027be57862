/** What the controller has made of Gateways; without it, nobody else would take it away. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { ifServed } from '../if-served.ts';
import { isOurs } from './ownership.ts';

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const WAYPOINT_CLASS = 'istio-waypoint';
const MANAGED = 'gateway.istio.io/managed=istio.io-mesh-controller';
/** The label is that of every mesh of this API; this annotation is our controller's. */
const APPLIED = 'ambit.io/applied';

/**
 * Removes what serves waypoints, once no controller makes it again. The Gateways stay: they are the users', and become waypoints
 * again with the next installation.
 */
export async function removeWaypoints(cluster: Cluster, say: (line: string) => void): Promise<void> {
  const left = new Set<string>();
  const made = ['Deployment', 'Service', 'ServiceAccount', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const;
  for (const resource of made.map((kind) => RESOURCES[kind])) {
    for (const { metadata } of await cluster.list(resource, { labelSelector: MANAGED })) {
      if (metadata.annotations?.[APPLIED] === undefined) continue;
      await cluster.delete(resource, metadata.name, metadata.namespace);
      left.add(`${metadata.namespace}/${metadata.labels?.[GATEWAY_NAME]}`);
      say(`waypoint ${metadata.namespace}/${metadata.name}: ${resource.kind} removed`);
    }
  }
  for (const gateway of await ifServed(cluster.list(RESOURCES.Gateway))) {
    const { name, namespace } = gateway.metadata;
    if (!left.has(`${namespace}/${name}`)) continue;
    const status = { conditions: notProgrammed(gateway) };
    await cluster.patch(RESOURCES.Gateway, name, namespace, { status }, 'status');
  }
  const theClass = await cluster.get(RESOURCES.GatewayClass, WAYPOINT_CLASS);
  if (theClass !== undefined && isOurs(theClass)) await cluster.delete(RESOURCES.GatewayClass, WAYPOINT_CLASS);
}

type Condition = { readonly type: string };

/** Nobody says so any more; its addresses stay, so that nobody passes by it when it comes back. */
function notProgrammed(gateway: KubeObject): readonly Condition[] {
  const { conditions = [] } = (gateway['status'] ?? {}) as { readonly conditions?: readonly Condition[] };
  const gone = {
    type: 'Programmed',
    status: 'False',
    reason: 'Pending',
    message: 'the mesh was uninstalled: nothing serves this waypoint',
    lastTransitionTime: new Date().toISOString(),
    observedGeneration: gateway.metadata.generation ?? 0,
  };
  return [...conditions.filter(({ type }) => type !== gone.type), gone];
}
