/**
 * Where does a connection of a captured pod go? The order of the questions is that of ztunnel's outbound path, so that both
 * can stand in for each other.
 */
import { formatSocketAddress, type IpAddress, ipFamily, isLoopback, type SocketAddress } from '../address.ts';
import type { GatewayAddress, Service, Workload } from '../model.ts';
import type { SpiffeId } from '../spiffe.ts';
import type { PickFailure } from '../view/balancer.ts';
import type { View } from '../view/view.ts';
import { formatGateway, isBehindGateway, resolveGateway } from './gateway.ts';
import { expectedIdentities } from './identities.ts';

/** Ports that the proxy itself listens on: a connection to them would come back for ever. */
export const ILLEGAL_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, 15_008]);
/** Where every HBONE workload is reached. */
export const HBONE_PORT = 15_008;

export type OutboundFlow = {
  readonly source: Workload;
  readonly from: SocketAddress;
  /** What the application dialled. */
  readonly originalDst: SocketAddress;
};

export type RefuseReason =
  | PickFailure
  | 'self-call'
  | 'waypoint-not-resolved'
  | 'no-address'
  | 'hostname-not-resolved'
  | 'identity-unknown';

export type OutboundDecision =
  | {
      readonly kind: 'hbone';
      readonly dial: SocketAddress;
      /** What the CONNECT request names. */
      readonly authority: string;
      /** One of these must be in the peer's certificate; never empty. */
      readonly expectedIdentities: readonly SpiffeId[];
      /** The actual peer: endpoint or waypoint. */
      readonly destination: Workload;
      readonly service?: Service;
      readonly via: 'direct' | 'waypoint';
      readonly because: string;
    }
  | {
      readonly kind: 'tcp';
      readonly dial: SocketAddress;
      readonly destination?: Workload;
      readonly service?: Service;
      readonly because: string;
    }
  | { readonly kind: 'passthrough'; readonly dial: SocketAddress; readonly because: string }
  | { readonly kind: 'refuse'; readonly reason: RefuseReason; readonly service?: Service; readonly because: string };

/** Decides one flow. `random` gives numbers in [0, 1) and is asked only where there is a choice. */
export function decideOutbound(view: View, flow: OutboundFlow, random: () => number): OutboundDecision {
  const { source, originalDst: dst } = flow;
  if (isLoopback(dst.ip) && ILLEGAL_PORTS.has(dst.port)) {
    return refuse('self-call', `port ${dst.port} on loopback is the proxy's own`);
  }
  // Whether it is a service is asked in the proxy's network and after workloads, what it leads to in the source's network and
  // services first: with one network and no address in both roles the two agree.
  const known = view.workloadByAddress(view.network, dst.ip);
  const addressed = known === undefined ? view.serviceByVip(view.network, dst.ip, source.namespace) : undefined;
  const waypoint = addressed && serviceWaypoint(addressed, random);
  if (waypoint !== undefined) return throughWaypoint(view, flow, waypoint, addressed, random);

  const service = view.serviceByVip(source.network, dst.ip, source.namespace);
  if (service !== undefined) return toService(view, flow, service, random);
  const workload = view.workloadByAddress(source.network, dst.ip);
  if (workload === undefined) {
    return { kind: 'passthrough', dial: dst, because: `${dst.ip} belongs to no workload or service of the mesh` };
  }
  // Traffic to a pod's own address uses the pod's waypoint, unless it is the waypoint that calls.
  if (workload.waypoint !== undefined && !isBehindGateway(view, workload.waypoint, source, flow.from.ip)) {
    return throughWaypoint(view, flow, workload.waypoint, undefined, random);
  }
  return toEndpoint(flow, workload, dst.port, undefined);
}

/** Weighted waypoints, where any has a weight, stand above the single one. */
function serviceWaypoint(service: Service, random: () => number): GatewayAddress | undefined {
  const weighted = service.weightedWaypoints;
  if (weighted.length === 0) return service.waypoint;
  let total = 0;
  for (const { weight } of weighted) total += weight;
  if (total <= 0) return service.waypoint;
  let point = random() * total;
  for (const { destination, weight } of weighted) {
    if (point < weight) return destination;
    point -= weight;
  }
  return weighted.findLast(({ weight }) => weight > 0)?.destination; // rounding at the very end of the range
}

function throughWaypoint(
  view: View,
  flow: OutboundFlow,
  ref: GatewayAddress,
  service: Service | undefined,
  random: () => number,
): OutboundDecision {
  const { source, originalDst: dst } = flow;
  const hop = resolveGateway(view, source, ref, 'waypoint', random);
  if (hop.kind === 'failed') {
    // Going on without the waypoint would go around its policy.
    const why = `waypoint ${formatGateway(ref)} can not be used: ${hop.reason}`;
    return refuse(hop.reason === 'cross-network' ? 'cross-network' : 'waypoint-not-resolved', why, service);
  }
  // A reference by address says which family it means; one by name follows what the application dialled.
  const wish = ref.destination.kind === 'address' ? ref.destination.address : dst.ip;
  const ip = pickAddress(hop.workload, wish, hop.service);
  if (ip === undefined) return noAddress(hop.workload, service);
  const identities = expectedIdentities(hop.workload, hop.service);
  if (identities.length === 0) return noIdentity(hop.workload, service);
  return {
    kind: 'hbone',
    dial: { ip, port: hop.port },
    authority: formatSocketAddress(dst),
    expectedIdentities: identities,
    destination: hop.workload,
    ...(service && { service }),
    via: 'waypoint',
    because: `${service ? `service ${service.namespace}/${service.name}` : 'the workload'} has waypoint ${formatGateway(ref)}`,
  };
}

function toService(view: View, flow: OutboundFlow, service: Service, random: () => number): OutboundDecision {
  const { source, originalDst: dst } = flow;
  if (service.loadBalancing?.mode === 'PASSTHROUGH') {
    const because = `service ${service.namespace}/${service.name} leaves the choice of address to the client`;
    return { kind: 'passthrough', dial: dst, because };
  }
  const pick = view.balancer(service).pick(source, dst.port, 'standard', random);
  if (pick.kind === 'failed') {
    return refuse(pick.reason, `service ${service.namespace}/${service.name}: ${PICK_FAILURE[pick.reason]}`, service);
  }
  return toEndpoint(flow, pick.candidate.workload, pick.candidate.targetPort, service);
}

const PICK_FAILURE: Readonly<Record<PickFailure, string>> = {
  'no-healthy-endpoint': 'it has no healthy endpoint',
  'port-not-served': 'no endpoint serves this port',
  'no-endpoint-in-scope': 'no endpoint is where its traffic must stay',
  'cross-network': 'its endpoints are on other networks, which is not supported',
};

function toEndpoint(flow: OutboundFlow, workload: Workload, port: number, service: Service | undefined) {
  const ip = pickAddress(workload, flow.originalDst.ip, service);
  if (ip === undefined) return noAddress(workload, service);
  const name = `${workload.namespace}/${workload.name}`;
  if (workload.tunnelProtocol === 'NONE') {
    const because = `${name} is not in the mesh`;
    return { kind: 'tcp', dial: { ip, port }, destination: workload, ...(service && { service }), because } as const;
  }
  const identities = expectedIdentities(workload, service);
  if (identities.length === 0) return noIdentity(workload, service);
  return {
    kind: 'hbone',
    dial: { ip, port: HBONE_PORT },
    authority: formatSocketAddress({ ip, port }),
    expectedIdentities: identities,
    destination: workload,
    ...(service && { service }),
    via: 'direct',
    because: `${name} speaks HBONE`,
  } as const;
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

function noAddress(workload: Workload, service: Service | undefined): OutboundDecision {
  const name = `${workload.namespace}/${workload.name}`;
  if (workload.addresses.length > 0) return refuse('no-address', `${name} has no address of a family in use`, service);
  if (workload.hostname === '') return refuse('no-address', `${name} has no address`, service);
  return refuse('hostname-not-resolved', `${name} is only known as ${workload.hostname}`, service);
}

function noIdentity(workload: Workload, service: Service | undefined): OutboundDecision {
  const why = `${workload.namespace}/${workload.name} has no identity that could be verified`;
  return refuse('identity-unknown', why, service);
}

function refuse(reason: RefuseReason, because: string, service?: Service): OutboundDecision {
  return { kind: 'refuse', reason, ...(service && { service }), because };
}
