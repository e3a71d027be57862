/**
 * Tries again what may be tried again, at another endpoint where there is one, after a pause, within a budget. Each try has
 * its own time. Once the head of a response has gone to the caller there is no way back.
 */
import { Deadline, type Deadlines, HttpError, type HttpResponse } from '../../core/http/index.ts';
import { DEFAULT_RETRY, type RetryPolicy } from '../../mesh/index.ts';
import type { Exchange, Layer, Next } from '../exchange.ts';
import type { RetryBudget } from '../retry/budget.ts';
import { backoffMs, isRetriedError, isRetriedResponse, TRY_TIMEOUT } from '../retry/decide.ts';
import { ReplayBody } from '../retry/replay-body.ts';

export type RetryParts = {
  readonly budget: RetryBudget;
  readonly deadlines: Deadlines;
  /** In [0, 1). */
  readonly random: () => number;
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>;
  /** Bodies up to this size can be sent again. */
  readonly bodyBytes: number;
};

export function retry(parts: RetryParts): Layer {
  return (next) => async (x) => {
    const { budget } = parts;
    budget.active += 1;
    try {
      return await tryUntilDone(parts, next, x);
    } finally {
      budget.active -= 1;
    }
  };
}

async function tryUntilDone(parts: RetryParts, next: Next, x: Exchange): Promise<HttpResponse> {
  const policy = typeof x.route === 'object' ? x.route.retry : DEFAULT_RETRY;
  const timeoutMs = typeof x.route === 'object' ? x.route.action.backendTimeoutMs : 0;
  const body =
    x.body.length === 0 || policy.attempts === 0 || x.request.upgrade !== undefined
      ? undefined
      : new ReplayBody(x.body, parts.bodyBytes);
  let hasPlace = false;
  try {
    for (let attempt = 0; ; attempt++) {
      if (body !== undefined) x.body = body.open();
      const outcome = await tryOnce(parts, next, x, timeoutMs);
      const isFailure = isRetried(policy, outcome, x);
      const isLast = !isFailure || attempt >= policy.attempts || !canSendAgain(x, body);
      const isFree = reachedNobody(outcome);
      if (!isLast && !isFree && !hasPlace) hasPlace = parts.budget.take();
      if (isLast || !(isFree || hasPlace)) {
        if (isFailure && attempt > 0) x.flags = 'URX';
        if (outcome instanceof HttpError) throw outcome;
        return outcome;
      }
      if (!(outcome instanceof HttpError)) outcome.body.cancel();
      await parts.pause(backoffMs(policy, attempt + 1, parts.random()));
      const over = x.aborted ?? x.over;
      if (over !== undefined) throw over;
    }
  } finally {
    if (hasPlace) parts.budget.giveBack();
    body?.settle();
  }
}

function isRetried(policy: RetryPolicy, outcome: HttpResponse | HttpError, x: Exchange): boolean {
  if (outcome instanceof HttpError) return isRetriedError(policy, outcome, x.request.method);
  return isRetriedResponse(policy, outcome);
}

/** Another endpoint has it then in place of this one, not in addition: that needs no place in the budget. */
function reachedNobody(outcome: HttpResponse | HttpError): boolean {
  return outcome instanceof HttpError && outcome.kind === 'connect-failed';
}

function canSendAgain(x: Exchange, body: ReplayBody | undefined): boolean {
  if (x.aborted !== undefined || x.over !== undefined) return false;
  return body === undefined ? x.body.length === 0 : body.isWhole;
}

/** One attempt; an HttpError is an outcome like any other. */
async function tryOnce(
  parts: RetryParts,
  next: Next,
  x: Exchange,
  timeoutMs: number,
): Promise<HttpResponse | HttpError> {
  const pending = next(x);
  if (!(pending instanceof Promise)) return pending;
  if (timeoutMs === 0) return pending.catch(httpError);
  const { promise, resolve } = Promise.withResolvers<HttpError>();
  const deadline = new Deadline(parts.deadlines, () => {
    const error = new HttpError('timeout', 'a try took too long', { detail: TRY_TIMEOUT, status: 504 });
    resolve(error);
    x.withdraw(error);
  });
  deadline.set(timeoutMs);
  try {
    return await Promise.race([pending.catch(httpError), promise]);
  } finally {
    deadline.close();
  }
}

/** Anything else is our own bug, and no reason to try again. */
function httpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  throw error;
}
