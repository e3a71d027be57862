/** Where one way ends, and why. */
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { OutboundDecision, RefuseReason } from '../decide/decision.ts';
import { formatReason } from '../decide/reason.ts';
import { adviceFor } from './advice.ts';
import { inPlaintext, throughTunnel } from './arrival.ts';
import type { PredictedCaller } from './callers.ts';
import { ended, hop, leaves, nameOf } from './ends.ts';
import type { MeshModel } from './model.ts';
import type { HopKind, PredictedCase } from './prediction.ts';
import { type Asked, throughWaypoint } from './waypoint.ts';
import type { Way } from './ways.ts';

/** What somebody sends: `target` is what the application dials. */
export type Call = { readonly target: SocketAddress; readonly asked: Asked };

/** The cases of one way: more than one where a waypoint on it may send to several places. */
export function judge(model: MeshModel, caller: PredictedCaller, way: Way, call: Call): readonly PredictedCase[] {
  const { decision, from } = way;
  if (decision.kind === 'hbone' && decision.via === 'waypoint' && caller.membership.state !== 'cut-off') {
    return throughWaypoint(model, { caller, from }, decision, call);
  }
  return [judgeDirect(model, caller, way)];
}

function judgeDirect(model: MeshModel, caller: PredictedCaller, { decision, from }: Way): PredictedCase {
  if (caller.membership.state === 'cut-off') {
    const because = `the traffic of ${caller.name} is down: ${caller.membership.because}`;
    return ended(caller, 'denied', 'not-served', because, [hop('enrolment', because, 'stops')]);
  }
  switch (decision.kind) {
    case 'refuse':
      return refused(caller, decision);
    case 'passthrough':
      return leaves(caller, formatSocketAddress(decision.dial));
    case 'resolve':
      return byName(caller, decision);
    case 'tcp':
      return inPlaintext(model, { caller, from }, decision);
    case 'hbone':
      return throughTunnel(model, { caller, from }, decision);
    default:
      return decision satisfies never;
  }
}

/** What is at the end of a name is for DNS to say, when the connection is made. */
function byName(caller: PredictedCaller, { way }: Extract<OutboundDecision, { kind: 'resolve' }>): PredictedCase {
  const { destination, port, via, service } = way;
  const { hostname } = destination;
  if (via === 'plain') return leaves(caller, `${hostname}:${port}`);
  const because = `${nameOf(destination)} is only known as ${hostname}: what answers there is not predicted`;
  const end = ended(caller, 'unknown', 'hostname-not-resolved', because, [hop('endpoint', because, 'unclear')]);
  return { ...end, next: adviceFor({ end, caller, ...(service && { service }) }) };
}

/** Where the reader should look; for all others, at the endpoint. */
const STOPS_AT: Partial<Readonly<Record<RefuseReason, HopKind>>> = {
  'waypoint-not-resolved': 'waypoint',
  'identity-unknown': 'identity',
  'no-endpoint': 'service',
  'no-healthy-endpoint': 'service',
  'port-not-served': 'service',
};

function refused(
  caller: PredictedCaller,
  { reason, because: why, service }: Extract<OutboundDecision, { kind: 'refuse' }>,
): PredictedCase {
  const because = formatReason(why);
  const end = ended(caller, 'denied', reason, because, [hop(STOPS_AT[reason] ?? 'endpoint', because, 'stops')]);
  return { ...end, next: adviceFor({ end, caller, ...(service && { service }) }) };
}
