/** What is known of a request, a connection or a refused head when it is over: what log lines and taps are made of. */
import type { HeaderFields, Refusal } from '../../core/http/index.ts';
import { formatSocketAddress, serviceKey } from '../../mesh/index.ts';
import type { Served } from '../chains.ts';
import type { Exchange, SentTo } from '../exchange.ts';
import type { Outcome } from '../layers/observe.ts';
import type { TcpOutcome } from '../serve.ts';
import type { Source } from '../source.ts';
import { namesOf } from './service-names.ts';

/** Undefined: there is no such thing, or nobody knows it. Times in milliseconds; `at` is of the wall clock. */
export type Entry = {
  readonly at: number;
  readonly source: Source;
  readonly method?: string | undefined;
  /** As it was received, with its query. */
  readonly path?: string | undefined;
  readonly authority?: string | undefined;
  readonly protocol?: string | undefined;
  /** 0: there was no answer. */
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  /** Why no endpoint could be connected to. */
  readonly unreached?: string | undefined;
  /** Why the connection was cut, or what broke it. */
  readonly terminated?: string | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  /** From the last attempt to the head of its answer. */
  readonly upstreamMs?: number | undefined;
  /** `namespace/hostname`. */
  readonly service?: string | undefined;
  readonly port: number;
  /** What was called, where a route has led to another service. */
  readonly called?: { readonly service: string; readonly port: number } | undefined;
  readonly endpoint?: SentTo | undefined;
  /** What the caller dialled. */
  readonly dialled?: string | undefined;
  readonly route?: string | undefined;
  readonly because?: string | undefined;
  readonly receipt?: string | undefined;
  readonly traceId?: string | undefined;
  readonly grpcStatus?: string | undefined;
  readonly scheme?: string | undefined;
  /** A field of the request. */
  readonly header: (name: string) => string | undefined;
  /** All of them. */
  readonly headers?: HeaderFields | undefined;
  readonly answer?: { readonly headers: HeaderFields; readonly trailers: HeaderFields | undefined } | undefined;
};

const VIA_UPSTREAM = 'via_upstream';

/** What nobody further in could know: the caller left, or the upstream broke off. */
export function settle(x: Exchange, { error }: Pick<Outcome, 'error'>): void {
  if (x.flags === '' && x.aborted !== undefined) {
    x.flags = 'DC';
    x.details = 'downstream_remote_disconnect';
  } else if (x.flags === '' && error !== undefined) {
    x.flags = error.kind === 'reset' ? 'UR' : error.kind === 'timeout' ? 'UT' : 'UC';
    x.details = `upstream_reset_after_response_started{${error.kind}}`;
  }
  if (x.details === '') x.details = VIA_UPSTREAM;
}

/** Nobody got an answer from a request that its caller gave up before there was one. */
export function statusOf(x: Exchange, { status }: Pick<Outcome, 'status'>): number {
  return x.flags === 'DC' && x.aborted !== undefined && status >= 500 ? 0 : status;
}

export function serviceOfExchange({ target, called }: Exchange): string | undefined {
  return target.kind === 'service' ? target.service : called.service && serviceKey(called.service);
}

function otherCalled({ target, called }: Exchange): Entry['called'] {
  const service = called.service && serviceKey(called.service);
  const isOther = service !== undefined && target.kind === 'service' && target.service !== service;
  return isOther ? { service, port: called.port } : undefined;
}

export function entryOfRequest(x: Exchange, o: Outcome, at: number): Entry {
  const { request, called, source } = x;
  const endpoint = x.sent.at(-1);
  return {
    at: at - o.durationMs,
    source,
    method: request.method,
    path: x.askedTarget,
    authority: x.askedAuthority,
    protocol: request.version,
    status: statusOf(x, o),
    flags: x.flags,
    details: x.details,
    unreached: x.failure || undefined,
    bytesReceived: o.bytesReceived,
    bytesSent: o.bytesSent,
    durationMs: o.durationMs,
    upstreamMs: endpoint === undefined ? undefined : Math.max(0, x.startedAt + o.headMs - x.sentAt),
    service: serviceOfExchange(x),
    port: x.target.port,
    called: otherCalled(x),
    endpoint,
    dialled: called.ip === undefined ? undefined : formatSocketAddress({ ip: called.ip, port: called.port }),
    route: x.routeName,
    because: x.because || undefined,
    receipt: x.receipt,
    traceId: x.trace?.traceId ?? source.traceId,
    grpcStatus: o.grpcStatus,
    scheme: request.scheme,
    header: (name) => request.headers.get(name),
    headers: request.headers,
    answer: o,
  };
}

const NO_HEADER = () => undefined;

/** Of a connection there is no method and no status. */
export function entryOfConnection(source: Source, served: Served, o: TcpOutcome, at: number): Entry {
  return {
    ...placeOf(served),
    at: at - o.durationMs,
    source,
    status: 0,
    flags: o.flags,
    details: '',
    terminated: o.details || undefined,
    unreached: o.flags === 'UF' ? o.details : undefined,
    bytesReceived: o.bytesReceived,
    bytesSent: o.bytesSent,
    durationMs: o.durationMs,
    endpoint: o.to && { workload: o.to.candidate.workload, port: o.to.candidate.targetPort },
    traceId: source.traceId,
    header: NO_HEADER,
  };
}

/** What was no request; the little of it that could be read. */
export function entryOfRefusal(source: Source, served: Served, refusal: Refusal, at: number): Entry {
  const { status, error, method, target, authority } = refusal;
  return {
    ...placeOf(served),
    at,
    source,
    method,
    path: target,
    authority,
    status,
    flags: error.kind === 'malformed' ? 'DPE' : '',
    details: error.detail,
    terminated: error.message,
    bytesReceived: 0,
    bytesSent: 0,
    durationMs: 0,
    traceId: source.traceId,
    header: NO_HEADER,
  };
}

function placeOf(served: Served): Pick<Entry, 'service' | 'port' | 'dialled'> {
  const dialled = served.dialled && formatSocketAddress(served.dialled);
  if (served.kind === 'workload') return { port: served.dialled.port, dialled };
  return { service: serviceKey(served.service), port: served.port, dialled };
}

/** The name of the group of endpoints that a request is for, as the reference calls it. */
export function clusterOf({ service, port, method }: Entry): string {
  if (service === undefined) return 'encap';
  return `inbound-vip|${port}|${method === undefined ? 'tcp' : 'http'}|${namesOf(service).hostname}`;
}

export function endpointOf({ endpoint }: Pick<Entry, 'endpoint'>): string | undefined {
  if (endpoint === undefined) return undefined;
  const { workload, port } = endpoint;
  const [ip] = workload.addresses;
  return ip === undefined ? `${workload.hostname || workload.name}:${port}` : formatSocketAddress({ ip, port });
}
