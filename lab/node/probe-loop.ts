/** Repeats a probe until told to stop, and says when its verdict changes. */
import { setTimeout as after } from 'node:timers/promises';
import type { Probe } from './pod.ts';
import type { Outcome } from './probe-outcome.ts';

export type ProbeEvents = {
  readonly look: () => Promise<Outcome>;
  /** Called on the first verdict and whenever it changes; a failing probe with a threshold reached says why. */
  readonly verdict: (healthy: boolean, why: string) => void;
  readonly failure: (why: string) => void;
  /** Waits; rejects when the signal aborts. Default: by the clock. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/**
 * Until the first verdict one success (or `successThreshold` of them) is enough, and so are `failureThreshold` failures.
 * Ends when `signal` aborts.
 */
export async function probeLoop(probe: Probe, events: ProbeEvents, signal: AbortSignal): Promise<void> {
  const periodMs = Math.max(1, probe.periodSeconds ?? 10) * 1000;
  const sleep = events.sleep ?? ((ms: number) => after(ms, undefined, { signal }));
  let successes = 0;
  let failures = 0;
  try {
    await sleep((probe.initialDelaySeconds ?? 0) * 1000, signal);
    while (!signal.aborted) {
      const outcome = await events.look();
      if (signal.aborted) return;
      if (outcome.ok) {
        failures = 0;
        if (++successes === (probe.successThreshold ?? 1)) events.verdict(true, '');
      } else {
        successes = 0;
        failures += 1;
        events.failure(outcome.why);
        if (failures === (probe.failureThreshold ?? 3)) {
          events.verdict(false, outcome.why);
          failures = 0; // a container that is restarted and fails again reaches the threshold again
        }
      }
      await sleep(periodMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
