/** Work by key: one piece at a time for each key, repeated with growing pauses until it succeeds. */

const FIRST_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 5_000;

export type WorkQueueOptions = {
  /** Different keys at once. */
  readonly concurrency: number;
  readonly work: (key: string) => Promise<void>;
  /** Each failure, with the pause before the next try. */
  readonly onFailure: (key: string, error: unknown, attempt: number, retryInMs: number) => void;
};

type State = { again: boolean; attempts: number; timer: NodeJS.Timeout | undefined; running: boolean; error: unknown };

/** Adding a key that waits changes nothing; adding one that runs makes it run once more. Level-based: keys carry no event. */
export class WorkQueue implements AsyncDisposable {
  readonly #o: WorkQueueOptions;
  readonly #states = new Map<string, State>();
  readonly #waiting = new Set<string>();
  readonly #running = new Set<Promise<void>>();
  #started = false;
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#o = options;
  }

  /** What was added before waits for this. */
  start(): void {
    this.#started = true;
    this.#pump();
  }

  add(key: string): void {
    if (this.#stopped) return;
    const state = this.#states.get(key) ?? {
      again: false,
      attempts: 0,
      timer: undefined,
      running: false,
      error: undefined,
    };
    this.#states.set(key, state);
    if (state.running) {
      state.again = true;
      return;
    }
    // News about a key that pauses after a failure: what failed may be in order now.
    clearTimeout(state.timer);
    state.timer = undefined;
    this.#waiting.add(key);
    this.#pump();
  }

  /** Keys that wait, run or pause. */
  get size(): number {
    return this.#states.size;
  }

  /** Keys whose last try failed, with why. */
  failing(): readonly { readonly key: string; readonly error: unknown }[] {
    return [...this.#states].filter(([, s]) => s.attempts > 0).map(([key, { error }]) => ({ key, error }));
  }

  #pump(): void {
    if (!this.#started || this.#stopped) return;
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#o.concurrency) return;
      this.#waiting.delete(key);
      const run = this.#run(key);
      this.#running.add(run);
      void run.finally(() => {
        this.#running.delete(run);
        this.#pump();
      });
    }
  }

  async #run(key: string): Promise<void> {
    const state = this.#states.get(key);
    if (state === undefined) return;
    state.running = true;
    state.again = false;
    try {
      await this.#o.work(key);
      state.attempts = 0;
    } catch (error) {
      state.attempts += 1;
      state.error = error;
      const pauseMs = Math.min(FIRST_BACKOFF_MS * 2 ** (state.attempts - 1), MAX_BACKOFF_MS);
      this.#o.onFailure(key, error, state.attempts, pauseMs);
      if (!this.#stopped && !state.again) {
        state.timer = setTimeout(() => {
          state.timer = undefined;
          this.#waiting.add(key);
          this.#pump();
        }, pauseMs);
      }
    } finally {
      state.running = false;
    }
    if (state.again) this.#waiting.add(key);
    else if (state.timer === undefined) this.#states.delete(key);
  }

  /** Nothing more is begun; resolves when what runs has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const { timer } of this.#states.values()) clearTimeout(timer);
    await Promise.all(this.#running);
  }
}
