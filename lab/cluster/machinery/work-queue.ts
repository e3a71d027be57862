/** Runs one piece of work per key at a time, again when it was asked for meanwhile, and later when it failed. */
import { KubeError } from '../../../core/kube/index.ts';

/** Does the work of one key; a number asks to be called again after so many milliseconds. */
export type Reconcile = (key: string) => Promise<number | undefined>;

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 10_000;
/** A cache that is behind catches up within this many tries; after them it is a problem of another kind. */
const QUIET_RETRIES = 5;

type State = 'idle' | 'running' | 'running-and-asked-again';

type Entry = { state: State; failures: number; timer: NodeJS.Timeout | undefined };

export class WorkQueue implements AsyncDisposable {
  readonly #reconcile: Reconcile;
  readonly #onProblem: (key: string, error: unknown) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  /** `onProblem` hears of failures, save for the first few that only mean that the cache was behind. */
  constructor(reconcile: Reconcile, onProblem: (key: string, error: unknown) => void) {
    this.#reconcile = reconcile;
    this.#onProblem = onProblem;
  }

  /** Asks for the key to be worked on, now or after a while. */
  add(key: string, afterMs = 0): void {
    if (this.#closed) return;
    const entry = this.#entries.get(key) ?? { state: 'idle', failures: 0, timer: undefined };
    this.#entries.set(key, entry);
    if (afterMs > 0) {
      stopTimer(entry);
      entry.timer = setTimeout(() => {
        entry.timer = undefined;
        this.add(key);
      }, afterMs);
      return;
    }
    if (entry.state !== 'idle') {
      entry.state = 'running-and-asked-again';
      return;
    }
    entry.state = 'running';
    const run = this.#run(key, entry).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Resolves when nothing runs any more; nothing new starts. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const entry of this.#entries.values()) stopTimer(entry);
    await Promise.allSettled(this.#running);
  }

  async #run(key: string, entry: Entry): Promise<void> {
    await Promise.resolve(); // several changes of one turn make one run
    let again: number | undefined;
    do {
      entry.state = 'running';
      stopTimer(entry);
      try {
        again = await this.#reconcile(key);
        entry.failures = 0;
      } catch (error) {
        if (this.#closed) return;
        if (!isStale(error) || entry.failures >= QUIET_RETRIES) this.#onProblem(key, error);
        again = Math.min(FIRST_RETRY_MS * 2 ** entry.failures++, MAX_RETRY_MS);
        break;
      }
    } while (this.#askedAgain(entry) && !this.#closed);
    entry.state = 'idle';
    if (again !== undefined) this.add(key, Math.max(again, 1));
    else if (entry.timer === undefined) this.#entries.delete(key);
  }

  /** A method, because the state changes while `#run` awaits. */
  #askedAgain(entry: Entry): boolean {
    return entry.state === 'running-and-asked-again';
  }
}

/** The object was written or removed meanwhile; what exists where something was to be created is another matter. */
function isStale(error: unknown): boolean {
  return error instanceof KubeError && (error.code === 404 || (error.code === 409 && error.reason === 'Conflict'));
}

function stopTimer(entry: Entry): void {
  clearTimeout(entry.timer);
  entry.timer = undefined;
}
