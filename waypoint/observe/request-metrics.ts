/**
 * Requests as numbers. Which series a request counts in is worked out once for each combination of what may differ, and found
 * again by a few lookups: no text is put together for a request.
 */
import type {
  Counter,
  CounterFamily,
  Family,
  Histogram,
  HistogramFamily,
  Registry,
} from '../../core/telemetry/index.ts';
import type { MetricName, Workload } from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import { destinationLabels, grpcCode, REQUEST_LABELS, type RequestEnd, requestLabels, sourceLabels } from './labels.ts';
import { EVERYTHING, type MetricRules } from './metric-rules.ts';

/** Upper bounds that dashboards of the reference expect, of milliseconds and of bytes alike. */
const BOUNDS = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];
/** Combinations that are remembered; then all are forgotten and found again, which costs some text each. */
const MOST_REMEMBERED = 8_192;

export type RequestSample = RequestEnd & {
  readonly source: Source;
  /** Who answered; undefined: we did. */
  readonly workload: Workload | undefined;
  /** `namespace/hostname`. */
  readonly service: string | undefined;
  readonly durationMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly requestMessages: number;
  readonly responseMessages: number;
};

type RequestSeries = {
  readonly count: Counter | undefined;
  readonly duration: Histogram | undefined;
  readonly received: Histogram | undefined;
  readonly sent: Histogram | undefined;
  readonly requestMessages: Counter | undefined;
  readonly responseMessages: Counter | undefined;
};

export type RequestFamilies = {
  readonly count: CounterFamily;
  readonly duration: HistogramFamily;
  readonly received: HistogramFamily;
  readonly sent: HistogramFamily;
  readonly requestMessages: CounterFamily;
  readonly responseMessages: CounterFamily;
};

export function requestFamilies(registry: Registry): RequestFamilies {
  const histogram = (name: string, help: string) => registry.histogram(name, help, REQUEST_LABELS, BOUNDS);
  const counter = (name: string, help: string) => registry.counter(name, help, REQUEST_LABELS);
  return {
    count: counter('istio_requests', 'Requests.'),
    duration: histogram('istio_request_duration_milliseconds', 'Time until a request was over.'),
    received: histogram('istio_request_bytes', 'Bytes of the bodies of requests.'),
    sent: histogram('istio_response_bytes', 'Bytes of the bodies of responses.'),
    requestMessages: counter('istio_request_messages', 'Messages that gRPC clients sent.'),
    responseMessages: counter('istio_response_messages', 'Messages that gRPC servers sent.'),
  };
}

type ByOutcome = Map<string, Map<number, RequestSeries>>;
type BySource = Map<string, Map<Workload | undefined, ByOutcome>>;

export class RequestMetrics {
  readonly #families: RequestFamilies;
  readonly #rules: MetricRules;
  #remembered = new WeakMap<Source, BySource>();
  #alike = new Map<string, BySource>();
  #size = 0;

  constructor(families: RequestFamilies, rules: MetricRules = EVERYTHING) {
    this.#families = families;
    this.#rules = rules;
  }

  add(sample: RequestSample): void {
    const series = this.#seriesOf(sample);
    series.count?.inc();
    series.duration?.observe(sample.durationMs);
    series.received?.observe(sample.bytesReceived);
    series.sent?.observe(sample.bytesSent);
    series.requestMessages?.inc(sample.requestMessages);
    series.responseMessages?.inc(sample.responseMessages);
  }

  #seriesOf(sample: RequestSample): RequestSeries {
    const { service = '', workload, flags } = sample;
    let bySource = this.#remembered.get(sample.source);
    if (bySource === undefined) {
      bySource = this.#alikeOf(sample.source);
      this.#remembered.set(sample.source, bySource);
    }
    const byWorkload = within(bySource, service);
    const byFlags = within(byWorkload, workload);
    const byCode = within(byFlags, flags);
    const code = codeOf(sample);
    let series = byCode.get(code);
    if (series === undefined) {
      series = this.#resolve(sample);
      byCode.set(code, series);
      this.#size += 1;
      if (this.#size > MOST_REMEMBERED) this.#forget();
    }
    return series;
  }

  /** Streams of callers that can not be told apart share what is remembered. */
  #alikeOf(source: Source): BySource {
    const text = sourceLabels(source).join('\n');
    const known = this.#alike.get(text);
    if (known !== undefined) return known;
    const fresh: BySource = new Map();
    if (this.#alike.size >= MOST_REMEMBERED) this.#forget();
    this.#alike.set(text, fresh);
    return fresh;
  }

  #forget(): void {
    this.#remembered = new WeakMap();
    this.#alike = new Map();
    this.#size = 0;
  }

  #resolve(sample: RequestSample): RequestSeries {
    const destination = destinationLabels(sample.workload, sample.service);
    const labels = requestLabels(sourceLabels(sample.source), destination, sample);
    const { count, duration, received, sent, requestMessages, responseMessages } = this.#families;
    const of = <S>(metric: MetricName, family: Family<S>): S | undefined => {
      const kept = this.#rules.apply(metric, REQUEST_LABELS, labels);
      return kept && family.labels(kept.values, kept.more);
    };
    return {
      count: of('REQUEST_COUNT', count),
      duration: of('REQUEST_DURATION', duration),
      received: of('REQUEST_SIZE', received),
      sent: of('RESPONSE_SIZE', sent),
      requestMessages: sample.isGrpc ? of('GRPC_REQUEST_MESSAGES', requestMessages) : undefined,
      responseMessages: sample.isGrpc ? of('GRPC_RESPONSE_MESSAGES', responseMessages) : undefined,
    };
  }
}

function within<K, K2, V>(map: Map<K, Map<K2, V>>, key: K): Map<K2, V> {
  let inner = map.get(key);
  if (inner === undefined) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}

/** Status, and what gRPC adds to it, as one number. */
function codeOf({ status, isGrpc, grpcStatus }: RequestEnd): number {
  return isGrpc ? -(status * 32 + (grpcCode(grpcStatus) ?? 31)) - 1 : status;
}
