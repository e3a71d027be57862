/** Streams of peers' tunnels on 15008: authority, policy, and on to the application. */
import {
  type ConnectRequest,
  formatBaggage,
  forwardedHost,
  parseBaggage,
  tcpLeg,
  traceIdOf,
} from '../../core/hbone/index.ts';
import type { TcpConnection } from '../../core/net/index.ts';
import {
  decideInboundHbone,
  formatReason,
  type InboundDecision,
  judgeSource,
  type OriginalCaller,
  SOURCE_HEADER,
  type Workload,
} from '../../mesh/index.ts';
import { type LinkedAborts, linkAborts } from './link-aborts.ts';
import type { LiveConnection } from './live-connection.ts';
import type { ConnectionContext } from './observer.ts';
import { identityOf, type Pod } from './pod.ts';
import { proxyHeader } from './proxy-header.ts';
import { dialApplication, dialOverLoopback } from './to-application.ts';

type Accepted = Extract<InboundDecision, { kind: 'accept' }>;

/** Serves one CONNECT; settles when it is open, or refused. Whatever goes wrong before the answer is an answer. */
export async function serveInboundHbone(pod: Pod, req: ConnectRequest): Promise<void> {
  const { deps } = pod;
  const refuseEarly = (status: 400 | 503, error: string) => {
    req.refuse(status);
    deps.observe.earlyDeny({ direction: 'inbound', src: req.from, dst: req.to, error });
  };
  // One tunnel carries hundreds of streams, and each becomes a socket to the application.
  if (pod.live.size >= deps.config.maxConnections) return refuseEarly(503, 'the pod has too many connections');
  let local: Workload;
  try {
    local = await pod.live.starting((signal) => deps.workloadReady(signal));
  } catch (error) {
    return refuseEarly(503, error instanceof Error ? error.message : String(error));
  }
  const host = forwardedHost(req.headers.get('forwarded'));
  const decision = decideInboundHbone(deps.view, {
    local,
    connectionDst: req.to,
    authority: req.authority,
    ...(host !== undefined && { forwardedHost: host }),
  });
  if (decision.kind === 'reject') return refuseEarly(decision.status, formatReason(decision.because));
  const said = req.headers.get(SOURCE_HEADER);
  const claim = said === undefined ? undefined : judgeSource(deps.view, local, req.peer, said);
  // Whom it calls for can not be known, and so not whether that one may.
  if (claim?.kind === 'unreadable')
    return refuseEarly(400, `waypoint ${req.peer} sent an ${SOURCE_HEADER} that can not be read`);
  if (claim?.kind === 'dropped') deps.observe.sourceHeaderDropped(req.peer);
  const original = claim?.kind === 'believed' ? claim.original : undefined;
  await admit(pod, req, local, { decision, host, original });
}

/** What a request amounts to, before policy is asked. */
type Asked = {
  readonly decision: Accepted;
  /** That of the `forwarded` header. */
  readonly host: string | undefined;
  readonly original: OriginalCaller | undefined;
};

async function admit(pod: Pod, req: ConnectRequest, local: Workload, asked: Asked): Promise<void> {
  const { decision, original } = asked;
  const facts = { source: req.peer, from: req.from, to: decision.target, ...(original && { original }) };
  // Tracked before policy is asked: a change in between still finds it.
  const live = pod.live.track(contextOf(pod, req, local, asked), facts);
  live.cutWhenRevoked(req.revoked);
  try {
    const admission = await pod.gate.admit(live, local);
    if (admission.verdict === 'deny') {
      req.refuse(401, pod.deps.config.receiptHeader ? { 'ambit-receipt': admission.receipt } : {});
      live.finish({ error: admission.error, flags: 'DENY' });
      return;
    }
  } catch (error) {
    req.refuse(live.wasCut?.flags === 'DENY' ? 401 : 503);
    live.finish({ error: String(error), flags: '-' });
    return;
  }
  const app = await reach(pod, req, decision, live);
  if (app === undefined) return;
  const headers = pod.deps.config.responseBaggage ? { baggage: formatBaggage(local) } : {};
  const down = req.respond(200, headers);
  const up = tcpLeg(app);
  if (decision.proxyDestination) up.write(proxyHeader(req.from, decision.proxyDestination, req.peer));
  live.splice(down, up);
}

/** The connection to the application; undefined when there is none, which then is told and answered. */
async function reach(
  pod: Pod,
  req: ConnectRequest,
  decision: Accepted,
  live: LiveConnection,
): Promise<TcpConnection | undefined> {
  const { target, proxyDestination } = decision;
  let aborts: LinkedAborts | undefined; // most applications answer before anybody could change their mind
  const signal = () => {
    aborts ??= linkAborts(live.signal, req.closed);
    return aborts.signal;
  };
  const isGivenUp = () => live.wasCut !== undefined || req.isClosed;
  try {
    if (isGivenUp()) throw signal().reason;
    const overLoopback = proxyDestination !== undefined && pod.deps.config.localhostAppTunnel;
    const app = await (overLoopback
      ? dialOverLoopback(pod, target, signal)
      : dialApplication(pod, req.from, target, signal));
    if (!isGivenUp()) return app;
    app.reset();
    throw signal().reason;
  } catch (error) {
    // A revocation may have landed while we dialled.
    req.refuse(live.wasCut?.flags === 'DENY' ? 401 : 503);
    live.finish({ error: error instanceof Error ? error.message : String(error), flags: 'CONNECT' });
    return undefined;
  } finally {
    aborts?.[Symbol.dispose]();
  }
}

function contextOf(pod: Pod, req: ConnectRequest, local: Workload, asked: Asked): ConnectionContext {
  const { decision, host, original } = asked;
  const { view, network, config } = pod.deps;
  const caller = view.workloadByAddress(network, req.from.ip);
  const baggage = config.responseBaggage ? parseBaggage(req.headers.get('baggage')) : undefined;
  return {
    id: traceIdOf(req.headers.get('traceparent')),
    direction: 'inbound',
    reporter: 'destination',
    src: { addr: req.from, identity: req.peer, ...(caller && { workload: caller }), ...(baggage && { baggage }) },
    dst: { addr: req.to, workload: local, identity: identityOf(pod, local) },
    ...(original && { original }),
    hboneAddr: req.authority,
    ...(decision.service && { service: decision.service }),
    ...(host !== undefined && { originalDst: host }),
    protocol: 'HBONE',
    securityPolicy: 'mutual_tls',
  };
}
