/**
 * The policy that keeps everybody from going around the waypoint of a service (`mesh/derive/require-waypoint.ts` makes it). It is
 * an ordinary Authorization, so any ztunnel enforces it; ours knows it by its name, which no object of Kubernetes can have.
 */
import type { Authorization } from '../model.ts';

const PREFIX = 'ambit_require_waypoint_';

/** `<namespace>_<service>`: neither can have an underscore. */
export function requireWaypointName(namespace: string, service: string): string {
  return `${PREFIX}${namespace}_${service}`;
}

/** Whether a policy of this name (without namespace) is one of them. */
export function requiresWaypoint(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** The service, as `namespace/name`, of such a policy by its key; undefined for every other. */
export function serviceOfRequirement(policyKey: string): string | undefined {
  const name = policyKey.slice(policyKey.indexOf('/') + 1);
  return requiresWaypoint(name) ? name.slice(PREFIX.length).replace('_', '/') : undefined;
}

/** Who the requirement lets through: identities without their scheme. */
export function requiredWaypoints({ rules }: Pick<Authorization, 'rules'>): readonly string[] {
  const matches = rules.flatMap(({ clauses }) => clauses.flatMap((clause) => clause.matches));
  return matches.flatMap((m) => m.notPrincipals.flatMap((p) => (p.kind === 'exact' ? [p.value] : [])));
}

/** Why it denies, and what to do: a clause. */
export function formatRequirement(policyKey: string, waypoints: readonly string[]): string {
  const service = serviceOfRequirement(policyKey) ?? policyKey;
  return `service ${service} has L7 policy, so nobody gets around its waypoint: go through ${waypoints.join(' or ')}`;
}
