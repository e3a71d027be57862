/** Callers without a tunnel, captured on 15006: policy without an identity, and on to the application. */
import { newTraceId, tcpLeg } from '../../core/hbone/index.ts';
import type { TcpConnection } from '../../core/net/index.ts';
import {
  decideInboundPlaintext,
  formatReason,
  ILLEGAL_PORTS,
  type InboundDecision,
  type Workload,
} from '../../mesh/index.ts';
import type { ConnectionContext, ConnectionResult } from './observer.ts';
import { type Captured, captured, dropEarly, type Pod } from './pod.ts';
import { dialApplication } from './to-application.ts';

type Accepted = Extract<InboundDecision, { kind: 'accept' }>;

/** Serves one captured socket; settles when it is open, or dropped. Never rejects. */
export async function serveInboundPlaintext(pod: Pod, connection: TcpConnection): Promise<void> {
  const c = captured(connection);
  const { port } = c.dst;
  // Refused whoever the pod is: it needs no waiting for its record.
  if (ILLEGAL_PORTS.has(port)) return dropEarly(pod, 'inbound', c, formatReason({ code: 'own-port', port }));
  let local: Workload;
  try {
    local = await pod.live.starting((signal) => pod.deps.workloadReady(signal));
  } catch (error) {
    return dropEarly(pod, 'inbound', c, error instanceof Error ? error.message : String(error));
  }
  const decision = decideInboundPlaintext(pod.deps.view, { local, originalDst: c.dst });
  if (decision.kind === 'reject') return dropEarly(pod, 'inbound', c, formatReason(decision.because));
  await admit(pod, c, local, decision);
}

async function admit(pod: Pod, c: Captured, local: Workload, decision: Accepted): Promise<void> {
  // Tracked before policy is asked: a change in between still finds it.
  const live = pod.live.track(contextOf(pod, c, local, decision), { from: c.from, to: decision.target });
  const drop = (result: ConnectionResult) => {
    c.connection.reset();
    live.finish(result);
  };
  try {
    const admission = await pod.gate.admit(live, local);
    if (admission.verdict === 'deny') return drop({ error: admission.error, flags: 'DENY' });
    const down = tcpLeg(c.connection);
    const app = await dialApplication(pod, c.from, decision.target, () => live.signal);
    live.splice(down, tcpLeg(app));
  } catch (error) {
    drop({ error: error instanceof Error ? error.message : String(error), flags: 'CONNECT' });
  }
}

function contextOf(pod: Pod, c: Captured, local: Workload, decision: Accepted): ConnectionContext {
  const { view, network } = pod.deps;
  const caller = view.workloadByAddress(network, c.from.ip);
  return {
    id: newTraceId(),
    direction: 'inbound',
    reporter: 'destination',
    src: { addr: c.from, ...(caller && { workload: caller }) },
    dst: { addr: decision.target, workload: local },
    ...(decision.service && { service: decision.service }),
    protocol: 'TCP',
    securityPolicy: 'unknown',
  };
}
