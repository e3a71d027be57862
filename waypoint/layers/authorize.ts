/** AuthorizationPolicies AUDIT, DENY and ALLOW, after tokens were looked at (waypoint.md section 1.5). */
import type { HttpResponse } from '../../core/http/index.ts';
import {
  denialDetail,
  evaluateHttp,
  formatBecause,
  type HttpBecause,
  type HttpFacts,
  type HttpScope,
} from '../../mesh/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { requestFacts } from '../policy/facts.ts';
import type { PolicyWatch } from '../policy/watch.ts';
import { reply } from '../reply.ts';

/** The receipt of a denial, for a caller who may know it. */
export const RECEIPT_HEADER = 'ambit-receipt';

export type AuthorizeParts = {
  readonly watch: PolicyWatch;
  /** Whether denials carry the id of their receipt. */
  readonly receiptHeader: boolean;
};

/** `factsOf`: what the policies are asked about, where that is not the request as it was called. */
export function authorize(
  scope: HttpScope,
  parts: AuthorizeParts,
  factsOf: (x: Exchange) => HttpFacts = requestFacts,
): Layer {
  const { audit, deny, allow, dryRunDeny, dryRunAllow } = scope;
  if ([audit, deny, allow, dryRunDeny, dryRunAllow].every(({ policies }) => policies.length === 0)) {
    return (next) => next;
  }
  return (next) => (x) => {
    const facts = factsOf(x);
    const decision = evaluateHttp(scope, facts);
    const { verdict, because, audited, dryRunHits } = decision;
    if (audited !== undefined || dryRunHits !== undefined) parts.watch.noticed(x, decision);
    x.because = wordsOf(because);
    if (verdict === 'allow') return next(x);
    x.receipt = parts.watch.denied(x, x.because, scope, facts);
    return denied(x, parts, denialDetail(because));
  };
}

/** 403, as the reference says it. */
export function denied(
  x: Exchange,
  { receiptHeader }: Pick<AuthorizeParts, 'receiptHeader'>,
  details: string,
  flags = '',
): HttpResponse {
  const headers = receiptHeader && x.receipt !== undefined ? { [RECEIPT_HEADER]: x.receipt } : {};
  return reply(x, { status: 403, body: 'RBAC: access denied', flags, details, headers });
}

/** Rules are as many as policies have, and each request names one: their words are kept. */
const WORDS = new WeakMap<object, string>();

function wordsOf(because: HttpBecause): string {
  if (typeof because === 'string') return formatBecause(because);
  let words = WORDS.get(because);
  if (words === undefined) {
    words = formatBecause(because);
    WORDS.set(because, words);
  }
  return words;
}
