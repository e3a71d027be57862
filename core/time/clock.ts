/** Time as an input: what waits here waits on this, so that tests can move it by hand. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `work` once, later; disposing takes it back. */
  after(ms: number, work: () => void): Disposable;
}

/** `setTimeout` runs at once for anything longer than this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: Date.now,
  after(ms, work) {
    const at = Date.now() + ms;
    let timer: NodeJS.Timeout;
    const arm = (): void => {
      const left = Math.max(0, at - Date.now());
      timer = left > LONGEST_TIMER_MS ? setTimeout(arm, LONGEST_TIMER_MS) : setTimeout(work, left);
    };
    arm();
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
