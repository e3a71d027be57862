/** Long work in short pieces, so that the connections of this thread have their turn in between. */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** A slice takes 5 ms at most: it ends after 4, and what was begun by then is finished. */
const SLICE_MS = 4;

/**
 * Runs work that yields wherever it may be interrupted. What fits into one slice is done at once, without a promise; the
 * rest follows a slice per turn. `now` is in milliseconds and monotonic. Throws, or rejects, with what the work throws.
 */
export function inSlices<T>(work: Generator<void, T>, now: () => number): T | Promise<T> {
  const first = slice(work, now);
  return first.done === true ? first.value : inTurns(work, now);
}

async function inTurns<T>(work: Generator<void, T>, now: () => number): Promise<T> {
  for (;;) {
    await nextTurn();
    const result = slice(work, now);
    if (result.done !== true) continue;
    await nextTurn(); // what follows upon the end is not a part of the last slice
    return result.value;
  }
}

function slice<T>(work: Generator<void, T>, now: () => number): IteratorResult<void, T> {
  const end = now() + SLICE_MS;
  let result = work.next();
  while (result.done !== true && now() < end) result = work.next();
  return result;
}
