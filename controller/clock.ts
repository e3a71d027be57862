/** Time as an input. */
import { setTimeout as sleep } from 'node:timers/promises';

export type Clock = {
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Resolves after `ms`; rejects when the signal aborts. */
  readonly delay: (ms: number, signal?: AbortSignal) => Promise<void>;
};

export const SYSTEM_CLOCK: Clock = {
  now: Date.now,
  delay: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
};
