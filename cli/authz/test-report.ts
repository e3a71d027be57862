/** What a run of policy tests says to people: failures with their reasons, then the rules that nothing tries. */
import type { RuleCoverage } from '../../mesh/index.ts';
import type { PolicyTest } from './test-file.ts';
import type { TestOutcome, TestRun } from './test-run.ts';

export function reportRun({ passed, failed, tests, rules }: TestRun): string {
  const lines = tests.flatMap((test, index) => {
    const isNewSuite = test.suite !== tests[index - 1]?.suite;
    return [...(isNewSuite ? [`${index === 0 ? '' : '\n'}${test.suite}`] : []), ...describeTest(test)];
  });
  return [lines.join('\n'), `${passed} passed, ${failed} failed`, ...describeRules(rules)].join('\n\n');
}

function describeTest({ name, from, to, passed, expected, why }: TestOutcome): readonly string[] {
  const head = `  ${passed ? 'ok  ' : 'FAIL'}  ${name}: ${from} -> ${to}`;
  if (passed) return [head];
  return [head, `        expected ${describeExpectation(expected)}`, ...why.map((line) => `        got ${line}`)];
}

function describeExpectation({ verdict, because }: PolicyTest['expect']): string {
  switch (because?.kind) {
    case undefined:
      return verdict;
    case 'policy':
      return `${verdict} because of policy ${because.policy}${because.rule === undefined ? '' : `, rule ${because.rule}`}`;
    case 'peer-authentication':
      return `${verdict} because of PeerAuthentication ${because.key}`;
    case 'reason':
      return `${verdict} (${because.reason})`;
    default:
      return because satisfies never;
  }
}

function describeRules(rules: readonly RuleCoverage[]): readonly string[] {
  const enforced = rules.filter(({ state }) => state !== 'not-enforced');
  const those = (state: RuleCoverage['state'], title: string) => {
    const found = rules.filter((rule) => rule.state === state);
    if (found.length === 0) return [];
    const because = (why: string | undefined) => (why === undefined ? '' : `: ${why}`);
    return [[title, ...found.map((rule) => `  ${nameOf(rule)}${because(rule.because)}`)].join('\n')];
  };
  const decided = enforced.filter(({ state }) => state === 'decided').length;
  return [
    ...(enforced.length === 0 ? [] : [`${decided} of ${enforced.length} rules decide a test.`]),
    ...those('untested', 'No test touches:'),
    ...those('matched', 'Matched, but another rule had decided already:'),
    ...those('not-enforced', 'Not enforced at L4, so no test can touch:'),
  ];
}

function nameOf({ policy, rule }: RuleCoverage): string {
  return rule === undefined ? policy : `${policy} spec.rules[${rule}]`;
}
