/** What becomes of those who use a waypoint when it is gone. */
import { formatRef, type KubeObject, type ObjectRef } from '../../mesh/index.ts';
import type { Waypoint } from './gateways.ts';
import { listUsers } from './users.ts';

type TargetRef = { readonly kind?: string; readonly name?: string };

/** Undefined when nobody asks for it. `policies` are AuthorizationPolicies. */
export function removalWarning(
  { namespace, name }: Waypoint,
  users: readonly ObjectRef[],
  policies: readonly KubeObject[],
): string | undefined {
  const named = listUsers(users);
  if (named === undefined) return undefined;
  const tied = policies.filter((policy) => targetsOf(policy).some((target) => isBehind(policy, target)));
  const denied =
    tied.length === 0
      ? 'traffic to them goes on without it'
      : `traffic that ${listUsers(tied.map(refOf))} ${tied.length === 1 ? 'is' : 'are'} about is denied from now on (ambit_require_waypoint_*: L7 policy must not be passed by), all other goes on without it`;
  return `waypoint ${namespace}/${name} is still asked for by ${named}: ${denied}. To end that, take the label istio.io/use-waypoint away, or name another waypoint in it`;

  function isBehind(policy: KubeObject, { kind, name: target }: TargetRef): boolean {
    const own = policy.metadata.namespace ?? '';
    if (kind === 'Gateway') return own === namespace && target === name;
    return kind !== undefined && users.some((user) => isUsed(user, { kind, namespace: own, name: target ?? '' }));
  }
}

/** A namespace asks for all that is in it. */
function isUsed(user: ObjectRef, target: ObjectRef): boolean {
  if (user.kind === 'Namespace') return user.name === target.namespace;
  return formatRef(user) === formatRef(target);
}

function targetsOf(policy: KubeObject): readonly TargetRef[] {
  const spec = (policy['spec'] ?? {}) as { readonly targetRef?: TargetRef; readonly targetRefs?: readonly TargetRef[] };
  return [...(spec.targetRef === undefined ? [] : [spec.targetRef]), ...(spec.targetRefs ?? [])];
}

function refOf({ kind, metadata: { namespace = '', name } }: KubeObject): ObjectRef {
  return { kind, namespace, name };
}
