/** From the application outwards: captured on 15001, decided by the view, carried by a tunnel or plain TCP. */
import {
  connectInProcess,
  formatBaggage,
  formatForwarded,
  formatTraceparent,
  HboneError,
  type Leg,
  newTraceId,
  tcpLeg,
} from '../../core/hbone/index.ts';
import type { TcpConnection } from '../../core/net/index.ts';
import {
  decideOutbound,
  formatReason,
  formatSocketAddress,
  ILLEGAL_PORTS,
  MeshError,
  type OutboundDecision,
  type OutboundFlow,
  resolved,
  type SpiffeId,
  spiffeId,
  type Workload,
} from '../../mesh/index.ts';
import type { LiveConnection } from './live-connection.ts';
import type { ConnectionContext, ConnectionResult } from './observer.ts';
import { type Captured, captured, dialFromPod, dropEarly, identityOf, materialOf, type Pod } from './pod.ts';
import type { ShortWay } from './same-node.ts';

type Route = Exclude<OutboundDecision, { kind: 'refuse' | 'resolve' }>;
type Tunnelled = Extract<OutboundDecision, { kind: 'hbone' }>;

/** Serves one captured socket; settles when it is open, or failed. Never rejects: what becomes of a connection is told to its observer. */
export async function serveOutbound(pod: Pod, connection: TcpConnection): Promise<void> {
  const c = captured(connection);
  // Dialled, not redirected: relaying it would lead back here for ever.
  if (!c.wasRedirected && ILLEGAL_PORTS.has(c.dst.port)) {
    return dropEarly(pod, 'outbound', c, `port ${c.dst.port} is the proxy's own`);
  }
  try {
    const { source, route } = await pod.live.starting(async (signal) => {
      const workload = await pod.deps.workloadReady(signal);
      signal.throwIfAborted();
      const flow = { source: workload, from: c.from, originalDst: c.dst };
      return { source: workload, route: await routeOf(pod, flow, signal) };
    });
    if (route.kind === 'refuse')
      return dropEarly(pod, 'outbound', c, `${route.reason}: ${formatReason(route.because)}`);
    await carry(pod, c, source, route);
  } catch (error) {
    dropEarly(pod, 'outbound', c, messageOf(error));
  }
}

async function routeOf(pod: Pod, flow: OutboundFlow, signal: AbortSignal) {
  const { view, random, hostnames, observe } = pod.deps;
  const decision = decideOutbound(view, flow, random);
  if (decision.kind !== 'resolve') return decision;
  observe.hostnameAsked(flow.source, decision.hostname);
  return resolved(decision, await hostnames.resolve(decision.hostname, signal), random);
}

async function carry(pod: Pod, c: Captured, source: Workload, route: Route): Promise<void> {
  const context = contextOf(pod, c, source, route);
  const live = pod.live.track(context);
  let down: Leg;
  let up: Leg;
  try {
    down = tcpLeg(c.connection);
    up = route.kind === 'hbone' ? await tunnel(pod, c, source, route, live) : await plain(pod, route, live);
  } catch (error) {
    c.connection.reset();
    live.finish(failure(error));
    return;
  }
  live.splice(down, up);
}

async function plain(pod: Pod, route: Route, live: LiveConnection): Promise<Leg> {
  return tcpLeg(await dialFromPod(pod, route.dial, { signal: () => live.signal }));
}

async function tunnel(pod: Pod, c: Captured, source: Workload, route: Tunnelled, live: LiveConnection): Promise<Leg> {
  const headers = {
    baggage: formatBaggage(source),
    forwarded: formatForwarded(c.from, route.service?.hostname),
    traceparent: formatTraceparent(live.context.id),
  };
  const way = await pod.shortWays.to(source, route);
  if (way !== undefined) return direct(way, identityOf(pod, source), route, headers, live);
  const material = await materialOf(pod, source, live.signal).catch((cause: unknown) => {
    throw new HboneError('MATERIAL_UNAVAILABLE', `no certificate for ${identityOf(pod, source)}`, { cause });
  });
  const { leg, firstBytes, revoked } = await pod.client.open({
    dial: route.dial,
    source: material,
    expected: route.expectedIdentities,
    authority: route.authority,
    headers,
    // Others may share this connection: it ends with the pod, not with the one who came first.
    connect: () => dialFromPod(pod, route.dial, { signal: pod.gone }),
    // ztunnel.md section 3.6
    poolKey: [
      material.identity,
      [...route.expectedIdentities].sort().join(','),
      formatSocketAddress(route.dial),
      c.from.ip,
    ].join('|'),
    first: () => c.connection.peek(),
    signal: live.signal,
  });
  if (firstBytes > 0) {
    if (!c.connection.skip(firstBytes)) {
      leg.reset('cancel'); // else what the peer has already would come a second time
      throw new HboneError('TUNNEL_CLOSED', 'the caller broke off while its tunnel was opened');
    }
    live.carried(firstBytes);
  }
  live.cutWhenRevoked(revoked);
  return leg;
}

/** The same CONNECT, answered by the other pod's proxy in this process. */
async function direct(
  way: ShortWay,
  source: SpiffeId,
  route: Tunnelled,
  headers: Readonly<Record<string, string>>,
  live: LiveConnection,
): Promise<Leg> {
  const release = way.hold((reason) =>
    live.cut({ reason: new MeshError('NETWORK_POLICY', reason), flags: 'NETWORK_POLICY' }),
  );
  live.cutWhenRevoked(way.revoked);
  try {
    const { dial, authority } = route;
    const call = {
      source,
      destination: way.identity,
      from: way.from,
      to: dial,
      authority,
      headers,
      signal: live.signal,
      revoked: way.revoked,
    };
    const { leg } = await connectInProcess(call, (request) => way.destination.serve(request));
    void leg.closed.then(release);
    return leg;
  } catch (error) {
    release();
    throw error;
  }
}

function contextOf(pod: Pod, c: Captured, source: Workload, route: Route): ConnectionContext {
  const isTunnel = route.kind === 'hbone';
  const destination = route.kind === 'passthrough' ? undefined : route.destination;
  const service = route.kind === 'passthrough' ? undefined : route.service;
  return {
    id: newTraceId(),
    direction: 'outbound',
    reporter: 'source',
    src: { addr: c.from, workload: source, ...(isTunnel && { identity: identityOf(pod, source) }) },
    dst: {
      addr: route.dial,
      ...(destination && { workload: destination }),
      ...(isTunnel && { identity: workloadIdentity(route.destination, route.expectedIdentities) }),
    },
    ...(isTunnel && { hboneAddr: route.authority }),
    ...(service && { service }),
    originalDst: formatSocketAddress(c.dst),
    protocol: isTunnel ? 'HBONE' : 'TCP',
    securityPolicy: isTunnel ? 'mutual_tls' : 'unknown',
  };
}

/** The destination's own identity if it is among the expected ones: it is what the label means. */
function workloadIdentity(destination: Workload, expected: readonly SpiffeId[]): SpiffeId {
  const own = spiffeId(destination.trustDomain, destination.namespace, destination.serviceAccount);
  return expected.includes(own) ? own : (expected[0] ?? own);
}

/** ztunnel.md section 8.1: what a failed attempt is called in the metrics. */
function failure(error: unknown): ConnectionResult {
  if (!(error instanceof HboneError)) return { error: messageOf(error), flags: 'CONNECT' };
  if (error.code === 'MATERIAL_UNAVAILABLE') return { error: messageOf(error), flags: 'IDENTITY_ERROR' };
  if (error.code === 'REVOKED') return { error: messageOf(error), flags: 'CERT_REVOKED' };
  if (error.code === 'CONNECT_REFUSED') {
    const receipt = error.headers?.get('ambit-receipt');
    const more = receipt === undefined ? '' : ` (receipt ${receipt.slice(0, 64)})`;
    return { error: `http status: ${error.status} ${STATUS_TEXT[error.status ?? 0] ?? ''}${more}`, flags: 'CONNECT' };
  }
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  if (error.code === 'DIAL_FAILED' && cause?.code === 'ETIMEDOUT') {
    return {
      error: `${messageOf(error)}, maybe a NetworkPolicy is blocking HBONE port 15008`,
      flags: 'NETWORK_POLICY',
    };
  }
  return { error: messageOf(error), flags: 'CONNECT' };
}

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  503: 'Service Unavailable',
};

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
