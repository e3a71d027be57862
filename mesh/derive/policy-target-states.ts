/** What the targets of policies for waypoints amount to in the mesh, out of the facts that derivation holds. */
import type { TargetState } from '../http-policy/derive/accepted.ts';
import { type PolicyTarget, WAYPOINT_CLASS } from '../http-policy/derive/targets.ts';
import type { Hosts } from './hosts.ts';
import type { Inputs } from './inputs.ts';
import type { WaypointBinding, Waypoints } from './waypoints.ts';

export type TargetStateParts = { readonly inputs: Inputs; readonly hosts: Hosts; readonly waypoints: Waypoints };

export function stateOfTarget({ inputs, hosts, waypoints }: TargetStateParts, target: PolicyTarget): TargetState {
  const { kind, namespace, name } = target;
  const key = `${namespace}/${name}`;
  switch (kind) {
    case 'Service': {
      const service = inputs.services.get(key);
      if (service === undefined) return MISSING;
      return ofBinding(waypoints.bind({ namespace, waypoint: service.waypoint, traffic: 'service' }));
    }
    case 'ServiceEntry': {
      const entry = inputs.serviceEntries.get(key);
      if (entry === undefined) return MISSING;
      const isPrivate = hosts.visibilityOf(entry) === 'NAMESPACE';
      return ofBinding(waypoints.bind({ namespace, waypoint: entry.waypoint, traffic: 'service', isPrivate }));
    }
    case 'Gateway': {
      const gateway = inputs.gateways.get(key);
      if (gateway === undefined) return MISSING;
      const isWaypoint =
        gateway.className === WAYPOINT_CLASS || gateway.listeners.some(({ protocol }) => protocol === 'HBONE');
      return isWaypoint
        ? { kind: 'bound', to: key }
        : notBound(`a Gateway of class ${gateway.className} is no waypoint`);
    }
    case 'GatewayClass':
      return inputs.gatewayClasses.get(name) === undefined ? MISSING : { kind: 'bound', to: 'every waypoint' };
    default:
      return kind satisfies never;
  }
}

const MISSING: TargetState = { kind: 'TargetNotFound', why: 'does not exist' };

function notBound(why: string): TargetState {
  return { kind: 'AncestorNotBound', why };
}

function ofBinding(binding: WaypointBinding): TargetState {
  switch (binding.kind) {
    case 'bound': {
      const { gateway, canary } = binding;
      return { kind: 'bound', to: canary?.kind === 'canary' ? `${gateway.key}, ${canary.gateway.key}` : gateway.key };
    }
    case 'unbound':
      return notBound(binding.message);
    case 'none':
      return notBound('has no waypoint (label istio.io/use-waypoint)');
    default:
      return binding satisfies never;
  }
}
