/**
 * Endpoints that are left out for a while because of how they answered: noticed from the traffic itself, never asked for.
 *
 *     in --so many failures in a row--> out for base * n --time--> in, with its count at zero
 */
import type { OutlierPolicy } from '../../mesh/index.ts';

/** What came of one try, as far as the endpoint is to blame for it. `local`: no connection. */
export type TryOutcome = { readonly kind: 'answered'; readonly status: number } | { readonly kind: 'local' | 'broken' };

type Record = {
  inARow5xx: number;
  inARowGateway: number;
  inARowLocal: number;
  /** Out until then, on the clock. */
  untilMs: number;
  /** How often it was left out lately: each time is longer. */
  ejections: number;
};

/** More than this makes one endpoint no worse. */
const LONGEST_EJECTION_MS = 300_000;
const GATEWAY_ERRORS: ReadonlySet<number> = new Set([502, 503, 504]);

/** Of one port of one service. */
export class Outliers {
  readonly #now: () => number;
  readonly #records = new Map<string, Record>();

  /** Milliseconds, monotonic. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Nobody is left out, and nobody is on the way there. */
  get isEmpty(): boolean {
    return this.#records.size === 0;
  }

  isOut(key: string): boolean {
    const record = this.#records.get(key);
    return record !== undefined && record.untilMs > this.#now();
  }

  /** How many are out now. */
  get count(): number {
    let count = 0;
    for (const { untilMs } of this.#records.values()) if (untilMs > this.#now()) count += 1;
    return count;
  }

  /** `total`: endpoints that there are. True: it is left out from now on. */
  report(key: string, outcome: TryOutcome, policy: OutlierPolicy, total: number): boolean {
    const isFailure = outcome.kind !== 'answered' || outcome.status >= 500;
    if (!isFailure) {
      this.#wentWell(key);
      return false;
    }
    let record = this.#records.get(key);
    if (record === undefined) {
      record = { inARow5xx: 0, inARowGateway: 0, inARowLocal: 0, untilMs: 0, ejections: 0 };
      this.#records.set(key, record);
    }
    const isGateway = outcome.kind !== 'answered' || GATEWAY_ERRORS.has(outcome.status);
    record.inARow5xx += 1;
    record.inARowGateway = isGateway ? record.inARowGateway + 1 : 0;
    record.inARowLocal = outcome.kind === 'local' ? record.inARowLocal + 1 : 0;
    const { consecutive5xx, consecutiveGateway, consecutiveLocal } = policy;
    const reached =
      (consecutive5xx > 0 && record.inARow5xx >= consecutive5xx) ||
      (consecutiveGateway > 0 && record.inARowGateway >= consecutiveGateway) ||
      (consecutiveLocal > 0 && record.inARowLocal >= consecutiveLocal);
    if (!reached || record.untilMs > this.#now()) return false;
    if (!mayEject(this.count, total, policy)) return false;
    record.ejections += 1;
    record.untilMs = this.#now() + Math.min(policy.baseEjectionMs * record.ejections, LONGEST_EJECTION_MS);
    record.inARow5xx = 0;
    record.inARowGateway = 0;
    record.inARowLocal = 0;
    return true;
  }

  /** Endpoints that are gone are forgotten. */
  keepOnly(isThere: (key: string) => boolean): void {
    for (const key of [...this.#records.keys()]) if (!isThere(key)) this.#records.delete(key);
  }

  #wentWell(key: string): void {
    const record = this.#records.get(key);
    if (record === undefined || record.untilMs > this.#now()) return;
    // One good answer ends a row; how often it was out is forgotten when it was in for longer than it would be out.
    if (record.ejections === 0 || record.untilMs + LONGEST_EJECTION_MS < this.#now()) this.#records.delete(key);
    else {
      record.inARow5xx = 0;
      record.inARowGateway = 0;
      record.inARowLocal = 0;
    }
  }
}

/** One may always be left out if there is another; beyond that, a share. */
function mayEject(out: number, total: number, { maxEjectionPercent }: OutlierPolicy): boolean {
  if (total <= 1) return false;
  const most = Math.max(1, Math.floor((total * maxEjectionPercent) / 100));
  return out < Math.min(most, total - 1) || (maxEjectionPercent >= 100 && out < total);
}
