/** One request as a span, in the JSON form of OTLP (opentelemetry-proto, `opentelemetry.proto.trace.v1`). */
import type { CustomTag } from '../../mesh/index.ts';
import { clusterOf, type Entry } from '../observe/entry.ts';
import { namesOf } from '../observe/service-names.ts';

/** What of a request is known to its trace; made when it comes, and only where there is somebody to trace for. */
export type Trace = {
  readonly traceId: string;
  /** Of our own span. */
  readonly spanId: string;
  /** The span that called us; undefined: the trace begins here. */
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
  readonly tracestate: string | undefined;
};

export type Attribute = {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
};

export type OtlpSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
};

const SERVER = 2;
const ERROR = 2;
/** Peers write them. */
const MOST_CHARACTERS = 256;
const MAX_TAGS = 64;

export type SpanTags = { readonly istio: boolean; readonly custom: readonly CustomTag[] };
export type Environment = (name: string) => string | undefined;

export function spanOf(entry: Entry, trace: Trace, tags: SpanTags, env: Environment): OtlpSpan {
  const { hostname } = namesOf(entry.service);
  return {
    traceId: trace.traceId,
    spanId: trace.spanId,
    ...(trace.parentId !== undefined && { parentSpanId: trace.parentId }),
    ...(trace.tracestate !== undefined && { traceState: trace.tracestate }),
    name: `${hostname ?? entry.authority ?? 'unknown'}:${entry.port}/*`,
    kind: SERVER,
    startTimeUnixNano: nanos(entry.at),
    endTimeUnixNano: nanos(entry.at + entry.durationMs),
    attributes: [
      ...attributes(httpTags(entry)),
      ...(tags.istio ? attributes(istioTags(entry)) : []),
      ...attributes(tags.custom.slice(0, MAX_TAGS).map((tag) => [tag.name, tagValue(tag, entry, env)] as const)),
    ],
    status: entry.status === 0 || entry.status >= 500 ? { code: ERROR } : {},
  };
}

type Tag = readonly [key: string, value: string | number | undefined];

function httpTags(entry: Entry): readonly Tag[] {
  const { authority = '', path = '' } = entry;
  return [
    ['http.url', `http://${authority}${path}`],
    ['http.method', entry.method],
    ['http.status_code', entry.status],
    ['http.protocol', entry.protocol],
    ['user_agent', entry.header('user-agent')],
    ['guid:x-request-id', entry.header('x-request-id')],
    ['request_size', entry.bytesReceived],
    ['response_size', entry.bytesSent],
    ['response_flags', entry.flags || '-'],
    ['component', 'proxy'],
    ['peer.address', entry.source.ip],
    ['upstream_cluster', clusterOf(entry)],
    ['grpc.status_code', entry.grpcStatus],
  ];
}

function istioTags({ source, endpoint, service }: Entry): readonly Tag[] {
  const { baggage, parts } = source;
  const workload = endpoint?.workload;
  return [
    ['istio.source_workload', baggage?.workloadName],
    ['istio.source_namespace', parts.namespace],
    ['istio.source_cluster_id', baggage?.clusterId],
    ['istio.source_canonical_service', baggage?.serviceName],
    ['istio.source_canonical_revision', baggage?.revision],
    ['istio.source_app', baggage?.serviceName],
    ['istio.source_app_version', baggage?.revision],
    ['istio.source_workload_type', baggage?.workloadType?.toLowerCase()],
    ['istio.destination_workload', workload?.workloadName],
    ['istio.destination_namespace', workload?.namespace ?? namesOf(service).namespace],
    ['istio.destination_cluster_id', workload?.clusterId],
    ['istio.destination_canonical_service', workload?.canonicalName],
    ['istio.destination_canonical_revision', workload?.canonicalRevision],
    ['istio.destination_app', workload?.canonicalName],
    ['istio.destination_app_version', workload?.canonicalRevision],
    ['istio.destination_workload_type', workload?.workloadType.toLowerCase()],
    ['istio.destination_instance_name', workload?.name],
  ];
}

function tagValue({ kind, value, defaultValue }: CustomTag, entry: Entry, env: Environment): string | undefined {
  switch (kind) {
    case 'LITERAL':
      return value;
    case 'HEADER':
      return entry.header(value.toLowerCase()) ?? (defaultValue || undefined);
    case 'ENVIRONMENT':
      return env(value) ?? (defaultValue || undefined);
    default:
      return kind satisfies never;
  }
}

export function attributes(tags: readonly Tag[]): readonly Attribute[] {
  return tags.flatMap(([key, value]): readonly Attribute[] => {
    if (value === undefined || value === '') return [];
    if (typeof value === 'number') return [{ key, value: { intValue: String(value) } }];
    return [{ key, value: { stringValue: value.slice(0, MOST_CHARACTERS) } }];
  });
}

/** Milliseconds since 1970, with a fraction, as the format wants it. */
function nanos(ms: number): string {
  return String(BigInt(Math.round(ms * 1_000)) * 1_000n);
}
