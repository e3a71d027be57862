/** A clock for tests: time passes when the test says so. */
import type { Clock } from './clock.ts';

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ readonly at: number; readonly work: () => void }>();

  constructor(startMs = Date.parse('2026-01-01T00:00:00Z')) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, work: () => void): Disposable {
    const timer = { at: this.#nowMs + ms, work };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Lets time pass; what falls due runs in order, each with what it starts having a chance to settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.at);
      due.work();
      await settle();
    }
    this.#nowMs = end;
  }

  /** Timers that are armed. */
  get pending(): number {
    return this.#timers.size;
  }
}

/** Lets everything that is ready to run, run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
