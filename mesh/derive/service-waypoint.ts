/** The waypoint part of a service, and of the conditions that its object gets (controller.md sections 1.10, 3.6). */
import { gatewayAddress } from './gateway.ts';
import type { ServiceWaypoint } from './kube-service.ts';
import type { Condition } from './outputs.ts';
import type { WaypointBinding } from './waypoints.ts';

export const WAYPOINT_BOUND = 'istio.io/WaypointBound';
/** What becomes of those whose wish can not be fulfilled. */
export const WITHOUT_WAYPOINT = 'traffic goes on without it';

/** `ingress`: whether ingress gateways are to send to the waypoint, where there is one. */
export function serviceWaypoint(binding: WaypointBinding, network: string, ingress: boolean): ServiceWaypoint {
  const waypoint = binding.kind === 'bound' ? gatewayAddress(binding.gateway, network) : undefined;
  if (binding.kind !== 'bound' || waypoint === undefined) return { weightedWaypoints: [], ingressUseWaypoint: false };
  const { canary } = binding;
  const second = canary?.kind === 'canary' ? gatewayAddress(canary.gateway, network) : undefined;
  const weightedWaypoints =
    canary?.kind !== 'canary' || second === undefined
      ? []
      : [
          { destination: waypoint, weight: 100 - canary.weight },
          { destination: second, weight: canary.weight },
        ];
  return { waypoint, weightedWaypoints, ingressUseWaypoint: ingress };
}

/** Undefined where nobody asks for a waypoint. */
export function boundCondition(
  binding: WaypointBinding,
  { ingress, isRequired }: { readonly ingress: boolean; readonly isRequired: boolean },
): Condition | undefined {
  if (binding.kind === 'none') return undefined;
  if (binding.kind === 'unbound') {
    const meanwhile = isRequired ? 'its L7 policy requires it, so everybody is denied' : WITHOUT_WAYPOINT;
    return { status: 'False', reason: binding.reason, message: `${binding.message}; ${meanwhile}` };
  }
  const { gateway, canary } = binding;
  const sentences = [`bound to waypoint ${gateway.key}`];
  if (canary?.kind === 'canary') sentences.push(`${canary.weight} percent go to canary ${canary.gateway.key}`);
  if (canary?.kind === 'unbound') sentences.push(`${canary.reason}: ${canary.message}; all goes to the waypoint`);
  if (ingress) sentences.push('ingress gateways send to it, too');
  return { status: 'True', reason: 'WaypointAccepted', message: sentences.join('. ') };
}
