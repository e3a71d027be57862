/**
 * A path through a waypoint. What it decides at L7 is not predicted; but behind it the endpoints judge the caller that the
 * waypoint names, and who requires a waypoint the waypoint itself, and that can be.
 */
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { OutboundDecision } from '../decide/decision.ts';
import { expectedIdentities } from '../decide/identities.ts';
import { formatReason } from '../decide/reason.ts';
import { HBONE_PORT } from '../decide/way.ts';
import type { Workload } from '../model.ts';
import { type Behalf, inPlaintext, type Sender, type Tunnel, throughTunnel, tunnelHops } from './arrival.ts';
import { running } from './callers.ts';
import { ended, endpointOf, hop, nameOf } from './ends.ts';
import type { MeshModel } from './model.ts';
import type { Hop, PredictedCase } from './prediction.ts';
import { withoutMesh } from './ways.ts';

export function throughWaypoint(
  model: MeshModel,
  { caller, from }: Sender,
  decision: Tunnel,
  target: SocketAddress,
): PredictedCase {
  const { destination: waypoint, dial } = decision;
  const who = nameOf(waypoint);
  const [identity] = expectedIdentities(caller.workload, undefined);
  if (identity === undefined) {
    const because = `${caller.name} has no identity that could be shown`;
    return ended(caller, 'denied', 'identity-unknown', because, [hop('identity', because, 'stops')]);
  }
  const hops = [
    hop('waypoint', `${formatReason(decision.because)}: ${endpointOf(waypoint, dial)}`),
    ...tunnelHops(decision, identity),
  ];
  const known = { encryption: 'mutual-tls', callerIdentity: identity } as const;
  const behind = behindWaypoint(model, waypoint, { identity, ip: from?.ip }, target);
  const [first] = behind;
  if (first !== undefined && behind.every(({ verdict }) => verdict === 'denied')) {
    const because = `whatever waypoint ${who} says, the endpoints behind it refuse: ${first.because}`;
    return {
      ...ended(caller, 'denied', first.reason, because, [...hops, ...refusalHops(first, because)]),
      ...known,
      endpoints: behind.flatMap(({ endpoints }) => endpoints),
      ...(first.policy && { policy: first.policy }),
      next: first.next,
    };
  }
  const because = `waypoint ${who} decides, and its routes and policies (L7) are not predicted yet`;
  return {
    ...ended(caller, 'unknown', 'waypoint-decides', because, [...hops, hop('policy', because, 'unclear')]),
    ...known,
    endpoints: [endpointOf(waypoint, dial)],
  };
}

function refusalHops({ hops }: PredictedCase, because: string): readonly Hop[] {
  const details = hops.find(({ outcome }) => outcome === 'stops')?.details;
  return [{ ...hop('policy', because, 'stops'), ...(details && { details }) }];
}

function behindWaypoint(
  model: MeshModel,
  waypoint: Workload,
  behalf: Behalf,
  target: SocketAddress,
): readonly PredictedCase[] {
  const caller = running(model, waypoint);
  const ip = caller.isAddressKnown ? waypoint.addresses[0] : undefined;
  const sender: Sender = { caller, from: ip && { ip, port: 0 }, behalf };
  return withoutMesh(model.view, waypoint, target).flatMap((decision) => onward(model, sender, decision));
}

function onward(model: MeshModel, sender: Sender, decision: OutboundDecision): readonly PredictedCase[] {
  if (decision.kind === 'refuse') {
    return [ended(sender.caller, 'denied', decision.reason, formatReason(decision.because), [])];
  }
  if (decision.kind !== 'tcp' || decision.destination === undefined) return []; // nothing that can be said
  const { destination, dial, service } = decision;
  if (destination.tunnelProtocol === 'NONE') return [inPlaintext(model, sender, decision)];
  const tunnel: Tunnel = {
    kind: 'hbone',
    dial: { ip: dial.ip, port: HBONE_PORT },
    authority: formatSocketAddress(dial),
    expectedIdentities: expectedIdentities(destination, service),
    destination,
    ...(service && { service }),
    via: 'direct',
    because: { code: 'behind-waypoint' },
  };
  return [throughTunnel(model, sender, tunnel)];
}
