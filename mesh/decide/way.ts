/** From a chosen next hop to a decision: which of its addresses, what name it must prove, and what is asked of it. */
import { formatSocketAddress, type IpAddress, ipFamily } from '../address.ts';
import type { Service, Workload } from '../model.ts';
import type { OutboundDecision, RefuseReason, Way } from './decision.ts';
import { expectedIdentities } from './identities.ts';
import type { RouteReason } from './reason.ts';

/** Where every HBONE workload is reached. */
export const HBONE_PORT = 15_008;

/** What a name means, or why that is not known. */
export type Resolution = { readonly addresses: readonly IpAddress[] } | { readonly error: string };

/** The next hop's address as far as the mesh knows it; else what must be resolved. */
export function follow(way: Way, wish: IpAddress): OutboundDecision {
  const { destination, verifiedBy, service, because } = way;
  const ip = pickAddress(destination, wish, verifiedBy);
  if (ip !== undefined) return reach(way, ip);
  const { addresses, hostname } = destination;
  if (addresses.length > 0 || hostname === '') {
    return refuse('no-address', { code: 'no-address', workload: destination }, service);
  }
  return { kind: 'resolve', hostname, way, wish, ...(service && { service }), because };
}

/** Completes a decision, never to another `resolve`: one address by chance, of the family that was wished for if there is any. */
export function resolved(
  { way, wish }: Extract<OutboundDecision, { kind: 'resolve' }>,
  resolution: Resolution,
  random: () => number,
): Exclude<OutboundDecision, { kind: 'resolve' }> {
  const all = 'error' in resolution ? [] : resolution.addresses;
  const preferred = all.filter((ip) => ipFamily(ip) === ipFamily(wish));
  const candidates = preferred.length > 0 ? preferred : all;
  const ip = candidates[Math.floor(random() * candidates.length)];
  if (ip !== undefined) return reach(way, ip);
  const error = 'error' in resolution ? resolution.error : 'the name has no address';
  const because: RouteReason = { code: 'hostname-not-resolved', workload: way.destination, error };
  return refuse('hostname-not-resolved', because, way.service);
}

type Settled = Exclude<OutboundDecision, { kind: 'resolve' }>;

function reach({ destination, port, service, verifiedBy, authority, via, because }: Way, ip: IpAddress): Settled {
  const named = service && { service };
  if (via === 'plain') return { kind: 'tcp', dial: { ip, port }, destination, ...named, because };
  const identities = expectedIdentities(destination, verifiedBy);
  if (identities.length === 0) {
    return refuse('identity-unknown', { code: 'no-identity', workload: destination }, service);
  }
  return {
    kind: 'hbone',
    dial: { ip, port: via === 'waypoint' ? port : HBONE_PORT },
    authority: authority ?? formatSocketAddress({ ip, port }),
    expectedIdentities: identities,
    destination,
    ...named,
    via,
    because,
  };
}

/** The address asked for if the workload has it; else one that the service's families allow, of the same family if any. */
function pickAddress(workload: Workload, wish: IpAddress, service: Service | undefined): IpAddress | undefined {
  const { addresses } = workload;
  if (addresses.includes(wish)) return wish;
  const families = service?.ipFamilies ?? 'AUTOMATIC';
  const family = ipFamily(wish);
  let other: IpAddress | undefined;
  for (const ip of addresses) {
    const is = ipFamily(ip);
    if ((families === 'IPV4_ONLY' && is === 6) || (families === 'IPV6_ONLY' && is === 4)) continue;
    if (is === family) return ip;
    other ??= ip;
  }
  return other;
}

export function refuse(
  reason: RefuseReason,
  because: RouteReason,
  service?: Service,
): Extract<OutboundDecision, { kind: 'refuse' }> {
  return { kind: 'refuse', reason, ...(service && { service }), because };
}
