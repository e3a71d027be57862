/** Turns what is over into numbers, log lines, spans and taps. While nobody asks for more than numbers, nothing more is made. */
import type { ConnectRequest } from '../../core/hbone/index.ts';
import type { Refusal } from '../../core/http/index.ts';
import type { Registry } from '../../core/telemetry/index.ts';
import { type GatewayConfig, type ServiceConfig, serviceKey } from '../../mesh/index.ts';
import type { ChainConfig, Served } from '../chains.ts';
import type { Exchange } from '../exchange.ts';
import type { Outcome, RequestObserver } from '../layers/observe.ts';
import type { StreamObserver, TcpOutcome } from '../serve.ts';
import type { Source } from '../source.ts';
import { type Environment, spanOf } from '../trace/span.ts';
import type { Chosen } from '../upstream/endpoints.ts';
import { writeLines } from './access-log.ts';
import { attributesOf } from './attributes.ts';
import type { Counting } from './computed-labels.ts';
import {
  type Entry,
  endpointOf,
  entryOfConnection,
  entryOfRefusal,
  entryOfRequest,
  serviceOfExchange,
  settle,
  statusOf,
} from './entry.ts';
import { RequestLedger } from './request-ledger.ts';
import { requestFamilies } from './request-metrics.ts';
import { type Sight, type SightParts, Sights, telemetryOf } from './sight.ts';
import { Taps } from './taps.ts';
import { TcpMetrics } from './tcp-metrics.ts';

/** A connection of which nothing is known yet but its ends. */
const JUST_OPENED: Omit<TcpOutcome, 'to'> = { bytesReceived: 0, bytesSent: 0, durationMs: 0, flags: '', details: '' };

export type ObserverOptions = Omit<SightParts, 'families'> & {
  readonly registry: Registry;
  /** Takes whole lines of access logs. */
  readonly write: (line: string) => void;
  /** What we were told of ourselves. */
  readonly gateway: () => GatewayConfig | undefined;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
  /** For tags of spans. */
  readonly env: Environment;
};

export class Observer implements StreamObserver {
  readonly taps = new Taps();
  /** What was asked. */
  readonly ledger: RequestLedger;
  readonly #o: ObserverOptions;
  readonly #sights: Sights;
  readonly #tcp: TcpMetrics;
  readonly #refused;
  readonly #malformed;

  constructor(options: ObserverOptions) {
    this.#o = options;
    this.ledger = new RequestLedger({ now: options.wallClock });
    const { registry } = options;
    this.#sights = new Sights({ ...options, families: requestFamilies(registry) });
    this.#tcp = new TcpMetrics(registry);
    this.#refused = registry.counter('ambit_waypoint_connects_refused', 'CONNECTs that were refused.', ['status']);
    const malformed = 'Requests that were none, by what was answered and why (unstable).';
    this.#malformed = registry.counter('ambit_waypoint_malformed_requests', malformed, ['status', 'details']);
  }

  /** For the requests of one chain; made when its configuration changes. */
  requests({ service }: Pick<ChainConfig, 'service'>): RequestObserver {
    const sight = this.#sightOf(service);
    return { started: () => {}, finished: (x, outcome) => this.#finished(sight, x, outcome) };
  }

  #finished(sight: Sight, x: Exchange, o: Outcome): void {
    settle(x, o);
    this.ledger.saw(x);
    const counted = sight.computed && entryOfRequest(x, o, this.#o.wallClock());
    const { metrics } = countingOf(sight, counted);
    metrics.add({
      source: x.source,
      workload: x.sent.at(-1)?.workload,
      service: serviceOfExchange(x),
      isGrpc: o.isGrpc,
      grpcStatus: o.grpcStatus,
      status: statusOf(x, o),
      flags: x.flags,
      durationMs: o.durationMs,
      bytesReceived: o.bytesReceived,
      bytesSent: o.bytesSent,
      requestMessages: o.requestMessages,
      responseMessages: o.responseMessages,
    });
    const { logs, spans } = sight;
    const isTraced = spans !== undefined && x.trace?.isSampled === true;
    const isDenied = x.receipt !== undefined;
    if (logs.length === 0 && !isTraced && !isDenied && this.taps.isIdle) return;
    const entry = counted ?? entryOfRequest(x, o, this.#o.wallClock());
    if (logs.length > 0) writeLines(logs, entry, this.#o.write);
    else if (isDenied) this.#o.log.info('a request is denied', shortly(entry));
    if (isTraced && x.trace !== undefined) spans.exporter.add(spanOf(entry, x.trace, spans.tags, this.#o.env));
    if (!this.taps.isIdle) this.taps.saw(entry);
  }

  refused(request: ConnectRequest, status: number, why: string): void {
    this.#refused.labels([String(status)]).inc();
    this.#o.log.info('a CONNECT is refused', {
      'src.identity': request.peer,
      authority: request.authority,
      status,
      why,
    });
  }

  tcpOpened(source: Source, served: Served, to: Chosen | undefined): void {
    const sight = this.#sightOf(configOf(served));
    const counted = sight.computed && this.#entryOf(source, served, { ...JUST_OPENED, to });
    const { rules } = countingOf(sight, counted);
    this.#tcp.opened(rules, { source, workload: to?.candidate.workload, service: keyOf(served) });
  }

  tcpClosed(source: Source, served: Served, o: TcpOutcome): void {
    const sight = this.#sightOf(configOf(served));
    const counted = sight.computed && this.#entryOf(source, served, o);
    const { rules } = countingOf(sight, counted);
    this.#tcp.closed(rules, { source, workload: o.to?.candidate.workload, service: keyOf(served) }, o);
    const { logs } = sight;
    if (logs.length === 0 && o.flags === '' && o.details === '') return;
    const entry = counted ?? this.#entryOf(source, served, o);
    if (logs.length > 0) writeLines(logs, entry, this.#o.write);
    else this.#o.log.info('a connection failed', shortly(entry));
  }

  malformed(source: Source, served: Served, refusal: Refusal): void {
    const { status, error } = refusal;
    this.#malformed.labels([String(status), error.detail]).inc();
    const entry = entryOfRefusal(source, served, refusal, this.#o.wallClock());
    this.#o.log.info('a malformed request', { ...shortly(entry), error: error.message });
    writeLines(this.#sightOf(configOf(served)).logs, entry, this.#o.write);
    if (!this.taps.isIdle) this.taps.saw(entry);
  }

  #entryOf(source: Source, served: Served, o: TcpOutcome): Entry {
    return entryOfConnection(source, served, o, this.#o.wallClock());
  }

  #sightOf(service: ServiceConfig | undefined): Sight {
    return this.#sights.of(telemetryOf({ gateway: this.#o.gateway(), service }));
  }
}

function countingOf({ computed, counting }: Sight, entry: Entry | undefined): Counting {
  return computed === undefined || entry === undefined ? counting : computed.of(attributesOf(entry));
}

/** What people look for first. */
function shortly(entry: Entry) {
  return {
    'src.identity': entry.source.identity,
    'src.addr': entry.source.ip,
    method: entry.method,
    authority: entry.authority,
    path: entry.path,
    'dst.service': entry.service,
    'dst.port': entry.port,
    upstream_host: endpointOf(entry),
    response_code: entry.status,
    response_flags: entry.flags || undefined,
    response_code_details: entry.details || undefined,
    details: entry.terminated,
    because: entry.because,
    receipt: entry.receipt,
  };
}

function configOf(served: Served): ServiceConfig | undefined {
  return served.kind === 'service' ? served.config : undefined;
}

function keyOf(served: Served): string | undefined {
  return served.kind === 'service' ? serviceKey(served.service) : undefined;
}
