/** Policies about what is known of a request only in part: with the rest taken to be whatever lets the most pass, or the least. */
import type { HttpPolicy, PolicyTest } from '../http-policy/model.ts';

export type Assumption = 'lenient' | 'strict';

/** The same policies and rules, in the same places; tests that nobody can answer hold, or not, as the assumption wants it. */
export function assuming(
  policies: readonly HttpPolicy[],
  isUnknown: (test: PolicyTest) => boolean,
  assumption: Assumption,
): readonly HttpPolicy[] {
  return policies.map((policy) => {
    const holds = (policy.action === 'ALLOW') === (assumption === 'lenient');
    const rules = policy.rules.map(({ clauses }) => ({
      clauses: clauses.map(({ matches }) => ({
        matches: matches.map(({ tests }) => ({ tests: decided(tests, isUnknown, holds) })),
      })),
    }));
    return { ...policy, rules };
  });
}

/** Nothing to choose from: it never holds. */
const NEVER: PolicyTest = { field: 'METHOD', negated: false, patterns: [], header: '', claim: [] };

function decided(
  tests: readonly PolicyTest[],
  isUnknown: (test: PolicyTest) => boolean,
  holds: boolean,
): readonly PolicyTest[] {
  const known = tests.filter((test) => !isUnknown(test));
  return holds || known.length === tests.length ? known : [...known, NEVER];
}
