/** Which certificate is asked for next, when more are wanted than may be in flight. */

/** `realtime`: a connection waits; `warmup`: a pod may soon need it; `background`: a refresh. */
export type Priority = 'background' | 'warmup' | 'realtime';

const RANK: Readonly<Record<Priority, number>> = { background: 0, warmup: 1, realtime: 2 };

type Queued = { priority: Priority; readonly sinceMs: number; readonly order: number };

/** Highest priority first, then who has waited longest. An item is queued once and only ever raised. */
export class RequestQueue<Key> {
  readonly #items = new Map<Key, Queued>();
  #order = 0;

  add(key: Key, priority: Priority, nowMs: number): void {
    const queued = this.#items.get(key);
    if (queued === undefined) {
      this.#items.set(key, { priority, sinceMs: nowMs, order: this.#order });
      this.#order += 1;
    } else if (RANK[priority] > RANK[queued.priority]) queued.priority = priority;
  }

  delete(key: Key): void {
    this.#items.delete(key);
  }

  /** How many wait at this priority. */
  count(priority: Priority): number {
    let count = 0;
    for (const item of this.#items.values()) if (item.priority === priority) count += 1;
    return count;
  }

  take(): Key | undefined {
    let best: readonly [Key, Queued] | undefined;
    for (const entry of this.#items) if (best === undefined || before(entry[1], best[1])) best = entry;
    if (best !== undefined) this.#items.delete(best[0]);
    return best?.[0];
  }
}

function before(a: Queued, b: Queued): boolean {
  if (a.priority !== b.priority) return RANK[a.priority] > RANK[b.priority];
  return a.sinceMs !== b.sinceMs ? a.sinceMs < b.sinceMs : a.order < b.order;
}
