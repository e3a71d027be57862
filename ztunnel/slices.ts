/** Long work in short pieces, so that the connections of this thread have their turn in between. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** A slice takes 5 ms at most: it ends after 4, and what was begun by then is finished. */
const SLICE_MS = 4;
/** Beside connections that carry traffic, work that can wait takes a fifth of the time, in pieces that none of them feels. */
const SHORT_SLICE_MS = 1;
const REST_MS = 4;
/** Then it goes on as if nobody else were there: what waits behind it may be a policy. */
const GIVES_WAY_MS = 1_000;

/**
 * Runs work that yields wherever it may be interrupted. What fits into one slice is done at once, without a promise; the
 * rest follows a slice per turn. `now` is in milliseconds and monotonic. With `traffic`, a count of what connections did so far,
 * the work gives way to them for a second at most: whenever it grew, the next slice is short and comes after a rest. Throws, or
 * rejects, with what the work throws.
 */
export function inSlices<T>(work: Generator<void, T>, now: () => number, traffic?: () => number): T | Promise<T> {
  const first = slice(work, now, SLICE_MS);
  return first.done === true ? first.value : inTurns(work, now, traffic);
}

async function inTurns<T>(work: Generator<void, T>, now: () => number, traffic = () => 0): Promise<T> {
  let seen = traffic();
  const patientUntil = now() + GIVES_WAY_MS;
  for (;;) {
    await nextTurn();
    const gaveWay = traffic() !== seen && now() < patientUntil;
    if (gaveWay) await sleep(REST_MS);
    seen = traffic();
    const result = slice(work, now, gaveWay ? SHORT_SLICE_MS : SLICE_MS);
    if (result.done !== true) continue;
    await nextTurn(); // what follows upon the end is not a part of the last slice
    return result.value;
  }
}

function slice<T>(work: Generator<void, T>, now: () => number, ms: number): IteratorResult<void, T> {
  const end = now() + ms;
  let result = work.next();
  while (result.done !== true && now() < end) result = work.next();
  return result;
}

/**
 * Things that are to be looked at, each once however often it is added meanwhile, the longest waiting first: a stream of
 * changes starves none. What fits into a slice is done at once, the rest in the turns that follow.
 */
export class SlicedRounds<T> {
  readonly #look: (item: T) => void;
  readonly #done: () => void;
  readonly #now: () => number;
  readonly #waiting = new Set<T>();
  #isRunning = false;

  /** `done` is called whenever nothing waits any more. `now` is in milliseconds and monotonic. */
  constructor(look: (item: T) => void, done: () => void, now: () => number) {
    this.#look = look;
    this.#done = done;
    this.#now = now;
  }

  add(items: Iterable<T>): void {
    for (const item of items) this.#waiting.add(item);
    if (this.#isRunning) return;
    this.#isRunning = true;
    const rest = inSlices(this.#all(), this.#now);
    if (rest === undefined) return;
    rest.catch((error: unknown) => {
      queueMicrotask(() => {
        throw error; // a bug of `look`: an uncaught exception
      });
    });
  }

  /** Nothing of what waits is looked at any more. */
  clear(): void {
    this.#waiting.clear();
  }

  *#all(): Generator<void, undefined> {
    try {
      for (const item of this.#waiting) {
        this.#waiting.delete(item);
        this.#look(item);
        yield;
      }
    } finally {
      this.#isRunning = false;
    }
    this.#done();
    return undefined;
  }
}
