/** The last part of a path through a waypoint: from it to the endpoints, which judge who comes as any ztunnel does. */
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { OutboundDecision, Way } from '../decide/decision.ts';
import { expectedIdentities } from '../decide/identities.ts';
import { formatReason } from '../decide/reason.ts';
import { HBONE_PORT } from '../decide/way.ts';
import type { Workload } from '../model.ts';
import { type Behalf, inPlaintext, type Sender, type Tunnel, throughTunnel } from './arrival.ts';
import { running } from './callers.ts';
import { ended, hop, nameOf } from './ends.ts';
import type { MeshModel } from './model.ts';
import type { Hop, PredictedCase } from './prediction.ts';
import { toEndpoints, withoutMesh } from './ways.ts';

/** `service`: `namespace/hostname`; undefined: what the client dialled itself. */
export type Behind = { readonly service: string | undefined; readonly port: number };

/** One case for each endpoint that may be chosen. */
export function behind(
  model: MeshModel,
  waypoint: Workload,
  { service: key, port }: Behind,
  target: SocketAddress,
  behalf: Behalf,
): readonly PredictedCase[] {
  const caller = running(model, waypoint);
  const ip = caller.isAddressKnown ? waypoint.addresses[0] : undefined;
  const sender: Sender = { caller, from: ip && { ip, port: 0 }, behalf };
  const { view } = model;
  if (key === undefined) return withoutMesh(view, waypoint, target).flatMap((way) => onward(model, sender, way));
  const service = view.serviceByKey(key);
  if (service === undefined) {
    const because = `service ${key} is not known to the waypoint`;
    return [ended(caller, 'denied', 'no-endpoint', because, [hop('service', because, 'stops')])];
  }
  return toEndpoints(view, waypoint, service, { ip: target.ip, port }).flatMap((way) => onward(model, sender, way));
}

/** One case where all endpoints refuse: then it does not matter what the waypoint decides. */
export function refusedBehind(
  model: MeshModel,
  waypoint: Workload,
  target: SocketAddress,
  behalf: Behalf,
): PredictedCase | undefined {
  const cases = behind(model, waypoint, { service: undefined, port: target.port }, target, behalf);
  const [first] = cases;
  if (first === undefined || cases.some(({ verdict }) => verdict !== 'denied')) return undefined;
  const because = `whatever waypoint ${nameOf(waypoint)} says, the endpoints behind it refuse: ${first.because}`;
  return {
    ...first,
    because,
    hops: refusalHops(first, because),
    endpoints: cases.flatMap(({ endpoints }) => endpoints),
    next: first.next,
  };
}

function refusalHops({ hops }: PredictedCase, because: string): readonly Hop[] {
  const details = hops.find(({ outcome }) => outcome === 'stops')?.details;
  return [{ ...hop('policy', because, 'stops'), ...(details && { details }) }];
}

/** Whom the waypoint looks up by name is outside, or answers for itself. */
function named({ caller }: Sender, { destination, port, via }: Way): PredictedCase {
  const where = `${destination.hostname}:${port}`;
  if (via === 'plain') {
    const because = `${where} is outside the mesh, which has no say in what answers there`;
    return ended(caller, 'allowed', 'passthrough', because, [hop('endpoint', because)]);
  }
  const because = `${nameOf(destination)} is only known as ${destination.hostname}: what answers there is not predicted`;
  return ended(caller, 'unknown', 'hostname-not-resolved', because, [hop('endpoint', because, 'unclear')]);
}

function onward(model: MeshModel, sender: Sender, decision: OutboundDecision): readonly PredictedCase[] {
  if (decision.kind === 'refuse') {
    const because = formatReason(decision.because);
    return [ended(sender.caller, 'denied', decision.reason, because, [hop('service', because, 'stops')])];
  }
  if (decision.kind === 'resolve') return [named(sender, decision.way)];
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
