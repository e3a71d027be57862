/** From a reference to a waypoint to one workload that serves it. */
import type { IpAddress } from '../address.ts';
import type { GatewayAddress, Service, Workload } from '../model.ts';
import type { SpiffeId } from '../spiffe.ts';
import type { LookupMode } from '../view/ports.ts';
import type { View } from '../view/view.ts';
import { workloadIdentities } from './identities.ts';
import type { GatewayFailure } from './reason.ts';

export type GatewayHop =
  | {
      readonly kind: 'hop';
      readonly workload: Workload;
      readonly port: number;
      readonly service?: Service;
    }
  | { readonly kind: 'failed'; readonly reason: GatewayFailure };

/** A reference that can not be resolved is a failure, never a way around the gateway. */
export function resolveGateway(
  view: View,
  source: Workload,
  ref: GatewayAddress,
  mode: LookupMode,
  random: () => number,
): GatewayHop {
  const service = gatewayService(view, ref);
  if (service !== undefined) {
    const pick = view.balancer(service).pick(source, ref.hboneMtlsPort, mode, random);
    if (pick.kind === 'failed') return pick;
    return { kind: 'hop', workload: pick.candidate.workload, port: pick.candidate.targetPort, service };
  }
  const workload = gatewayWorkload(view, ref);
  if (workload === undefined) return { kind: 'failed', reason: 'gateway-not-found' };
  if (workload.network !== source.network) return { kind: 'failed', reason: 'cross-network' };
  return { kind: 'hop', workload, port: ref.hboneMtlsPort };
}

/** Whether `candidate`, reached at `ip`, is one of the workloads behind the reference. */
export function isBehindGateway(view: View, ref: GatewayAddress, candidate: Workload, ip: IpAddress): boolean {
  const service = gatewayService(view, ref);
  if (service !== undefined) {
    return candidate.addresses.includes(ip) && view.endpoint(service, candidate.uid) !== undefined;
  }
  const workload = gatewayWorkload(view, ref);
  return workload !== undefined && workload.uid === candidate.uid && workload.addresses.includes(ip);
}

/** Whether a workload behind the reference, healthy or not, has this identity: one that drains still calls. */
export function isGatewayIdentity(view: View, ref: GatewayAddress, identity: SpiffeId): boolean {
  const service = gatewayService(view, ref);
  if (service === undefined) {
    const workload = gatewayWorkload(view, ref);
    return workload !== undefined && workloadIdentities(workload).includes(identity);
  }
  for (const { workload } of view.allEndpoints(service))
    if (workloadIdentities(workload).includes(identity)) return true;
  return false;
}

function gatewayService(view: View, { destination }: GatewayAddress): Service | undefined {
  if (destination.kind === 'address') return view.serviceByVip(destination.network, destination.address);
  return view.serviceByKey(`${destination.namespace}/${destination.hostname}`);
}

function gatewayWorkload(view: View, { destination }: GatewayAddress): Workload | undefined {
  if (destination.kind === 'address') return view.workloadByAddress(destination.network, destination.address);
  return view.workloadByHostname(destination.namespace, destination.hostname);
}
