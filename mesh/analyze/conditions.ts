/** What the controllers wrote into the status of objects: whatever is not in force as written. */
import { type Fields, fields, list, text } from '../derive/read.ts';
import { WAYPOINT_BOUND } from '../derive/service-waypoint.ts';
import { WAYPOINT_ACCEPTED } from '../http-policy/derive/accepted.ts';
import { POLICY_CONTROLLER } from '../resilience/backend-tls-policies.ts';
import { bindingsOf } from './bindings.ts';
import { type Finding, finding, formatRef, refOf } from './finding.ts';
import type { World } from './world.ts';

const TYPES = new Set([
  'WaypointBound',
  'istio.io/WaypointBound',
  'ZtunnelAccepted',
  'WaypointAccepted',
  'ambit.io/Accepted',
  'Accepted',
  'Programmed',
  'ResolvedRefs',
]);
const GROUPS = /^(security\.istio\.io|networking\.istio\.io|telemetry\.istio\.io|gateway\.networking\.k8s\.io)\/|^v1$/;

/** Reasons of `WaypointAccepted` for which there are findings of their own. */
const TOLD_BY_TARGETS = new Set(['AncestorNotBound', 'TargetNotFound', 'Invalid', 'PartiallyInvalid']);

export function* negativeConditions(world: World): Generator<Finding> {
  const told = bindingsOf(world).unfulfilled;
  for (const object of world.all) {
    if (object.kind === 'Pod' || object['status'] === undefined || !GROUPS.test(object.apiVersion)) continue;
    for (const condition of conditionsOf(fields(object['status']))) {
      const { type, status, reason, message, observedGeneration } = fields(condition);
      if (!TYPES.has(text(type)) || (status !== 'False' && reason !== 'PartiallyInvalid')) continue;
      const isOld = typeof observedGeneration === 'number' && observedGeneration < (object.metadata.generation ?? 0);
      if (isOld) continue; // it is about what stood there before
      // Found from the objects as well, where more is said about it.
      if (text(type) === WAYPOINT_BOUND && told.has(formatRef(refOf(object)))) continue;
      if (text(type) === WAYPOINT_ACCEPTED && TOLD_BY_TARGETS.has(text(reason))) continue;
      yield finding('IST0171', refOf(object), {
        field: `status.conditions[${JSON.stringify(type)}]`,
        message: `${type} is ${status} (${text(reason)}): ${text(message)}`,
        fix: 'correct what the message names; the condition follows within seconds',
      });
    }
  }
}

/** A policy of Gateway API has some for each of its ancestors; what others say of it is theirs. */
function conditionsOf({ conditions, ancestors }: Fields): readonly unknown[] {
  const ours = list(ancestors)
    .map(fields)
    .filter(({ controllerName }) => controllerName === POLICY_CONTROLLER);
  return [...list(conditions), ...ours.flatMap((ancestor) => list(ancestor['conditions']))];
}
