/**
 * Addresses of workloads that the mesh knows by name only (ServiceEntries that are resolved by DNS), asked for when somebody
 * connects and kept for as long as their record says. ztunnel.md section 7, point 16.
 */
import { type IpAddress, parseIp, type Resolution } from '../../mesh/index.ts';

export type NameRecord = { readonly address: string; readonly ttl: number };

/** Asks for the A or AAAA records of a name. Rejects with a `code` as `node:dns` has them. */
export type LookUp = (hostname: string, family: 4 | 6) => Promise<readonly NameRecord[]>;

export type HostnamesOptions = {
  readonly lookUp: LookUp;
  /** Which families are of use to us. */
  readonly families: readonly (4 | 6)[];
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly deadlineMs?: number;
  readonly maxNames?: number;
  readonly maxUnderWay?: number;
};

const DEADLINE_MS = 5_000;
/** As many names as the reference remembers. */
const MAX_NAMES = 4_096;
const MAX_UNDER_WAY = 256;
/** A record with no time to live still spares the name server a question for each connection of a burst. */
const LEAST_TTL_MS = 1_000;
const MOST_TTL_MS = 3_600_000;
/** What is not there, or was not answered, is asked again soon. */
const RETRY_MS = 5_000;
/** How long an answer that ran out still serves while the name server fails (RFC 8767): a proxy outlives others' outages. */
const STALE_MS = 3_600_000;

type Held = {
  readonly resolution: Resolution;
  readonly untilMs: number;
  readonly staleUntilMs: number;
};

export class Hostnames {
  readonly #options: HostnamesOptions;
  readonly #held = new Map<string, Held>();
  readonly #underWay = new Map<string, Promise<Resolution>>();

  constructor(options: HostnamesOptions) {
    this.#options = options;
  }

  /** Never rejects but with the reason of the signal. All who ask for a name at the same time share one question. */
  async resolve(hostname: string, signal: AbortSignal): Promise<Resolution> {
    signal.throwIfAborted();
    const held = this.#held.get(hostname);
    if (held !== undefined && this.#options.now() < held.untilMs) return held.resolution;
    let asking = this.#underWay.get(hostname);
    if (asking === undefined) {
      if (this.#underWay.size >= (this.#options.maxUnderWay ?? MAX_UNDER_WAY)) {
        return { error: 'too many names are being looked up' };
      }
      asking = this.#ask(hostname).finally(() => this.#underWay.delete(hostname));
      this.#underWay.set(hostname, asking);
    }
    return orAborted(asking, signal);
  }

  async #ask(hostname: string): Promise<Resolution> {
    const { lookUp, families, now, deadlineMs = DEADLINE_MS } = this.#options;
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => resolve('late'), deadlineMs);
    const answers = Promise.allSettled(families.map(async (family) => lookUp(hostname, family)));
    const settled = await Promise.race([answers, late]);
    clearTimeout(timer);
    const at = now();
    if (settled === 'late') return this.#failed(hostname, at, `no answer within ${deadlineMs / 1000} s`);
    const records = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const addresses = records.flatMap(({ address }) => parseIp(address) ?? []);
    if (addresses.length > 0) return this.#answered(hostname, at, addresses, records);
    const problems = settled.flatMap((one) => (one.status === 'rejected' ? [codeOf(one.reason)] : []));
    const outage = problems.find((code) => !NOT_THERE.has(code));
    if (outage !== undefined) return this.#failed(hostname, at, `the name server failed: ${outage}`);
    return this.#keep(hostname, { resolution: { error: NO_ADDRESS }, untilMs: at + RETRY_MS, staleUntilMs: at });
  }

  #answered(hostname: string, at: number, addresses: readonly IpAddress[], records: readonly NameRecord[]): Resolution {
    const ttlMs = Math.min(...records.map(({ ttl }) => ttl * 1000));
    const untilMs = at + Math.min(Math.max(ttlMs, LEAST_TTL_MS), MOST_TTL_MS);
    return this.#keep(hostname, { resolution: { addresses }, untilMs, staleUntilMs: untilMs + STALE_MS });
  }

  /** What was true until now is likelier than nothing. */
  #failed(hostname: string, at: number, error: string): Resolution {
    const old = this.#held.get(hostname);
    const isUsable = old !== undefined && 'addresses' in old.resolution && at < old.staleUntilMs;
    const untilMs = at + RETRY_MS;
    return this.#keep(hostname, isUsable ? { ...old, untilMs } : { resolution: { error }, untilMs, staleUntilMs: at });
  }

  /** The one that was asked for longest ago makes room. */
  #keep(hostname: string, held: Held): Resolution {
    this.#held.delete(hostname);
    const [oldest] = this.#held.keys();
    if (this.#held.size >= (this.#options.maxNames ?? MAX_NAMES) && oldest !== undefined) this.#held.delete(oldest);
    this.#held.set(hostname, held);
    return held.resolution;
  }
}

/** Answers, not failures: the name, or this kind of record, does not exist. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA']);
const NO_ADDRESS = 'the name has no address';

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
