/**
 * The policy that keeps everybody from going around the waypoint of a service (`mesh/derive/require-waypoint.ts` makes it). It is
 * an ordinary Authorization, so any ztunnel enforces it; ours knows it by its name, which no object of Kubernetes can have.
 */
import type { Authorization } from '../model.ts';

const PREFIX = 'ambit_require_waypoint_';

/** Names of Kubernetes have no underscore, so the parts can be told apart. */
export function requireWaypointName(namespace: string, name: string, kind: 'Service' | 'ServiceEntry'): string {
  return `${PREFIX}${namespace}_${name}${kind === 'Service' ? '' : ENTRY}`;
}

const ENTRY = '_serviceentry';

/** Whether a policy of this name (without namespace) is one of them. */
export function requiresWaypoint(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** What requires its waypoint by such a policy: `service namespace/name`, or a ServiceEntry; undefined for every other policy. */
export function ownerOfRequirement(policyKey: string): string | undefined {
  const policy = policyKey.slice(policyKey.indexOf('/') + 1);
  if (!requiresWaypoint(policy)) return undefined;
  const isEntry = policy.endsWith(ENTRY);
  const name = policy.slice(PREFIX.length, isEntry ? -ENTRY.length : undefined).replace('_', '/');
  return `${isEntry ? 'ServiceEntry' : 'service'} ${name}`;
}

/** Who the requirement lets through: identities without their scheme. */
export function requiredWaypoints({ rules }: Pick<Authorization, 'rules'>): readonly string[] {
  const matches = rules.flatMap(({ clauses }) => clauses.flatMap((clause) => clause.matches));
  return matches.flatMap((m) => m.notPrincipals.flatMap((p) => (p.kind === 'exact' ? [p.value] : [])));
}

/** Why it denies, and what to do: a clause. */
export function formatRequirement(policyKey: string, waypoints: readonly string[]): string {
  const owner = ownerOfRequirement(policyKey) ?? policyKey;
  return `${owner} has L7 policy, so nobody gets around its waypoint: go through ${waypoints.join(' or ')}`;
}
