/** Turns what the data path tells into metrics, access lines, receipts and the flow ledger. */
import type { FloodKind } from '../../core/hbone/index.ts';
import {
  type AccessParty,
  type AccessRecord,
  accessLine,
  bare,
  type Counter,
  type FlowLedger,
  type Logger,
  type Receipt,
  type Receipts,
} from '../../core/telemetry/index.ts';
import {
  type Explanation,
  explain,
  explainDryRun,
  formatBecause,
  formatDryRunHit,
  formatSocketAddress,
  type SpiffeId,
  serviceKey,
  type Workload,
} from '../../mesh/index.ts';
import type {
  ConnectionContext,
  ConnectionObserver,
  ConnectionResult,
  EarlyDeny,
  LiveCounters,
  OpenConnection,
  Party,
  PolicyEvent,
  Reporter,
} from '../data/index.ts';
import { sourceLabels, tcpLabels, tcpLabelText, withFlags } from './labels.ts';
import type { TcpMetrics } from './metrics.ts';

export type ObserverOptions = {
  readonly metrics: TcpMetrics;
  readonly receipts: Receipts;
  readonly ledger: FlowLedger;
  readonly log: Logger;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** AUTHZ_POLICY_INFO_LOGGING: decisions that let a connection in are told at info, too. */
  readonly logAllowed?: boolean;
};

export class Observer implements ConnectionObserver {
  readonly #options: ObserverOptions;
  readonly #access: Logger;
  readonly #policy: Logger;
  readonly #live = new Map<ConnectionContext, Connection>();

  constructor(options: ObserverOptions) {
    this.#options = options;
    this.#access = options.log.target('access');
    this.#policy = options.log.scope('policy');
  }

  opened(context: ConnectionContext): OpenConnection {
    const connection = new Connection(context, this.#options, this.#access, this.#live);
    this.#live.set(context, connection);
    return connection;
  }

  /** Brings the byte counters up to date: before they are shown. */
  flush(): void {
    for (const connection of this.#live.values()) connection.flush();
  }

  denied(event: PolicyEvent): string {
    const { decision, when } = event;
    const because = formatBecause(decision.because);
    const receipt = this.#receipt(event, 'deny', because, explain(event.scope, event.facts));
    this.#record(event, 'deny');
    this.#policy.info(when === 'live' ? 'open connection denied' : 'connection denied', {
      ...who(event.context),
      because,
      ...(decision.missing && { missing: decision.missing.join(',') }),
      receipt: receipt.id,
    });
    return receipt.id;
  }

  /** All hits are counted; what would have changed the verdict leaves a receipt and is told, in a ring of its own. */
  dryRun(event: PolicyEvent): void {
    const { context, decision, facts, scope } = event;
    const connection = this.#live.get(context);
    for (const hit of decision.dryRunHits ?? []) {
      const { policy, rule, action, would, changes } = hit;
      const labels = [policy, rule === undefined ? 'none' : String(rule), action, would, String(changes)];
      this.#options.metrics.dryRun.labels(labels).inc();
      if (!changes) continue;
      const because = formatDryRunHit(hit);
      const nearestMiss = explainDryRun(scope, facts, hit);
      const explanation = { considered: [policy], ...(nearestMiss && { nearestMiss }) };
      const receipt = this.#receipt(event, would === 'deny' ? 'dry-run-deny' : 'dry-run-allow', because, explanation);
      this.#policy.info('a dry-run policy would decide', { ...who(context), because, receipt: receipt.id });
      connection?.tried(because);
    }
  }

  allowed(event: PolicyEvent): void {
    this.#record(event, 'allow');
    const level = this.#options.logAllowed === true ? 'info' : 'debug';
    if (!this.#policy.enabled(level)) return;
    this.#policy.log(level, 'connection allowed', {
      ...who(event.context),
      because: formatBecause(event.decision.because),
    });
  }

  earlyDeny({ direction, src, dst, error }: EarlyDeny): void {
    this.#access.warn('connection failed', {
      'src.addr': bare(formatSocketAddress(src)),
      'dst.addr': bare(formatSocketAddress(dst)),
      direction,
      error,
    });
  }

  handshakeFailed(event: Parameters<ConnectionObserver['handshakeFailed']>[0]): void {
    if (event.flags === 'CERT_REVOKED') this.#options.metrics.revoked.destination.inc();
    this.earlyDeny(event);
  }

  sourceHeaderDropped(peer: SpiffeId): void {
    this.#options.metrics.sourceHeadersDropped.inc();
    this.#policy.debug('ambit-source of a peer that is no waypoint here: dropped', { 'src.identity': peer });
  }

  tunnelFault(kind: FloodKind): void {
    this.#options.metrics.tunnelFaults.labels([kind]).inc();
  }

  hostnameAsked(source: Workload, hostname: string): void {
    this.#options.metrics.hostnames.labels([...sourceLabels(source), hostname]).inc();
  }

  socketAccepted(reporter: Reporter): void {
    this.#options.metrics.socketsOpen[reporter].inc();
  }

  socketClosed(reporter: Reporter): void {
    this.#options.metrics.socketsOpen[reporter].dec();
  }

  warn(message: string, fields: Readonly<Record<string, string | number | boolean>>): void {
    this.#options.log.scope('proxy').warn(message, fields);
  }

  #receipt(event: PolicyEvent, verdict: Receipt['verdict'], because: string, explanation: Explanation): Receipt {
    const { context, facts } = event;
    const { src, dst, service } = context;
    // What is tried out never pushes out what was enforced.
    const ring = verdict === 'deny' ? podOf(context) : `dry run ${podOf(context)}`;
    return this.#options.receipts.add(ring, {
      direction: context.direction,
      reporter: context.reporter,
      src: {
        ...(facts.source !== undefined && { identity: facts.source }),
        ip: facts.from.ip,
        ...(src.workload && { workload: src.workload.uid }),
        ...(facts.original && { original: facts.original }),
      },
      dst: {
        ip: facts.to.ip,
        port: facts.to.port,
        ...(service && { service: serviceKey(service) }),
        ...(dst.workload && { workload: dst.workload.uid }),
      },
      verdict,
      because,
      ...explanation,
      considered: few(explanation.considered),
    });
  }

  #record({ context, facts, decision }: PolicyEvent, verdict: 'allow' | 'deny'): void {
    const { dst, service } = context;
    const dryRun = inShort(decision.dryRunHits?.filter((hit) => hit.changes).map(formatDryRunHit) ?? []);
    const { source, original, from } = facts;
    this.#options.ledger.record({
      source: original?.identity ?? source ?? from.ip,
      ...(original && source !== undefined && { waypoint: source }),
      destination: dst.workload?.uid ?? facts.to.ip,
      port: facts.to.port,
      service: service === undefined ? '' : serviceKey(service),
      verdict,
      ...(dryRun !== undefined && { dryRun }),
    });
  }
}

class Connection implements OpenConnection {
  readonly counters: LiveCounters = { sent: 0, received: 0 };
  readonly #context: ConnectionContext;
  readonly #options: ObserverOptions;
  readonly #access: Logger;
  readonly #live: Map<ConnectionContext, Connection>;
  /** As text. */
  readonly #labels: string;
  readonly #sent: Counter;
  readonly #received: Counter;
  readonly #startedMs: number;
  #shownSent = 0;
  #shownReceived = 0;
  #closed = false;
  /** What dry runs would have changed: one more than is shown is enough. */
  #tried: readonly string[] = [];

  constructor(
    context: ConnectionContext,
    options: ObserverOptions,
    access: Logger,
    live: Map<ConnectionContext, Connection>,
  ) {
    this.#context = context;
    this.#options = options;
    this.#access = access;
    this.#live = live;
    this.#startedMs = options.now();
    const { opened, sent, received } = options.metrics;
    const labels = tcpLabelText(context);
    const series = opened.byText(labels);
    series.inc();
    this.#sent = sent.byText(labels);
    this.#received = received.byText(labels);
    this.#labels = series.labelText === labels ? series.labelText : labels; // one text for all connections of the series
    if (access.enabled('debug')) access.debug('connection opened', accessLine(accessRecord(context)));
  }

  flush(): void {
    const { sent, received } = this.counters;
    if (sent !== this.#shownSent) this.#sent.inc(sent - this.#shownSent);
    if (received !== this.#shownReceived) this.#received.inc(received - this.#shownReceived);
    this.#shownSent = sent;
    this.#shownReceived = received;
  }

  tried(because: string): void {
    if (this.#tried.length <= MAX_TRIED) this.#tried = [...this.#tried, because];
  }

  closed({ error, flags }: ConnectionResult): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#live.delete(this.#context);
    this.flush();
    const { metrics, now } = this.#options;
    if (flags === '-') metrics.closed.byText(this.#labels).inc();
    else {
      const labels = withFlags(tcpLabels(this.#context), flags);
      metrics.closed.labels(labels).inc();
      metrics.failed.labels(labels).inc();
    }
    if (flags === 'CERT_REVOKED') metrics.revoked[this.#context.reporter].inc();
    const level = error === undefined ? 'info' : 'error';
    if (!this.#access.enabled(level)) return;
    // Metrics name bytes by direction of the request, the line by who the local workload is: on the source side the
    // request's bytes are what it sent.
    const { sent, received } = this.counters;
    const local = this.#context.reporter === 'source' ? [received, sent] : [sent, received];
    const [bytesSent = 0, bytesReceived = 0] = local;
    const end = { bytesSent, bytesReceived, durationMs: now() - this.#startedMs, error, dryRun: inShort(this.#tried) };
    this.#access.log(level, 'connection complete', accessLine({ ...accessRecord(this.#context), end }));
  }
}

function accessRecord({ src, dst, hboneAddr, service, original, direction }: ConnectionContext): AccessRecord {
  return {
    src: accessParty(src),
    dst: accessParty(dst),
    hboneAddr,
    service: service?.hostname,
    original: original?.identity,
    direction,
  };
}

function accessParty({ addr, workload, baggage, identity }: Party): AccessParty {
  return {
    addr,
    workload: workload === undefined ? baggage?.serviceName : workload.name || workload.canonicalName,
    namespace: workload?.namespace ?? baggage?.namespace,
    identity,
    cluster: workload?.clusterId ?? baggage?.clusterId,
  };
}

/** Whose ring a receipt goes into: the pod that we serve. */
function podOf({ direction, src, dst }: ConnectionContext): string {
  const own = direction === 'inbound' ? dst : src;
  return own.workload?.uid ?? own.addr.ip;
}

function who(context: ConnectionContext) {
  return {
    id: context.id,
    'src.addr': bare(formatSocketAddress(context.src.addr)),
    'src.identity': context.src.identity,
    'src.original': context.original?.identity,
    'dst.addr': bare(formatSocketAddress(context.dst.addr)),
    'dst.hbone_addr': context.hboneAddr === undefined ? undefined : bare(context.hboneAddr),
    'dst.workload': context.dst.workload?.name,
    'dst.namespace': context.dst.workload?.namespace,
  };
}

/** Policies that one receipt names. */
const MAX_CONSIDERED = 64;

function few(considered: readonly string[]): readonly string[] {
  const more = considered.length - MAX_CONSIDERED;
  return more <= 0 ? considered : [...considered.slice(0, MAX_CONSIDERED), `and ${more} more`];
}

/** Policies that one line names. */
const MAX_TRIED = 4;

function inShort(tried: readonly string[]): string | undefined {
  if (tried.length === 0) return undefined;
  return [...tried.slice(0, MAX_TRIED), ...(tried.length > MAX_TRIED ? ['and more'] : [])].join('; ');
}
