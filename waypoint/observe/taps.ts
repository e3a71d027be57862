/** Who watches requests live, each with a filter; nothing is worked out for a request while nobody does. */

import { type Entry, endpointOf } from './entry.ts';
import { principalOf } from './labels.ts';
import { namesOf } from './service-names.ts';

export type TapFilter = {
  /** `namespace/hostname`, `name.namespace`, a host, or the name alone. */
  readonly service: string | undefined;
  /** `404`, or `5xx`. */
  readonly status: string | undefined;
  /** How the path begins. */
  readonly path: string | undefined;
  readonly method: string | undefined;
};

/** What a tap shows of a request. */
export type TapLine = {
  readonly at: string;
  readonly method: string | undefined;
  readonly authority: string | undefined;
  readonly path: string | undefined;
  readonly protocol: string | undefined;
  readonly status: number;
  readonly flags: string;
  readonly details: string;
  readonly durationMs: number;
  readonly upstreamMs: number | undefined;
  readonly source: {
    readonly principal: string;
    readonly ip: string;
    readonly workload: string | undefined;
    readonly namespace: string;
  };
  readonly destination: {
    readonly service: string | undefined;
    readonly port: number;
    readonly endpoint: string | undefined;
    readonly workload: string | undefined;
    readonly principal: string | undefined;
  };
  /** What was called, where a route has led to another service. */
  readonly called: { readonly service: string; readonly port: number } | undefined;
  readonly route: string | undefined;
  readonly policy: { readonly verdict: 'allow' | 'deny'; readonly because: string } | undefined;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly traceId: string | undefined;
  readonly requestId: string | undefined;
  readonly receipt: string | undefined;
};

/** Where lines go. */
export interface TapSink {
  /** False: it is full, and this line is lost. */
  write(line: string): boolean;
  /** No more lines. */
  end(): void;
}

type Tap = { readonly filter: TapFilter; readonly sink: TapSink; left: number; lost: number };

/** At a time; each costs every request a little. */
const MOST_TAPS = 16;

export class Taps {
  readonly #taps = new Set<Tap>();

  get isIdle(): boolean {
    return this.#taps.size === 0;
  }

  get isFull(): boolean {
    return this.#taps.size >= MOST_TAPS;
  }

  /** Until `max` lines were written, or it is disposed. Undefined: there are too many already. */
  open(filter: TapFilter, max: number, sink: TapSink): Disposable | undefined {
    if (this.isFull) return undefined;
    const tap: Tap = { filter, sink, left: max, lost: 0 };
    this.#taps.add(tap);
    return { [Symbol.dispose]: () => void this.#taps.delete(tap) };
  }

  saw(entry: Entry): void {
    let text: string | undefined;
    for (const tap of this.#taps) {
      if (!matches(tap.filter, entry)) continue;
      text ??= `${JSON.stringify(tapLine(entry))}\n`;
      if (tap.lost > 0 && !tap.sink.write(`${JSON.stringify({ lost: tap.lost })}\n`)) {
        tap.lost += 1;
        continue;
      }
      if (!tap.sink.write(text)) {
        tap.lost = 1;
        continue;
      }
      tap.lost = 0;
      tap.left -= 1;
      if (tap.left > 0) continue;
      this.#taps.delete(tap);
      tap.sink.end();
    }
  }

  /** Ends them all. */
  close(): void {
    for (const { sink } of this.#taps) sink.end();
    this.#taps.clear();
  }
}

export function matches({ service, status, path, method }: TapFilter, entry: Entry): boolean {
  const isMeant =
    service === undefined || isService(service, entry.service) || isService(service, entry.called?.service);
  if (!isMeant) return false;
  if (status !== undefined && !isStatus(status, entry.status)) return false;
  if (method !== undefined && method !== entry.method) return false;
  return path === undefined || (entry.path?.startsWith(path) ?? false);
}

function isService(wanted: string, key: string | undefined): boolean {
  if (key === undefined) return false;
  const { namespace, hostname, name } = namesOf(key);
  return (
    wanted === key ||
    wanted === hostname ||
    wanted === name ||
    wanted === `${name}.${namespace}` ||
    wanted === `${namespace}/${name}`
  );
}

function isStatus(wanted: string, status: number): boolean {
  return wanted === String(status) || wanted.toLowerCase() === `${Math.floor(status / 100)}xx`;
}

export function tapLine(entry: Entry): TapLine {
  const { source, endpoint, because, receipt } = entry;
  return {
    at: new Date(entry.at).toISOString(),
    method: entry.method,
    authority: entry.authority,
    path: entry.path,
    protocol: entry.protocol,
    status: entry.status,
    flags: entry.flags || '-',
    details: entry.details,
    durationMs: rounded(entry.durationMs),
    upstreamMs: entry.upstreamMs === undefined ? undefined : rounded(entry.upstreamMs),
    source: {
      principal: source.identity,
      ip: source.ip,
      workload: source.baggage?.workloadName,
      namespace: source.parts.namespace,
    },
    destination: {
      service: entry.service,
      port: entry.port,
      endpoint: endpointOf(entry),
      workload: endpoint?.workload.workloadName,
      principal: endpoint && principalOf(endpoint.workload),
    },
    called: entry.called,
    route: entry.route,
    policy: because === undefined ? undefined : { verdict: receipt === undefined ? 'allow' : 'deny', because },
    bytesReceived: entry.bytesReceived,
    bytesSent: entry.bytesSent,
    traceId: entry.traceId,
    requestId: entry.header('x-request-id'),
    receipt,
  };
}

/** Microseconds are as much as anybody believes. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
