/** Connections that are carried as they are, as numbers. */
import type { CounterFamily, Registry } from '../../core/telemetry/index.ts';
import type { MetricName, Workload } from '../../mesh/index.ts';
import type { Source } from '../source.ts';
import { destinationLabels, sourceLabels, TCP_LABELS, tcpLabels } from './labels.ts';
import type { MetricRules } from './metric-rules.ts';

export type TcpEnds = {
  readonly source: Source;
  /** Undefined: none was chosen. */
  readonly workload: Workload | undefined;
  /** `namespace/hostname`. */
  readonly service: string | undefined;
};
export type TcpEnd = { readonly bytesReceived: number; readonly bytesSent: number; readonly flags: string };

export class TcpMetrics {
  readonly #opened: CounterFamily;
  readonly #closed: CounterFamily;
  readonly #received: CounterFamily;
  readonly #sent: CounterFamily;

  constructor(registry: Registry) {
    const counter = (name: string, help: string) => registry.counter(name, help, TCP_LABELS);
    this.#opened = counter('istio_tcp_connections_opened', 'TCP connections opened.');
    this.#closed = counter('istio_tcp_connections_closed', 'TCP connections closed.');
    this.#received = counter('istio_tcp_received_bytes', 'Bytes received from callers, over TCP.');
    this.#sent = counter('istio_tcp_sent_bytes', 'Bytes sent to callers, over TCP.');
  }

  opened(rules: MetricRules, { source, workload, service }: TcpEnds): void {
    const labels = tcpLabels(sourceLabels(source), destinationLabels(workload, service), '');
    count(rules, 'TCP_OPENED_CONNECTIONS', this.#opened, labels, 1);
  }

  closed(rules: MetricRules, { source, workload, service }: TcpEnds, end: TcpEnd): void {
    const labels = tcpLabels(sourceLabels(source), destinationLabels(workload, service), end.flags);
    count(rules, 'TCP_CLOSED_CONNECTIONS', this.#closed, labels, 1);
    count(rules, 'TCP_RECEIVED_BYTES', this.#received, labels, end.bytesReceived);
    count(rules, 'TCP_SENT_BYTES', this.#sent, labels, end.bytesSent);
  }
}

function count(rules: MetricRules, metric: MetricName, family: CounterFamily, labels: readonly string[], n: number) {
  const kept = rules.apply(metric, TCP_LABELS, labels);
  if (kept !== undefined) family.labels(kept.values, kept.more).inc(n);
}
