/**
 * Where does a connection of a captured pod go? The order of the questions is that of ztunnel's outbound path, so that both
 * can stand in for each other.
 */
import { formatSocketAddress, type IpAddress, isLoopback, type SocketAddress } from '../address.ts';
import type { GatewayAddress, Service, Workload } from '../model.ts';
import type { Candidate } from '../view/bucket.ts';
import type { View } from '../view/view.ts';
import type { OutboundDecision, Way } from './decision.ts';
import { isBehindGateway, resolveGateway } from './gateway.ts';
import type { RouteReason } from './reason.ts';
import { follow, refuse } from './way.ts';

/** Ports that the proxy itself listens on: a connection to them would come back for ever. */
export const ILLEGAL_PORTS: ReadonlySet<number> = new Set([15_001, 15_006, 15_008]);
export type OutboundFlow = {
  readonly source: Workload;
  readonly from: SocketAddress;
  /** What the application dialled. */
  readonly originalDst: SocketAddress;
};

type Question = OutboundFlow & {
  readonly view: View;
  readonly random: () => number;
  /** The service that the application dialled: its waypoint was asked for already, and its endpoints' does not count. */
  readonly addressed: Service | undefined;
};

/** Decides one flow. `random` gives numbers in [0, 1) and is asked only where there is a choice. */
export function decideOutbound(view: View, flow: OutboundFlow, random: () => number): OutboundDecision {
  const { source, from, originalDst } = flow;
  const { ip, port } = originalDst;
  if (isLoopback(ip) && ILLEGAL_PORTS.has(port)) return refuse('self-call', { code: 'own-port', port });
  // Whether it is a service is asked in the proxy's network and after workloads, what it leads to in the source's network and
  // services first: with one network and no address in both roles the two agree. A range never stands for a workload within it:
  // somebody's 10.0.0.0/8 must not take what goes to the pods.
  const known = view.workloadByAddress(view.network, ip);
  const addressed = known === undefined ? view.serviceByVip(view.network, ip, source.namespace) : undefined;
  const q: Question = { source, from, originalDst, view, random, addressed };
  if (addressed !== undefined) {
    const waypoint = serviceWaypoint(addressed, random);
    if (waypoint !== undefined) return throughWaypoint(q, waypoint, addressed, addressed);
  }

  const workload = view.workloadByAddress(source.network, ip);
  const service = view.serviceByVip(source.network, ip, source.namespace, { ranges: workload === undefined });
  if (service !== undefined) return toService(q, service);
  if (workload !== undefined) return toEndpoint(q, { workload, targetPort: port }, undefined);
  // A service of the mesh that has nothing here is a failure: what answers at such an address would be a stranger.
  if (addressed !== undefined && addressed.loadBalancing?.mode !== 'PASSTHROUGH') {
    return refuse('other-network', { code: 'other-network', service: addressed, network: source.network }, addressed);
  }
  return { kind: 'passthrough', dial: originalDst, because: { code: 'destination-unknown', ip } };
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
  q: Question,
  waypoint: GatewayAddress,
  of: Service | Workload,
  service: Service | undefined,
): OutboundDecision {
  const { view, source, originalDst: dst, random } = q;
  const hop = resolveGateway(view, source, waypoint, 'waypoint', random);
  if (hop.kind === 'failed') {
    // Going on without the waypoint would go around its policy.
    const because: RouteReason = { code: 'waypoint-unusable', of, waypoint, failure: hop.reason };
    return refuse(hop.reason === 'cross-network' ? 'cross-network' : 'waypoint-not-resolved', because, service);
  }
  // A reference by address says which family it means; one by name follows what the application dialled.
  const wish = waypoint.destination.kind === 'address' ? waypoint.destination.address : dst.ip;
  const way: Way = {
    destination: hop.workload,
    port: hop.port,
    service,
    verifiedBy: hop.service,
    authority: formatSocketAddress(dst),
    via: 'waypoint',
    because: { code: 'has-waypoint', of, waypoint },
  };
  return follow(way, wish);
}

function toService(q: Question, service: Service): OutboundDecision {
  const { view, source, originalDst: dst, random } = q;
  if (service.loadBalancing?.mode === 'PASSTHROUGH') {
    return { kind: 'passthrough', dial: dst, because: { code: 'client-chooses', service } };
  }
  const pick = view.balancer(service).pick(source, dst.port, 'standard', random);
  if (pick.kind === 'picked') return toEndpoint(q, pick.candidate, service);
  return refuse(pick.reason, { code: 'no-endpoint', service, port: dst.port, failure: pick.reason }, service);
}

function toEndpoint(q: Question, endpoint: Candidate, service: Service | undefined): OutboundDecision {
  const { workload } = endpoint;
  // Traffic to a pod's own address uses the pod's waypoint, unless it is the waypoint that calls.
  if (q.addressed === undefined && workload.waypoint !== undefined) {
    const isReturning = isBehindGateway(q.view, workload.waypoint, q.source, q.from.ip);
    if (!isReturning) return throughWaypoint(q, workload.waypoint, workload, service);
  }
  return reachEndpoint(endpoint, service, q.originalDst.ip);
}

/**
 * The last hop, to an endpoint that was chosen: what a ztunnel does without a waypoint, and a waypoint always. Of its addresses
 * the one wished for is taken if it has it, else one of that family.
 */
export function reachEndpoint(
  { workload, targetPort: port }: Candidate,
  service: Service | undefined,
  wish: IpAddress,
): OutboundDecision {
  const isPlain = workload.tunnelProtocol === 'NONE';
  const way: Way = {
    destination: workload,
    port,
    service,
    verifiedBy: service,
    authority: undefined,
    via: isPlain ? 'plain' : 'direct',
    because: { code: isPlain ? 'not-in-mesh' : 'speaks-hbone', workload },
  };
  return follow(way, wish);
}
