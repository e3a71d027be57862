/** One thing that must be done before the process may say that it is ready; it can be lost again. */
export interface ReadinessTask {
  readonly name: string;
  ready(): void;
  notReady(): void;
}

/** What has to be true before a process is ready, by name. */
export class Readiness {
  readonly #pending = new Set<string>();
  readonly #onChange: (pending: readonly string[]) => void;

  constructor(onChange: (pending: readonly string[]) => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Registers a task that is not yet done. */
  task(name: string): ReadinessTask {
    this.#pending.add(name);
    return {
      name,
      ready: () => {
        if (this.#pending.delete(name)) this.#onChange(this.pending());
      },
      notReady: () => {
        if (this.#pending.has(name)) return;
        this.#pending.add(name);
        this.#onChange(this.pending());
      },
    };
  }

  /** Names of the tasks that are not done, sorted. */
  pending(): readonly string[] {
    return [...this.#pending].sort();
  }
}
