/** Many ways, few ends: what they have in common, and what it comes to. */
import type { RuleRef } from '../policy/compile.ts';
import { listed } from './lists.ts';
import type { PredictedCase, Reason, Verdict } from './prediction.ts';

/** Ways that end alike become one case, in the order in which they were found. */
export function alike(cases: readonly PredictedCase[]): readonly PredictedCase[] {
  const groups = new Map<string, PredictedCase[]>();
  for (const one of cases) {
    const { verdict, reason, encryption, policy, http, route, ledTo } = one;
    const atEndpoint = [policy?.because, policy?.nearestMiss, policy?.considered];
    const atWaypoint = [http?.waypoint, http?.because, http?.nearestMiss, http?.considered, route];
    const beyond = [ledTo?.because, ledTo?.nearestMiss, ledTo?.considered];
    const key = JSON.stringify([verdict, reason, encryption, atEndpoint, atWaypoint, beyond]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()].flatMap(merged);
}

function merged(group: readonly PredictedCase[]): readonly PredictedCase[] {
  const [first] = group;
  if (first === undefined) return [];
  const all = <T>(of: (one: PredictedCase) => readonly T[]) => [...new Set(group.flatMap(of))];
  const { policy } = first;
  const matched = distinct(group.flatMap((one) => one.policy?.matched ?? []));
  return [
    {
      ...first,
      callers: all((o) => o.callers),
      endpoints: all((o) => o.endpoints),
      next: all((o) => o.next),
      ...(policy && { policy: { ...policy, matched } }),
    },
  ];
}

function distinct(rules: readonly RuleRef[]): readonly RuleRef[] {
  return [...new Map(rules.map((one) => [`${one.policy} ${one.rule}`, one])).values()];
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
  const callers = new Set(those.flatMap((one) => one.callers));
  const differ = endpoints.size > 0 && !others.some((endpoint) => endpoints.has(endpoint));
  return differ ? `by ${listed([...endpoints])}` : `for ${listed([...callers])}`;
}
