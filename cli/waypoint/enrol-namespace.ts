/** Making a namespace use a waypoint: what its labels say before, and the label. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { Cluster } from '../cluster.ts';
import { DATAPLANE_LABEL } from '../enrolment.ts';
import { USE_WAYPOINT, USE_WAYPOINT_NAMESPACE } from './manifest.ts';

type Labels = Readonly<Record<string, string>>;

/** What a label says now that another waypoint, or none, is to be used; undefined when it says nothing or just this. */
export function otherWaypoint(labels: Labels, namespace: string, name: string): string | undefined {
  const used = labels[USE_WAYPOINT];
  if (!used) return undefined;
  const place = labels[USE_WAYPOINT_NAMESPACE] || namespace;
  return used === name && place === namespace ? undefined : `${place === namespace ? '' : `${place}/`}${used}`;
}

export const isAmbient = (labels: Labels) => labels[DATAPLANE_LABEL] === 'ambient';

/** The waypoint is in the namespace itself. */
export async function useWaypoint(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const labels = { [USE_WAYPOINT]: name, [USE_WAYPOINT_NAMESPACE]: null };
  await cluster.patch(RESOURCES.Namespace, namespace, undefined, { metadata: { labels } });
}
