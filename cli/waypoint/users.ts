/** Who asks for a waypoint, by labels. */
import { RESOURCES } from '../../core/kube/index.ts';
import { formatRef, type KubeObject, type ObjectRef, waypointWish, wishedGateways } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { isLive } from '../enrolment.ts';
import { ifServed } from '../if-served.ts';

const HOLDERS = [
  RESOURCES.Namespace,
  RESOURCES.Service,
  RESOURCES.Pod,
  RESOURCES.ServiceEntry,
  RESOURCES.WorkloadEntry,
] as const;

/** By `namespace/name` of the waypoint. */
export type Users = ReadonlyMap<string, readonly ObjectRef[]>;

/** Objects that name a waypoint themselves; of a namespace, everything in it that names no other. */
export async function waypointUsers(cluster: Cluster): Promise<Users> {
  const lists = await Promise.all(HOLDERS.map((kind) => ifServed(cluster.list(kind))));
  return usersAmong(lists.flat());
}

export function usersAmong(objects: readonly KubeObject[]): Users {
  const users = new Map<string, ObjectRef[]>();
  for (const object of objects) {
    if (object.kind === 'Pod' && !isLive(object)) continue;
    const { name, namespace, labels, annotations } = object.metadata;
    const own = object.kind === 'Namespace' ? name : (namespace ?? '');
    const ref = { kind: object.kind, ...(namespace !== undefined && { namespace }), name };
    for (const key of wishedGateways(waypointWish(labels ?? {}, annotations), own)) {
      const known = users.get(key);
      if (known === undefined) users.set(key, [ref]);
      else known.push(ref);
    }
  }
  return users;
}

const NAMED = 4;

/** `Namespace shop, Service shop/cart and 3 more`; undefined for nobody. */
export function listUsers(users: readonly ObjectRef[] = []): string | undefined {
  if (users.length === 0) return undefined;
  const names = users.map(formatRef);
  return names.length <= NAMED
    ? names.join(', ')
    : `${names.slice(0, NAMED - 1).join(', ')} and ${names.length - NAMED + 1} more`;
}
