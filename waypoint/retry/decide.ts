/** Whether what came of an attempt is to be tried again (waypoint.md sections 1.12 and 2.4). */
import type { HttpError, HttpResponse } from '../../core/http/index.ts';
import type { RetryCondition, RetryPolicy } from '../../mesh/index.ts';

/** Detail of an error that the timeout of one try ended in. */
export const TRY_TIMEOUT = 'upstream_per_try_timeout';

/** By the number in `grpc-status`. */
const GRPC: ReadonlyMap<string, RetryCondition> = new Map([
  ['1', 'GRPC_CANCELLED'],
  ['4', 'GRPC_DEADLINE_EXCEEDED'],
  ['8', 'GRPC_RESOURCE_EXHAUSTED'],
  ['13', 'GRPC_INTERNAL'],
  ['14', 'GRPC_UNAVAILABLE'],
]);

/** RFC 9110 section 9.2.2: sending them twice is meant to do no more than sending them once. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

export function isRetriedResponse({ on, codes }: RetryPolicy, { status, headers }: HttpResponse): boolean {
  if (codes.includes(status)) return true;
  if (on.length === 0) return false;
  if (status >= 500 && on.includes('SERVER_ERROR')) return true;
  if (status >= 502 && status <= 504 && on.includes('GATEWAY_ERROR')) return true;
  if (status === 409 && on.includes('CONFLICT')) return true;
  // Only in the head: once trailers tell, a response has gone to the caller.
  const grpc = status === 200 ? headers.first('grpc-status') : undefined;
  const condition = grpc === undefined ? undefined : GRPC.get(grpc);
  return condition !== undefined && on.includes(condition);
}

/** Details of failures that another try would find again, or make worse. */
const NOT_AGAIN: ReadonlySet<string> = new Set([
  'no_healthy_upstream',
  'cluster_not_found',
  'unsupported_policy',
  'overflow',
  'route_not_found',
]);

export function isRetriedError({ on }: RetryPolicy, { kind, detail, isProcessed }: HttpError, method: string): boolean {
  const wants = (condition: RetryCondition) =>
    on.includes(condition) || on.includes('SERVER_ERROR') || on.includes('GATEWAY_ERROR');
  switch (kind) {
    case 'connect-failed':
      // Nowhere to go: another try would find the same.
      return !NOT_AGAIN.has(detail) && wants('CONNECT_FAILURE');
    case 'refused':
      return wants('REFUSED_STREAM');
    case 'closed':
      // An endpoint that leaves closes connections that it believes idle, while a request is on its way to it.
      return wants('RESET') || (on.includes('REFUSED_STREAM') && (!isProcessed || IDEMPOTENT.has(method)));
    case 'reset':
      return wants('RESET') || (!isProcessed && on.includes('REFUSED_STREAM'));
    case 'timeout':
      return detail === TRY_TIMEOUT && wants('TRY_TIMEOUT');
    default:
      return false;
  }
}

/** As in the reference: a wait up to the base, then to three times, seven times it, at most ten times. */
const MOST = 10;
const DEFAULT_BASE_MS = 25;

/** Before try `attempt` (1 is the first one again), `random` in [0, 1). */
export function backoffMs({ backoffMs: base }: RetryPolicy, attempt: number, random: number): number {
  const unit = base || DEFAULT_BASE_MS;
  return random * Math.min(unit * (2 ** Math.min(attempt, 10) - 1), unit * MOST);
}
