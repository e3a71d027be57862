/** Who talked to whom, and how it ended: what `authz suggest`, `authz diff` and `analyze` know of live traffic. */

export type FlowKey = {
  /** The identity, or the address of a source that proved none; behind a waypoint, that of the original caller. */
  readonly source: string;
  /** Identity of the waypoint that called in its name; absent: it called by itself. */
  readonly waypoint?: string;
  /** The destination workload's uid; its address where there is no workload. */
  readonly destination: string;
  readonly port: number;
  /** `namespace/hostname`, or ''. */
  readonly service: string;
  readonly verdict: 'allow' | 'deny';
  /** What policies that are tried out would have changed, in words; absent: nothing. */
  readonly dryRun?: string;
};

export type FlowRow = FlowKey & {
  readonly count: number;
  /** RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
};

type Cell = { readonly key: FlowKey; count: number; readonly firstMs: number; lastMs: number };

/** A row for each kind of flow; bounded, the one that was seen least recently goes first and is counted. */
export class FlowLedger {
  readonly #now: () => number;
  readonly #max: number;
  /** In order of last use. */
  readonly #rows = new Map<string, Cell>();
  #dropped = 0;

  constructor(options: { readonly now: () => number /** Default 16 384. */; readonly maxRows?: number }) {
    this.#now = options.now;
    this.#max = options.maxRows ?? 16_384;
  }

  record(key: FlowKey): void {
    const text = `${key.source}\n${key.destination}\n${key.port}\n${key.service}\n${key.verdict}\n${key.dryRun ?? ''}\n${key.waypoint ?? ''}`;
    const nowMs = this.#now();
    const cell = this.#rows.get(text);
    if (cell !== undefined) {
      this.#rows.delete(text);
      cell.count += 1;
      cell.lastMs = nowMs;
      this.#rows.set(text, cell);
      return;
    }
    if (this.#rows.size >= this.#max) {
      const [oldest] = this.#rows.keys();
      if (oldest !== undefined) this.#rows.delete(oldest);
      this.#dropped += 1;
    }
    this.#rows.set(text, { key, count: 1, firstMs: nowMs, lastMs: nowMs });
  }

  /** Rows that were pushed out since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Seen most recently first. */
  rows(): readonly FlowRow[] {
    return [...this.#rows.values()].reverse().map(({ key, count, firstMs, lastMs }) => ({
      ...key,
      count,
      firstSeen: new Date(firstMs).toISOString(),
      lastSeen: new Date(lastMs).toISOString(),
    }));
  }
}
