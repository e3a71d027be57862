/** ReferenceGrants: who may name what in another namespace (waypoint.md section 2.8). */
import { fields, list, type Reading, text } from '../../derive/read.ts';
import type { KubeObject } from '../../kube-object.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';

export type GrantFacts = {
  /** Of the objects that may be named. */
  readonly namespace: string;
  /** Routes that may name them. */
  readonly from: readonly { readonly kind: string; readonly namespace: string }[];
  /** '' for all of that kind. */
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name: string }[];
};

export function readGrant(object: KubeObject): Reading<GrantFacts> {
  const spec = fields(object['spec']);
  const from = list(spec['from']).flatMap((entry) => {
    const { group, kind, namespace } = fields(entry);
    return group === GATEWAY_API ? [{ kind: text(kind), namespace: text(namespace) }] : [];
  });
  const to = list(spec['to']).map((entry) => {
    const { group, kind, name } = fields(entry);
    return { group: text(group), kind: text(kind), name: text(name) };
  });
  return { kind: 'facts', facts: { namespace: object.metadata.namespace ?? '', from, to } };
}

/** Whether one of the grants of the target's namespace lets a route name it. */
export function isGranted(
  grants: Iterable<GrantFacts>,
  route: { readonly kind: string; readonly namespace: string },
  target: { readonly group: string; readonly kind: string; readonly name: string },
): boolean {
  for (const { from, to } of grants) {
    const isFrom = from.some(({ kind, namespace }) => kind === route.kind && namespace === route.namespace);
    const isTo = to.some(
      ({ group, kind, name }) =>
        group === target.group && kind === target.kind && (name === '' || name === target.name),
    );
    if (isFrom && isTo) return true;
  }
  return false;
}
