/** Labels of the standard metrics (waypoint.md section 5.2): what is known of both ends, in the order in which it is printed. */
import { type SpiffeId, spiffeId, type Workload } from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import { namesOf } from './service-names.ts';

const SOURCE = [
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
] as const;
const DESTINATION = [
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
] as const;

export const REQUEST_LABELS: readonly string[] = [
  'reporter',
  ...SOURCE,
  ...DESTINATION,
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
];
export const TCP_LABELS: readonly string[] = REQUEST_LABELS.filter(
  (name) => name !== 'response_code' && name !== 'grpc_response_status',
);

const REPORTER = 'waypoint';
/** Nobody reaches a waypoint otherwise. */
const SECURITY = 'mutual_tls';
const UNKNOWN = 'unknown';
/** Of a workload that says no revision. */
const LATEST = 'latest';

const or = (value: string | undefined, otherwise = UNKNOWN): string =>
  value === undefined || value === '' ? otherwise : value;

/** Identity and namespace are proven; the rest is what the tunnel said of its caller, good for telemetry only. */
export function sourceLabels({ identity, parts, baggage }: Pick<Source, 'identity' | 'parts' | 'baggage'>): string[] {
  return [
    or(baggage?.workloadName),
    or(baggage?.serviceName),
    or(baggage?.revision, LATEST),
    parts.namespace,
    identity,
    or(baggage?.serviceName ?? baggage?.workloadName),
    or(baggage?.revision),
    or(baggage?.clusterId),
  ];
}

/** `service` is `namespace/hostname`; undefined: it was called by its own address. No workload: nothing was chosen. */
export function destinationLabels(workload: Workload | undefined, service: string | undefined): string[] {
  const { hostname, name, namespace } = namesOf(service);
  return [
    or(workload?.workloadName),
    or(workload?.namespace),
    or(workload && principalOf(workload)),
    or(workload?.canonicalName),
    or(workload?.canonicalRevision),
    or(hostname),
    or(workload?.canonicalName),
    or(workload?.canonicalRevision, LATEST),
    or(name),
    or(namespace),
    or(workload?.clusterId),
  ];
}

export type RequestEnd = {
  readonly isGrpc: boolean;
  readonly status: number;
  /** As the answer had it; only what a status can be becomes a label. */
  readonly grpcStatus: string | undefined;
  readonly flags: string;
};

export function requestLabels(
  source: readonly string[],
  destination: readonly string[],
  { isGrpc, status, grpcStatus, flags }: RequestEnd,
): string[] {
  return [
    REPORTER,
    ...source,
    ...destination,
    isGrpc ? 'grpc' : 'http',
    String(status),
    isGrpc ? grpcLabel(grpcStatus) : '',
    or(flags, '-'),
    SECURITY,
  ];
}

export function tcpLabels(source: readonly string[], destination: readonly string[], flags: string): string[] {
  return [REPORTER, ...source, ...destination, 'tcp', or(flags, '-'), SECURITY];
}

/** An endpoint writes it: a number from 0 to 16, or nothing that a series may be named after. */
export function grpcCode(status: string | undefined): number | undefined {
  return status !== undefined && /^(\d|1[0-6])$/.test(status) ? Number(status) : undefined;
}

function grpcLabel(status: string | undefined): string {
  const code = grpcCode(status);
  return code === undefined ? UNKNOWN : String(code);
}

export function principalOf(w: Pick<Workload, 'trustDomain' | 'namespace' | 'serviceAccount'>): SpiffeId {
  return spiffeId(w.trustDomain, w.namespace, w.serviceAccount);
}
