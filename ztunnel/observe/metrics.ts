/** The numbers that the ztunnel shows, under the names that dashboards know. HELP says which may change. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Counter, CounterFamily, Gauge, GaugeFamily, Registry } from '../../core/telemetry/index.ts';
import type { DeltaEvent } from '../../core/xds/index.ts';
import type { Reporter } from '../data/index.ts';
import type { PodCounters } from '../zds/pod-table.ts';
import { SOURCE_LABELS, TCP_LABELS } from './labels.ts';

export type TcpMetrics = {
  readonly opened: CounterFamily;
  readonly closed: CounterFamily;
  readonly failed: CounterFamily;
  readonly received: CounterFamily;
  readonly sent: CounterFamily;
  readonly tunnelFaults: CounterFamily;
  readonly sourceHeadersDropped: Counter;
  /** Labels: {@link DRY_RUN_LABELS}. */
  readonly dryRun: CounterFamily;
  readonly hostnames: CounterFamily;
  /** Handshakes and tunnelled connections that ended because of a revoked certificate. */
  readonly revoked: Readonly<Record<Reporter, Counter>>;
  readonly socketsOpen: Readonly<Record<Reporter, Gauge>>;
};

export const DRY_RUN_LABELS = ['policy', 'rule', 'action', 'would', 'changes'] as const;

export function tcpMetrics(registry: Registry): TcpMetrics {
  const sockets = registry.gauge('istio_tcp_sockets_open', 'Accepted sockets that are open (unstable).', ['reporter']);
  const revoked = registry.counter(
    'istio_crl_policy_rejections',
    'Handshakes refused and connections cut because a certificate is revoked (unstable).',
    ['reporter'],
  );
  return {
    revoked: { source: revoked.labels(['source']), destination: revoked.labels(['destination']) },
    opened: registry.counter('istio_tcp_connections_opened', 'TCP connections opened.', TCP_LABELS),
    closed: registry.counter('istio_tcp_connections_closed', 'TCP connections closed.', TCP_LABELS),
    received: registry.counter('istio_tcp_received_bytes', 'Bytes received during a request, over TCP.', TCP_LABELS),
    sent: registry.counter('istio_tcp_sent_bytes', 'Bytes sent during a response, over TCP.', TCP_LABELS),
    failed: registry.counter('istio_tcp_connections_failed', 'TCP connections that failed (unstable).', TCP_LABELS),
    tunnelFaults: registry.counter(
      'ambit_hbone_faults',
      'Limits of HTTP/2 that the peer of a tunnel hit, by limit (unstable).',
      ['kind'],
    ),
    sourceHeadersDropped: registry
      .counter(
        'ambit_source_headers_dropped',
        'Headers ambit-source of peers that are no waypoint of the pod, which nobody listened to (unstable).',
        [],
      )
      .labels([]),
    dryRun: registry.counter(
      'ambit_policy_dry_run',
      'Connections that a dry-run policy would have decided about, by rule (unstable).',
      DRY_RUN_LABELS,
    ),
    hostnames: registry.counter(
      'istio_on_demand_dns',
      'Connections that needed the address of a name, remembered or not (unstable).',
      [...SOURCE_LABELS, 'hostname'],
    ),
    socketsOpen: { source: sockets.labels(['source']), destination: sockets.labels(['destination']) },
  };
}

export function xdsMetrics(registry: Registry): (event: DeltaEvent) => void {
  const terminations = registry.counter(
    'istio_xds_connection_terminations',
    'Discovery streams that ended, by reason (unstable).',
    ['reason'],
  );
  const messages = registry.counter('istio_xds_message', 'Discovery responses received (unstable).', ['url']);
  const bytes = registry.counter('istio_xds_message_bytes', 'Payload bytes of discovery responses (unstable).', [
    'url',
  ]);
  return (event) => {
    if (event.kind === 'terminated') terminations.labels([event.reason]).inc();
    if (event.kind !== 'received') return;
    messages.labels([event.typeUrl]).inc();
    bytes.labels([event.typeUrl]).inc(event.bytes);
  };
}

export function podMetrics(registry: Registry): PodCounters {
  const name = (what: string) => `workload_manager_${what}`;
  const active = registry.gauge(name('active_proxy_count'), 'Pods that are served (unstable).').labels([]);
  const pending = registry.gauge(name('pending_proxy_count'), 'Pods that wait to be served (unstable).').labels([]);
  const started = registry.counter(name('proxies_started'), 'Pods whose serving began (unstable).').labels([]);
  const stopped = registry.counter(name('proxies_stopped'), 'Pods whose serving ended (unstable).').labels([]);
  return {
    active: (count) => active.set(count),
    pending: (count) => pending.set(count),
    started: () => started.inc(),
    stopped: () => stopped.inc(),
  };
}

/** Build and process: read when asked. */
export function processMetrics(registry: Registry, component: string, tag: string): void {
  const build: GaugeFamily = registry.gauge('istio_build', 'Which build runs.', ['component', 'tag']);
  const open = registry.gauge('process_open_fds', 'Open file descriptors.').labels([]);
  const max = registry.gauge('process_max_fds', 'Most file descriptors that may be open.').labels([]);
  registry.onCollect(() => {
    build.labels([component, tag]).set(1);
    open.set(readdirSync('/proc/self/fd').length);
    max.set(openFilesLimit());
  });
}

/** The soft limit; Node raised it to the hard one when it started. */
function openFilesLimit(): number {
  const line = readFileSync('/proc/self/limits', 'utf8').match(/^Max open files\s+(\S+)/m)?.[1];
  return line === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(line ?? 0);
}
