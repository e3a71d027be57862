/** Making a namespace use a waypoint: what its labels say before, and the label. */
import { RESOURCES } from '../../core/kube/index.ts';
import { type KubeObject, waypointWish, wishedGateways } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { DATAPLANE_LABEL } from '../enrolment.ts';
import { ifServed } from '../if-served.ts';
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

/** Kinds whose traffic the label of their namespace is about, unless they have one of their own. */
const SERVED = [RESOURCES.Service, RESOURCES.ServiceEntry] as const;
/** Objects that are named in one warning. */
const MOST_NAMED = 10;

/** Warnings about what names a waypoint that there is not: its own label beats that of the namespace, and it goes without any. */
export async function strayWishes(cluster: Cluster, namespace: string): Promise<readonly string[]> {
  const lists = await Promise.all(SERVED.map((kind) => ifServed(cluster.list(kind, { namespace }))));
  const strays = new Map<string, { readonly gateway: string; readonly kind: string; readonly names: string[] }>();
  for (const object of lists.flat()) {
    const [gateway] = wishedGateways(waypointWish(labelsOf(object)), namespace);
    if (gateway === undefined) continue;
    const { kind, metadata } = object;
    const held = strays.get(`${kind} ${gateway}`);
    if (held !== undefined) held.names.push(metadata.name);
    else if (!(await isThere(cluster, gateway)))
      strays.set(`${kind} ${gateway}`, { gateway, kind, names: [metadata.name] });
  }
  return [...strays.values()].map(({ gateway, kind, names }) => {
    const some = names.slice(0, MOST_NAMED);
    const more = names.length - some.length;
    const who = `${kind} ${some.map((name) => `${namespace}/${name}`).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    const cure = `kubectl label ${kind.toLowerCase()} ${some.join(' ')} -n ${namespace} ${USE_WAYPOINT}- ${USE_WAYPOINT_NAMESPACE}-`;
    return `${who}: the label ${USE_WAYPOINT} names waypoint ${gateway}, which does not exist, and beats the label of the namespace: no waypoint is used. To use that of the namespace: ${cure}`;
  });
}

async function isThere(cluster: Cluster, gateway: string): Promise<boolean> {
  const [namespace = '', name = ''] = gateway.split('/');
  return (await cluster.get(RESOURCES.Gateway, name, namespace)) !== undefined;
}

function labelsOf({ metadata }: KubeObject): Labels {
  return metadata.labels ?? {};
}

/** The waypoint is in the namespace itself. */
export async function useWaypoint(cluster: Cluster, namespace: string, name: string): Promise<void> {
  const labels = { [USE_WAYPOINT]: name, [USE_WAYPOINT_NAMESPACE]: null };
  await cluster.patch(RESOURCES.Namespace, namespace, undefined, { metadata: { labels } });
}
