/** Requests and connections as log lines and numbers. */
import type { ConnectRequest } from '../../core/hbone/index.ts';
import type { Refusal } from '../../core/http/index.ts';
import type { Logger, Registry } from '../../core/telemetry/index.ts';
import type { Served } from '../chains.ts';
import type { Exchange } from '../exchange.ts';
import type { Outcome, RequestObserver } from '../layers/observe.ts';
import type { StreamObserver, TcpOutcome } from '../serve.ts';
import type { Source } from '../source.ts';

export class Observer implements RequestObserver, StreamObserver {
  readonly #log: Logger;
  readonly #refused;

  constructor(log: Logger, registry: Registry) {
    this.#log = log;
    this.#refused = registry.counter('ambit_waypoint_connects_refused', 'CONNECTs that were refused.', ['status']);
  }

  started(_x: Exchange): void {}

  finished(x: Exchange, o: Outcome): void {
    const { request, source, called } = x;
    this.#log.info('request', {
      method: request.method,
      path: request.target,
      protocol: request.version,
      response_code: o.status,
      response_flags: x.flags || '-',
      response_code_details: x.details || 'via_upstream',
      bytes_received: o.bytesReceived,
      bytes_sent: o.bytesSent,
      duration: Math.round(o.durationMs),
      authority: request.authority,
      'src.identity': source.identity,
      'src.addr': source.ip,
      'dst.service': called.service?.hostname,
      upstream_host: x.sent.at(-1)?.workload.name,
      route_name: x.routeName,
    });
  }

  refused(request: ConnectRequest, status: number, why: string): void {
    this.#refused.labels([String(status)]).inc();
    this.#log.info('a CONNECT is refused', { 'src.identity': request.peer, authority: request.authority, status, why });
  }

  tcpOpened(_source: Source, _served: Served): void {}

  tcpClosed(source: Source, _served: Served, o: TcpOutcome): void {
    this.#log.info('connection', {
      'src.identity': source.identity,
      response_flags: o.flags || '-',
      details: o.details || undefined,
      bytes_received: o.bytesReceived,
      bytes_sent: o.bytesSent,
      duration: Math.round(o.durationMs),
    });
  }

  malformed(source: Source, _served: Served, { status, error }: Refusal): void {
    this.#log.info('a malformed request', {
      'src.identity': source.identity,
      response_code: status,
      response_code_details: error.detail,
      error: error.message,
    });
  }
}
