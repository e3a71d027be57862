/** Level-based work: keys wait, each is worked on once at a time, a failure is tried again later with growing pauses. */
import type { Clock } from '../clock.ts';

export type WorkQueueOptions = {
  /** Makes the world right for this key. Throwing means: again later. */
  readonly work: (key: string) => Promise<void>;
  readonly onProblem: (key: string, error: unknown) => void;
  readonly clock: Clock;
};

const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 60_000;

export class WorkQueue implements AsyncDisposable {
  readonly #options: WorkQueueOptions;
  readonly #waiting = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Asks for work on a key; asking twice before it begins is asking once. */
  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#waiting.add(key);
    this.#running ??= this.#drain();
  }

  /** Lets the present piece of work end; what waits is dropped (level-based: nothing is lost by it). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    this.#waiting.clear();
    await this.#running;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // let the caller add more before the first piece begins
    for (let key = this.#next(); key !== undefined; key = this.#next()) {
      try {
        await this.#options.work(key);
        this.#failures.delete(key);
      } catch (error) {
        this.#options.onProblem(key, error);
        void this.#later(key);
      }
    }
    this.#running = undefined;
  }

  #next(): string | undefined {
    const [key] = this.#waiting;
    if (key !== undefined) this.#waiting.delete(key);
    return key;
  }

  async #later(key: string): Promise<void> {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    try {
      await this.#options.clock.delay(Math.min(FIRST_RETRY_MS * 2 ** failures, MAX_RETRY_MS), this.#abort.signal);
    } catch {
      return; // stopped while waiting
    }
    this.add(key);
  }
}
