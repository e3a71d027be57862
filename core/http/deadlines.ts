/**
 * Deadlines by the thousand, on one timer. A connection makes one {@link Deadline} for each thing it waits for and moves it as
 * often as it likes: moving costs a look at the clock and a store, never a timer. Due ones are told up to {@link TICK_MS} late, never
 * early. While none is set, no timer runs; a timer that runs keeps no process alive.
 *
 *     const idle = new Deadline(threadDeadlines(), () => this.end());
 *     idle.set(limits.idleMs); // again, for later or earlier; 0 takes it back
 *     idle.close();            // with what it belongs to
 */
import type { Clock } from '../time/index.ts';

/** How coarse it is: the limits of HTTP are seconds. */
export const TICK_MS = 50;

const NEVER = Number.POSITIVE_INFINITY;

/** Monotonic, so that a clock that is set does not end every connection. */
const monotonic: Clock = {
  now: () => performance.now(),
  after(ms, work) {
    const timer = setTimeout(work, Math.min(ms, 2 ** 31 - 1)).unref();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** All deadlines of a thread, or of a test that passes its own clock. */
export class Deadlines {
  readonly #clock: Clock;
  /** Those that were set since they were last found taken back; in no order. */
  readonly #watched: Deadline[] = [];
  #timer: Disposable | undefined;
  #wakeAtMs = NEVER;

  constructor(clock: Clock = monotonic) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Deadlines that are looked at; for tests. */
  get watched(): number {
    return this.#watched.length;
  }

  /** Called by a deadline that was set. */
  watch(deadline: Deadline): void {
    if (deadline.place < 0) deadline.place = this.#watched.push(deadline) - 1;
    if (deadline.dueMs < this.#wakeAtMs) this.#wake(deadline.dueMs);
  }

  /** Called by a deadline that is closed. */
  forget(deadline: Deadline): void {
    const { place } = deadline;
    if (place < 0) return;
    deadline.place = -1;
    const last = this.#watched.pop();
    if (last === undefined || last === deadline) return;
    this.#watched[place] = last;
    last.place = place;
  }

  #wake(dueMs: number): void {
    this.#timer?.[Symbol.dispose]();
    const now = this.#clock.now();
    this.#wakeAtMs = Math.max(dueMs, now + TICK_MS);
    this.#timer = this.#clock.after(Math.ceil(this.#wakeAtMs - now), () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    this.#wakeAtMs = NEVER;
    const now = this.#clock.now();
    const due: Deadline[] = [];
    let next = NEVER;
    for (let at = this.#watched.length - 1; at >= 0; at -= 1) {
      const deadline = this.#watched[at] as Deadline;
      if (deadline.dueMs <= now) due.push(deadline);
      if (deadline.dueMs <= now || deadline.dueMs === NEVER) this.forget(deadline);
      else if (deadline.dueMs < next) next = deadline.dueMs;
    }
    if (next !== NEVER) this.#wake(next);
    for (const deadline of due) {
      if (deadline.dueMs > now) continue; // taken back, or moved, by one that was told before it
      deadline.dueMs = NEVER;
      try {
        deadline.tell();
      } catch (error) {
        queueMicrotask(() => {
          throw error; // the bug of one must not keep the others waiting
        });
      }
    }
  }
}

/** One thing that is waited for; not set at first. */
export class Deadline {
  /** For `Deadlines` alone. */
  dueMs = NEVER;
  place = -1;
  readonly tell: () => void;
  readonly #all: Deadlines;

  /** `tell` is called each time that it is due. */
  constructor(all: Deadlines, tell: () => void) {
    this.#all = all;
    this.tell = tell;
  }

  /** From now on; 0 takes it back. */
  set(ms: number): void {
    if (ms <= 0) {
      this.dueMs = NEVER;
      return;
    }
    this.dueMs = this.#all.now() + ms;
    this.#all.watch(this);
  }

  clear(): void {
    this.dueMs = NEVER;
  }

  /** Takes it back and lets go of it. It may be set again. */
  close(): void {
    this.dueMs = NEVER;
    this.#all.forget(this);
  }
}

let shared: Deadlines | undefined;

/** Those of this thread. */
export function threadDeadlines(): Deadlines {
  shared ??= new Deadlines();
  return shared;
}
