/** Many ways, few ends: what they have in common, and what it comes to. */
import type { PredictedCase, Reason, Verdict } from './prediction.ts';

/** Ways that end alike become one case, in the order in which they were found. */
export function alike(cases: readonly PredictedCase[]): readonly PredictedCase[] {
  const groups = new Map<string, PredictedCase>();
  for (const one of cases) {
    const { verdict, reason, encryption, policy } = one;
    const key = JSON.stringify([verdict, reason, encryption, policy?.because, policy?.nearestMiss, policy?.considered]);
    const known = groups.get(key);
    groups.set(key, known === undefined ? one : merged(known, one));
  }
  return [...groups.values()];
}

function merged(into: PredictedCase, one: PredictedCase): PredictedCase {
  return {
    ...into,
    callers: [...new Set([...into.callers, ...one.callers])],
    endpoints: [...new Set([...into.endpoints, ...one.endpoints])],
    next: [...new Set([...into.next, ...one.next])],
  };
}

/** What the cases agree on; where they do not, it depends. */
export function overall(cases: readonly PredictedCase[]): {
  readonly verdict: Verdict;
  readonly reason: Reason;
  readonly because: string;
} {
  const [first] = cases;
  if (first === undefined) {
    return { verdict: 'unknown', reason: 'destination-not-found', because: 'there is nothing that could be dialled' };
  }
  if (cases.every(({ verdict }) => verdict === first.verdict)) {
    return {
      verdict: first.verdict,
      reason: first.reason,
      because: [...new Set(cases.map(({ because }) => because))].join('; or '),
    };
  }
  const parts = (['allowed', 'denied', 'unknown'] as const).flatMap((verdict) => {
    const those = cases.filter((one) => one.verdict === verdict);
    return those.length === 0 ? [] : [`${verdict} ${subjectOf(those, cases)}`];
  });
  return { verdict: 'unknown', reason: 'it-depends', because: `it depends: ${parts.join(', ')}` };
}

/** What tells these cases from the others: who is reached, or who calls. */
function subjectOf(those: readonly PredictedCase[], all: readonly PredictedCase[]): string {
  const endpoints = new Set(those.flatMap((one) => one.endpoints));
  const others = all.filter((one) => !those.includes(one)).flatMap((one) => one.endpoints);
  const callers = [...new Set(those.flatMap((one) => one.callers))].join(', ');
  const differ = endpoints.size > 0 && !others.some((endpoint) => endpoints.has(endpoint));
  return differ ? `by ${[...endpoints].join(', ')}` : `for ${callers}`;
}
