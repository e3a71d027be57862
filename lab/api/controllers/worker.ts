/** Runs named pieces of work soon, each at most once at a time: asking twice before it ran is asking once. */
export class Worker implements Disposable {
  readonly #waiting = new Map<string, () => void>();
  readonly #onError: (what: string, error: unknown) => void;
  #scheduled: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor(onError: (what: string, error: unknown) => void) {
    this.#onError = onError;
  }

  soon(key: string, work: () => void): void {
    if (this.#stopped) return;
    this.#waiting.set(key, work);
    this.#scheduled ??= setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = undefined;
    const due = [...this.#waiting];
    this.#waiting.clear();
    for (const [key, work] of due) {
      try {
        work();
      } catch (error) {
        this.#onError(key, error); // one object that can't be handled must not stop the others
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled);
  }
}
