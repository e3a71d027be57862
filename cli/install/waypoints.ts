/** What the controller has made of Gateways; without it, nobody else would take it away. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { Cluster } from '../cluster.ts';
import { isOurs } from './ownership.ts';

const WAYPOINT_CLASS = 'istio-waypoint';
const MANAGED = 'gateway.istio.io/managed=istio.io-mesh-controller';
/** The label is that of every mesh of this API; this annotation is our controller's. */
const APPLIED = 'ambit.io/applied';

/**
 * Removes what serves waypoints, once no controller makes it again. The Gateways stay: they are the users', and become waypoints
 * again with the next installation.
 */
export async function removeWaypoints(cluster: Cluster, say: (line: string) => void): Promise<void> {
  const made = ['Deployment', 'Service', 'ServiceAccount', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const;
  for (const resource of made.map((kind) => RESOURCES[kind])) {
    for (const { metadata } of await cluster.list(resource, { labelSelector: MANAGED })) {
      if (metadata.annotations?.[APPLIED] === undefined) continue;
      await cluster.delete(resource, metadata.name, metadata.namespace);
      say(`waypoint ${metadata.namespace}/${metadata.name}: ${resource.kind} removed`);
    }
  }
  const theClass = await cluster.get(RESOURCES.GatewayClass, WAYPOINT_CLASS);
  if (theClass !== undefined && isOurs(theClass)) await cluster.delete(RESOURCES.GatewayClass, WAYPOINT_CLASS);
}
