/** When to ask for a certificate again. Pure; times in milliseconds. */

/** A refresh is never tried sooner than this after the last try. */
const MIN_BETWEEN_TRIES_MS = 10_000;
/** Refreshes of many pods that started together shall not come together. */
const SPREAD = 0.1;

/** Half the lifetime after its start, give or take 10 % of it, but not at once after the last try. `random` in [0, 1). */
export function refreshAt(
  validity: { readonly notBefore: number; readonly notAfter: number },
  lastTryMs: number,
  random: number,
): number {
  const half = (validity.notAfter - validity.notBefore) / 2;
  const wanted =
    validity.notBefore > lastTryMs ? lastTryMs : validity.notBefore + half * (1 - SPREAD + 2 * SPREAD * random);
  return Math.max(wanted, lastTryMs + MIN_BETWEEN_TRIES_MS);
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 150_000;
const JITTER = 0.2;
/** Failing for this long, doubling stops and the longest wait is kept. */
const GIVE_UP_DOUBLING_MS = 900_000;

/**
 * When to try again after the `failures`-th failure in a row (counted from 1). With a certificate in hand nothing is lost
 * by waiting, yet not beyond its end. `random` in [0, 1).
 */
export function retryAt(
  failure: { readonly failures: number; readonly failingSinceMs: number; readonly nowMs: number },
  heldUntilMs: number | undefined,
  random: number,
): number {
  const { failures, failingSinceMs, nowMs } = failure;
  const doubled =
    nowMs - failingSinceMs >= GIVE_UP_DOUBLING_MS ? LONGEST_RETRY_MS : FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 30);
  const wait = Math.min(doubled * (1 - JITTER + 2 * JITTER * random), LONGEST_RETRY_MS);
  if (heldUntilMs === undefined || heldUntilMs <= nowMs) return nowMs + wait;
  return Math.max(Math.min(nowMs + wait, heldUntilMs), nowMs + MIN_BETWEEN_TRIES_MS);
}
