/** Notices a thread that is alive and does nothing any more. */

/** Longer than a full collection of a large heap, or a node that is short of processors, keeps a thread from answering. */
export const DEFAULT_HANG_MS = 30_000;
/** Questions within the deadline: each may be late for reasons that are no hang. */
const ASKS = 6;

/**
 * Asks again and again, and calls `overdue` once when nothing was answered for `deadlineMs`. That begins with the first answer: a
 * thread that is slow to start keeps its process from being ready, which is seen. It is counted in our own turns, and not by a clock:
 * a machine that was asleep, or a process that got no processor, has asked nothing meanwhile.
 */
export function watchAnswers(o: {
  readonly ask: () => Promise<void>;
  readonly deadlineMs: number;
  readonly overdue: () => void;
}): Disposable {
  let unanswered = 0;
  let hasBegun = false;
  let isAsked = false;
  const heard = () => {
    unanswered = 0;
    isAsked = false;
    hasBegun = true;
  };
  const ask = () => {
    isAsked = true;
    o.ask().then(heard, heard); // who is gone is noticed by its exit
  };
  const timer = setInterval(() => {
    if (!isAsked) return void ask();
    if (hasBegun) unanswered += 1;
    if (unanswered === ASKS) o.overdue();
  }, o.deadlineMs / ASKS);
  timer.unref();
  ask();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
