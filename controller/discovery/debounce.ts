/** Gathers changes: acts once it has been quiet for a while, but never later than a maximum after the first one. */
export type Timers = {
  readonly now: () => number;
  /** Calls back once after `ms`; the result cancels. */
  readonly after: (ms: number, callback: () => void) => () => void;
};

export const SYSTEM_TIMERS: Timers = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export class Debounce implements Disposable {
  readonly #quietMs: number;
  readonly #maxMs: number;
  readonly #timers: Timers;
  readonly #act: (waitedMs: number) => void;
  #first: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(o: {
    readonly quietMs: number;
    readonly maxMs: number;
    readonly timers: Timers;
    readonly act: (waitedMs: number) => void;
  }) {
    this.#quietMs = o.quietMs;
    this.#maxMs = o.maxMs;
    this.#timers = o.timers;
    this.#act = o.act;
  }

  /** Something changed. */
  touch(): void {
    const now = this.#timers.now();
    this.#first ??= now;
    this.#cancel?.();
    const wait = Math.max(0, Math.min(this.#quietMs, this.#first + this.#maxMs - now));
    this.#cancel = this.#timers.after(wait, () => this.#fire());
  }

  [Symbol.dispose](): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#first = undefined;
  }

  #fire(): void {
    const waited = this.#timers.now() - (this.#first ?? this.#timers.now());
    this.#first = undefined;
    this.#cancel = undefined;
    this.#act(waited);
  }
}
