/** Turns what the DNS proxy tells into metrics and log lines, under the names that the reference has (ztunnel.md sections 7 and 8). */
import {
  bare,
  type CounterFamily,
  type HistogramFamily,
  type Logger,
  type Registry,
} from '../../core/telemetry/index.ts';
import type { Asking, DnsObserver, DropReason } from '../dns/index.ts';

export type DnsMetrics = {
  readonly requests: CounterFamily;
  readonly upstreamRequests: CounterFamily;
  readonly upstreamFailures: CounterFamily;
  readonly upstreamSeconds: HistogramFamily;
  readonly dropped: CounterFamily;
};

const LABELS = [
  'request_query_type',
  'request_protocol',
  'source_canonical_service',
  'source_canonical_revision',
] as const;
const SECONDS = [0.0005, 0.001, 0.01, 0.1, 1, 5];

export function dnsMetrics(registry: Registry): DnsMetrics {
  const name = (what: string) => `istio_dns_${what}`;
  return {
    requests: registry.counter(name('requests'), 'DNS questions of pods (unstable).', LABELS),
    upstreamRequests: registry.counter(
      name('upstream_requests'),
      'DNS questions passed on to other name servers (unstable).',
      LABELS,
    ),
    upstreamFailures: registry.counter(
      name('upstream_failures'),
      'DNS questions that other name servers did not answer with success (unstable).',
      LABELS,
    ),
    upstreamSeconds: registry.histogram(
      name('upstream_request_duration_seconds'),
      'How long other name servers took (unstable).',
      LABELS,
      SECONDS,
    ),
    dropped: registry.counter('ambit_dns_dropped', 'Messages that the DNS proxy did not serve (unstable).', ['reason']),
  };
}

/** What is counted by name; a pod may ask for any number, and none of the others gets a series of its own. */
const TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'a'],
  [2, 'ns'],
  [5, 'cname'],
  [6, 'soa'],
  [12, 'ptr'],
  [15, 'mx'],
  [16, 'txt'],
  [28, 'aaaa'],
  [33, 'srv'],
  [35, 'naptr'],
  [43, 'ds'],
  [46, 'rrsig'],
  [47, 'nsec'],
  [48, 'dnskey'],
  [52, 'tlsa'],
  [64, 'svcb'],
  [65, 'https'],
  [255, 'any'],
  [257, 'caa'],
]);

const typeName = (type: number): string => TYPES.get(type) ?? 'other';

export class DnsReporter implements DnsObserver {
  readonly #metrics: DnsMetrics;
  readonly #log: Logger;

  /** `log` is that of the program: queries go to the target `dns`. */
  constructor(metrics: DnsMetrics, log: Logger) {
    this.#metrics = metrics;
    this.#log = log.target('dns');
  }

  asked(asking: Asking): void {
    this.#metrics.requests.labels(labelsOf(asking)).inc();
  }

  forwarded(asking: Asking, { failed, seconds }: { readonly failed: boolean; readonly seconds: number }): void {
    const labels = labelsOf(asking);
    this.#metrics.upstreamRequests.labels(labels).inc();
    if (failed) this.#metrics.upstreamFailures.labels(labels).inc();
    this.#metrics.upstreamSeconds.labels(labels).observe(seconds);
  }

  answered(
    { query, client }: Asking,
    { result, endpoints }: { readonly result: string; readonly endpoints: number },
  ): void {
    if (!this.#log.enabled('debug')) return;
    this.#log.debug('dns query', {
      'src.workload': client?.name,
      'src.namespace': client?.namespace,
      query: bare(typeName(query.type).toUpperCase()),
      domain: query.name ?? '',
      result,
      endpoints,
    });
  }

  dropped(reason: DropReason): void {
    this.#metrics.dropped.labels([reason]).inc();
  }

  warn(message: string, fields: Readonly<Record<string, string | number>>): void {
    this.#log.warn(message, fields);
  }
}

function labelsOf({ query, protocol, client }: Asking): readonly string[] {
  const or = (value: string | undefined) => (value === undefined || value === '' ? 'unknown' : value);
  return [typeName(query.type), protocol, or(client?.canonicalName), or(client?.canonicalRevision)];
}
