/** One stream of a caller's tunnel: what it is for, what is spoken on it, and who serves it. */
import { type ConnectRequest, type Leg, relay } from '../core/hbone/index.ts';
import {
  HttpError,
  type HttpLimits,
  type HttpVersion,
  type Refusal,
  type ServerConnection,
  serveHttp1,
  serveHttp2,
} from '../core/http/index.ts';
import { serviceKey } from '../mesh/index.ts';
import { type Chains, NAME_UNSEEN, type Served, type TcpVerdict } from './chains.ts';
import { type ServerName, serverNameIn } from './client-hello.ts';
import { type Detected, detect, peek, type Seen } from './detect.ts';
import { dispatch } from './dispatch.ts';
import { type Called, Exchange, type Target } from './exchange.ts';
import { RECEIPT_HEADER } from './layers/authorize.ts';
import type { LiveStreams } from './live-streams.ts';
import type { ConnectionWatch } from './policy/watch.ts';
import { type Source, sourceOf } from './source.ts';
import type { Told } from './told.ts';
import { EndpointDenial } from './upstream/endpoint-denial.ts';
import type { Chosen, Endpoints } from './upstream/endpoints.ts';

export type ServeParts = {
  readonly told: Told;
  readonly chains: Chains;
  readonly endpoints: Endpoints;
  /** `version`: what will be spoken; undefined: whatever the caller speaks. */
  readonly dial: (chosen: Chosen, source: Source, version: HttpVersion | undefined) => Promise<Leg>;
  readonly live: LiveStreams;
  readonly limits: HttpLimits;
  readonly detectionTimeoutMs: number;
  readonly observer: StreamObserver;
  readonly watch: ConnectionWatch;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
};

/** How a connection that was carried as it is has ended. */
export type TcpOutcome = {
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  /** `NR`, `UF`, `UH`…, or ''. */
  readonly flags: string;
  readonly details: string;
  readonly to: Chosen | undefined;
};

export interface StreamObserver {
  /** A CONNECT that was not answered with 200. */
  refused(request: ConnectRequest, status: number, why: string): void;
  /** Told once for each connection, before it is closed; `to` is where it goes, if it got that far. */
  tcpOpened(source: Source, served: Served, to: Chosen | undefined): void;
  tcpClosed(source: Source, served: Served, outcome: TcpOutcome): void;
  /** A request that was no request. */
  malformed(source: Source, served: Served, refusal: Refusal): void;
}

/** Never rejects. */
export async function serveStream(parts: ServeParts, request: ConnectRequest): Promise<void> {
  const { told, observer, limits, detectionTimeoutMs } = parts;
  const refuse = (status: 400 | 401 | 503, why: string) => {
    request.refuse(status);
    observer.refused(request, status, why);
  };
  if (parts.live.isDraining) return refuse(503, 'the waypoint is stopping');
  if (!told.isTrusted(request.peer)) return refuse(401, `${request.peer} is of no trust domain of ours`);
  const served = dispatch(told, request.authority);
  if (served.kind === 'none') return refuse(served.status, served.why);
  const source = sourceOf(request);
  switch (protocolOf(served)) {
    case 'TCP':
    case 'TLS':
      return serveTcp(parts, source, served, { kind: 'unanswered', request });
    case 'UNKNOWN':
      return serveDetected(parts, source, served, await detect(request.respond(200), detectionTimeoutMs));
    default: {
      const detected = await detect(request.respond(200), limits.headMs || detectionTimeoutMs);
      if (detected !== undefined) serveHttp(parts, source, served, detected);
    }
  }
}

function protocolOf(served: Served) {
  return served.kind === 'service' ? served.protocol : 'UNKNOWN';
}

async function serveDetected(parts: ServeParts, source: Source, served: Served, detected: Detected | undefined) {
  if (detected === undefined) return;
  if (detected.spoken === 'TCP') await serveTcp(parts, source, served, { kind: 'answered', detected });
  else serveHttp(parts, source, served, detected);
}

/** Requests of one connection, each with what is known of its caller. */
function serveHttp(parts: ServeParts, source: Source, served: Served, { leg, spoken, first }: Detected): void {
  const { chains, limits, observer, now, live } = parts;
  const chain = chains.http(served);
  const called = calledOf(served);
  const target = targetOf(served);
  const options = {
    limits,
    handler: (request: Exchange['request']) => chain.rules.handle(new Exchange(request, source, called, target, now())),
    onRefused: (refusal: Refusal) => observer.malformed(source, served, refusal),
  };
  const connection: ServerConnection =
    spoken === 'HTTP/2' ? serveHttp2(leg, options, first) : serveHttp1(leg, options, first);
  live.add(connection, source.identity);
}

type Opening =
  /** The tunnel's stream waits for its answer. */
  | { readonly kind: 'unanswered'; readonly request: ConnectRequest }
  | { readonly kind: 'answered'; readonly detected: Detected };

async function serveTcp(parts: ServeParts, source: Source, served: Served, first: Opening): Promise<void> {
  const { told, chains, endpoints, observer, watch, now, dial, live } = parts;
  let opening = first;
  const startedAt = now();
  const counters = { sent: 0, received: 0 };
  let to: Chosen | undefined;
  let isCounted = false;
  const opened = () => {
    if (!isCounted) observer.tcpOpened(source, served, to);
    isCounted = true;
  };
  const finish = (flags: string, details: string) => {
    opened();
    if (to !== undefined) endpoints.done(to);
    const { received: bytesReceived, sent: bytesSent } = counters;
    const outcome = { bytesReceived, bytesSent, durationMs: now() - startedAt, flags, details, to };
    observer.tcpClosed(source, served, outcome);
  };
  const refuse = (status: 401 | 503, flags: string, details: string, receipt?: string) => {
    if (opening.kind === 'unanswered')
      opening.request.refuse(status, receipt === undefined ? {} : { [RECEIPT_HEADER]: receipt });
    else opening.detected.leg.reset('connect-error');
    finish(flags, details);
  };
  const chain = chains.tcp(served);
  let serverName: string | undefined;
  const looks = chain.rules.needsServerName;
  if (looks) {
    const seen = await peekServerName(opening, parts.detectionTimeoutMs);
    if (seen === undefined) return finish('DC', 'downstream_remote_disconnect');
    opening = { kind: 'answered', detected: { spoken: 'TCP', first: seen.first, leg: seen.leg } };
    serverName = seen.found.name;
  }
  const connection = { source, called: calledOf(served) };
  const seen = looks ? { serverName } : 'unseen';
  const pass = (verdict: TcpVerdict): boolean => {
    if (verdict.judged !== undefined) watch.connectionNoticed(connection, verdict.judged.decision);
    if (verdict.kind === 'deny') refuse(401, '', verdict.because, watch.connectionDenied(connection, verdict));
    return verdict.kind === 'allow';
  };
  if (!pass(chain.rules.admit(source, served, serverName))) return;
  const target = chain.rules.target(source, targetOf(served), serverName);
  if (target === undefined) return refuse(503, 'NR', 'filter_chain_not_found');
  if (!pass(chain.rules.admitTo(target, source, seen))) return;
  const denial = (): TcpVerdict | undefined => {
    const { rules } = chain;
    if (!told.isTrusted(source.identity)) return UNTRUSTED;
    if (rules.judgesServerName && !looks) return NAME_UNSEEN;
    const verdict = rules.admit(source, served, serverName);
    const last = verdict.kind === 'deny' ? verdict : rules.admitTo(target, source, seen);
    return last.kind === 'deny' ? last : undefined;
  };
  let up: Leg;
  try {
    to = endpoints.choose(target, { source, sent: [], serverName });
    up = await dial(to, source, undefined);
  } catch (error) {
    if (error instanceof EndpointDenial) return refuse(401, '', error.message, error.receipt);
    return refuse(503, flagsOf(error, to), error instanceof Error ? error.message : String(error));
  }
  const late = denial();
  if (late !== undefined) {
    up.reset('cancel'); // policies have changed meanwhile
    return refuse(401, 'LR', policyChanged(late), watch.connectionDenied(connection, late));
  }
  opened();
  const down = opening.kind === 'unanswered' ? opening.request.respond(200) : opening.detected.leg;
  if (opening.kind === 'answered' && opening.detected.first.length > 0) {
    counters.received += opening.detected.first.length;
    up.write(opening.detected.first);
  }
  let cutFor: string | undefined;
  const entry = live.addTcp({
    denial,
    cut: (denied) => {
      cutFor = denied === undefined ? 'drained' : policyChanged(denied);
      if (denied !== undefined) watch.connectionDenied(connection, denied);
      down.reset('cancel');
      up.reset('cancel');
    },
  });
  const ended = await relay(down, up, counters);
  entry[Symbol.dispose]();
  if (cutFor !== undefined) finish('LR', cutFor);
  else finish(ended === 'ended' ? '' : 'UC', ended === 'ended' ? '' : ended);
}

const UNTRUSTED: TcpVerdict = { kind: 'deny', because: 'the trust domain of the caller is not trusted any more' };

const policyChanged = ({ because }: TcpVerdict): string => `policy_changed{${because}}`;

function flagsOf(error: unknown, to: Chosen | undefined): string {
  if (to !== undefined) return 'UF';
  return error instanceof HttpError && error.detail === 'route_not_found' ? 'NR' : 'UH';
}

/** Where it goes hangs on its ClientHello: the tunnel is answered, and the first bytes are read. */
function peekServerName(opening: Opening, timeoutMs: number): Promise<Seen<ServerName> | undefined> {
  const none: ServerName = { name: undefined };
  if (opening.kind === 'unanswered') return peek(opening.request.respond(200), timeoutMs, serverNameIn, none);
  const { leg, first } = opening.detected; // of a connection that was looked at already, what it began with is all there is
  return Promise.resolve({ found: serverNameIn(first) ?? none, first, leg });
}

function calledOf(served: Served): Called {
  if (served.kind === 'workload') {
    const { workload, dialled } = served;
    return { kind: 'workload', service: undefined, workload, port: dialled.port, ip: dialled.ip };
  }
  const { service, port, dialled } = served;
  return { kind: 'service', service, workload: undefined, port, ip: dialled?.ip };
}

function targetOf(served: Served): Target {
  if (served.kind === 'workload') return { kind: 'workload', uid: served.workload.uid, port: served.dialled.port };
  return { kind: 'service', service: serviceKey(served.service), port: served.port };
}
