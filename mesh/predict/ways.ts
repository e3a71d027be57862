/** Every way that one connection may take: each decision that chance could make of it, by the functions that proxies decide with. */
import { ipFamily, type SocketAddress } from '../address.ts';
import type { Way as NextHop, OutboundDecision } from '../decide/decision.ts';
import { decideOutbound } from '../decide/outbound.ts';
import { formatReason, type RouteReason } from '../decide/reason.ts';
import { follow } from '../decide/way.ts';
import type { Service, Workload } from '../model.ts';
import type { View } from '../view/view.ts';
import type { PredictedCaller } from './callers.ts';

export type Way = {
  readonly decision: OutboundDecision;
  /** Where it comes from, if that is known. */
  readonly from: SocketAddress | undefined;
};

/** A port that no policy can name: the client's own is chosen by its kernel. */
const EPHEMERAL = 0;

export function waysOf(view: View, caller: PredictedCaller, target: SocketAddress): readonly Way[] {
  const decisions = new Map<string, Way>();
  for (const source of placesOf(view, caller, target)) {
    const from = addressFor(source, target);
    const found =
      caller.membership.state === 'in'
        ? captured(view, source, from ?? { ip: target.ip, port: EPHEMERAL }, target)
        : withoutMesh(view, source, target);
    for (const decision of found) {
      const sender = caller.isAddressKnown ? addressFor(source, dialOf(decision, target)) : undefined;
      decisions.set(keyOf(decision), { decision, from: sender });
    }
  }
  return [...decisions.values()];
}

const OUTSIDE: RouteReason = { code: 'caller-not-in-mesh' };

/** The ways that somebody has who knows no waypoints and no tunnels: as Kubernetes itself carries it. */
export function withoutMesh(view: View, source: Workload, target: SocketAddress): readonly OutboundDecision[] {
  const workload = view.workloadByAddress(view.network, target.ip);
  const service = workload === undefined ? view.serviceByVip(view.network, target.ip, source.namespace) : undefined;
  if (service === undefined) {
    if (workload === undefined) {
      return [{ kind: 'passthrough', dial: target, because: { code: 'destination-unknown', ip: target.ip } }];
    }
    return [{ kind: 'tcp', dial: target, destination: workload, because: OUTSIDE }];
  }
  return toEndpoints(view, source, service, target);
}

/** Each endpoint of a service that may be chosen. Of its addresses that of the family of `target` is dialled, if it has one. */
export function toEndpoints(
  view: View,
  source: Workload,
  service: Service,
  target: SocketAddress,
): readonly OutboundDecision[] {
  const choices = view.balancer(service).choices(source, target.port, 'standard');
  if (choices.length === 0) {
    const pick = view.balancer(service).pick(source, target.port, 'standard', () => 0);
    const reason = pick.kind === 'failed' ? pick.reason : 'no-endpoint';
    return [
      {
        kind: 'refuse',
        reason,
        service,
        because: { code: 'no-endpoint', service, port: target.port, failure: reason },
      },
    ];
  }
  return choices.flatMap(({ candidate: { workload, targetPort } }): readonly OutboundDecision[] => {
    const ip = workload.addresses.find((a) => ipFamily(a) === ipFamily(target.ip)) ?? workload.addresses[0];
    if (ip === undefined) return [byName(workload, service, targetPort, target)];
    return [{ kind: 'tcp', dial: { ip, port: targetPort }, destination: workload, service, because: OUTSIDE }];
  });
}

function byName(destination: Workload, service: Service, port: number, { ip }: SocketAddress): OutboundDecision {
  const way: NextHop = {
    destination,
    port,
    service,
    verifiedBy: service,
    authority: undefined,
    via: destination.tunnelProtocol === 'NONE' ? 'plain' : 'direct',
    because: OUTSIDE,
  };
  return follow(way, ip);
}

/** The same decision, made once for each number that leads elsewhere. */
function captured(
  view: View,
  source: Workload,
  from: SocketAddress,
  target: SocketAddress,
): readonly OutboundDecision[] {
  const decide = (random: number) => decideOutbound(view, { source, from, originalDst: target }, () => random);
  const first = decide(0);
  if (first.kind === 'passthrough' || first.service === undefined) return [first];
  const { service } = first;
  const choices = view.balancer(service).choices(source, target.port, 'standard');
  return [first, ...[...waypointPoints(service), ...choices.map(({ at }) => at)].map(decide)];
}

function waypointPoints({ weightedWaypoints }: Service): readonly number[] {
  const total = weightedWaypoints.reduce((sum, { weight }) => sum + weight, 0);
  let sum = 0;
  return weightedWaypoints.flatMap(({ weight }) => {
    const point = (sum + weight / 2) / total;
    sum += weight;
    return weight > 0 ? [point] : [];
  });
}

/** Somebody whose place is not known may be anywhere, as far as a choice of endpoints looks at the place. */
function placesOf(view: View, caller: PredictedCaller, target: SocketAddress): readonly Workload[] {
  const { workload } = caller;
  if (caller.isPlaced) return [workload];
  const service = view.serviceByVip(view.network, target.ip, workload.namespace);
  if (service?.loadBalancing === undefined || service.loadBalancing.routingPreference.length === 0) return [workload];
  const places = new Map<string, Workload>();
  for (const {
    workload: { node, locality },
  } of view.endpoints(service)) {
    places.set(JSON.stringify([node, locality]), { ...workload, node, ...(locality && { locality }) });
  }
  return places.size === 0 ? [workload] : [...places.values()];
}

function addressFor({ addresses }: Workload, to: SocketAddress): SocketAddress | undefined {
  const ip = addresses.find((a) => ipFamily(a) === ipFamily(to.ip)) ?? addresses[0];
  return ip && { ip, port: EPHEMERAL };
}

function dialOf(decision: OutboundDecision, target: SocketAddress): SocketAddress {
  return decision.kind === 'refuse' || decision.kind === 'resolve' ? target : decision.dial;
}

function keyOf(decision: OutboundDecision): string {
  if (decision.kind === 'refuse') return `refuse ${decision.reason} ${formatReason(decision.because)}`;
  if (decision.kind === 'resolve') return `resolve ${decision.way.port} ${decision.way.destination.uid}`;
  const { ip, port } = decision.dial;
  const uid = decision.kind === 'passthrough' ? '' : (decision.destination?.uid ?? '');
  return `${decision.kind} ${ip} ${port} ${uid} ${decision.kind === 'hbone' ? decision.authority : ''}`;
}
