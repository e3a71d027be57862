/** Which policies only a waypoint can enforce are about the traffic of a service. */
import type { HeldPolicy, HttpPolicies } from '../http-policy/derive/http-policies.ts';
import { WAYPOINT_CLASS } from '../http-policy/derive/targets.ts';
import type { GatewayFacts } from './gateway.ts';
import type { ServiceFacts } from './kube-service.ts';
import type { ServiceEntryFacts } from './service-entry.ts';

type Named = { readonly namespace: string; readonly name: string };

/** Attached to the service itself. What is only tried out does not count: a trial must cut nothing. */
export function policiesOfService(
  policies: HttpPolicies,
  { kind, namespace, name }: ServiceFacts | ServiceEntryFacts,
): readonly HeldPolicy[] {
  return policies.heldAt({ kind, namespace, name }).filter(isEnforced);
}

/** Attached to its waypoint, or to the class of all waypoints; `gateway`: undefined while it does not exist. */
export function policiesOfWaypoint(
  policies: HttpPolicies,
  { namespace, name }: Named,
  gateway: Pick<GatewayFacts, 'className'> | undefined,
): readonly HeldPolicy[] {
  const isOfClass = gateway === undefined || gateway.className === WAYPOINT_CLASS;
  return [
    ...policies.heldAt({ kind: 'Gateway', namespace, name }),
    ...(isOfClass ? policies.heldAt({ kind: 'GatewayClass', namespace: '', name: WAYPOINT_CLASS }) : []),
  ].filter(isEnforced);
}

function isEnforced({ reading }: HeldPolicy): boolean {
  return !('policy' in reading && reading.policy.dryRun);
}
