/** Whom a peer says that it calls for (header `ambit-source` of a CONNECT), and whether that is to be believed. */
import { parseIp } from '../address.ts';
import type { GatewayAddress, Workload } from '../model.ts';
import type { OriginalCaller } from '../policy/subject.ts';
import { parseSpiffeId, type SpiffeId } from '../spiffe.ts';
import type { View } from '../view/view.ts';
import { isGatewayIdentity } from './gateway.ts';

export const SOURCE_HEADER = 'ambit-source';

export type SourceClaim =
  | { readonly kind: 'believed'; readonly original: OriginalCaller }
  /** Not said by a waypoint of this workload: as if nothing had been said. */
  | { readonly kind: 'dropped' }
  /** Said by a waypoint of this workload, and not readable: nobody knows who would be let in. */
  | { readonly kind: 'unreadable' };

/** `header`: `<SPIFFE id>;<ip>`, as received. */
export function judgeSource(view: View, local: Workload, peer: SpiffeId, header: string): SourceClaim {
  if (!isWaypointOf(view, local, peer)) return { kind: 'dropped' };
  const original = readSource(header);
  return original === undefined ? { kind: 'unreadable' } : { kind: 'believed', original };
}

function readSource(header: string): OriginalCaller | undefined {
  const semicolon = header.lastIndexOf(';');
  const ip = parseIp(header.slice(semicolon + 1));
  if (semicolon < 0 || ip === undefined) return undefined;
  try {
    return { identity: parseSpiffeId(header.slice(0, semicolon)), ip };
  } catch {
    return undefined;
  }
}

/** Whether the identity is that of a waypoint which the workload, or a service that it is an endpoint of, is bound to. */
export function isWaypointOf(view: View, local: Workload, peer: SpiffeId): boolean {
  const is = (ref: GatewayAddress) => isGatewayIdentity(view, ref, peer);
  if (local.waypoint !== undefined && is(local.waypoint)) return true;
  for (const key of local.services.keys()) {
    const service = view.serviceByKey(key);
    if (service === undefined) continue;
    if (service.waypoint !== undefined && is(service.waypoint)) return true;
    if (service.weightedWaypoints.some(({ destination }) => is(destination))) return true;
  }
  return false;
}
