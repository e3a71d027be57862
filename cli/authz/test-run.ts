/** Runs suites of policy tests: every connection predicted, and what that leaves untouched. */
import {
  better,
  type CheckResult,
  check,
  coverageOf,
  decidingRule,
  describeHttpMiss,
  describeMiss,
  type PredictedCase,
  type Prediction,
  type RuleCoverage,
} from '../../mesh/index.ts';
import { complete } from '../model/complete.ts';
import { modelOf } from '../model/mesh-model.ts';
import type { PolicyTest, Suite } from './test-file.ts';

/** One connection of one test, for people and for programs. */
export type TestOutcome = {
  readonly suite: string;
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly passed: boolean;
  readonly expected: PolicyTest['expect'];
  readonly got: {
    readonly verdict: Prediction['verdict'];
    readonly reason: Prediction['reason'];
    readonly because: string;
  };
  /** What was not as expected, a sentence each. */
  readonly why: readonly string[];
};

export type TestRun = {
  readonly passed: number;
  readonly failed: number;
  readonly tests: readonly TestOutcome[];
  readonly rules: readonly RuleCoverage[];
};

/** Throws CliError when the mesh configuration among the objects of a suite can not be read. */
export function runSuites(suites: readonly Suite[]): TestRun {
  const tests: TestOutcome[] = [];
  const rules = new Map<string, RuleCoverage>();
  for (const suite of suites) {
    const model = modelOf(complete(suite.objects.map(({ object }) => object)));
    const results = suite.tests.map((test) => ({ test, result: check(model, test.question, test.expect) }));
    tests.push(...results.map(({ test, result }) => outcome(suite.place, test, result)));
    const predictions = results.map(({ result }) => result.prediction);
    for (const one of coverageOf(model, predictions)) {
      const key = `${one.policy} ${one.rule ?? ''}`;
      const before = rules.get(key);
      rules.set(key, before === undefined || better(before.state, one.state) === one.state ? one : before);
    }
  }
  const passed = tests.filter((test) => test.passed).length;
  return { passed, failed: tests.length - passed, tests, rules: [...rules.values()] };
}

function outcome(suite: string, test: PolicyTest, { passed, prediction, wrong }: CheckResult): TestOutcome {
  const { name, from, to, expect } = test;
  const { verdict, reason, because } = prediction;
  const why = passed ? [] : wrong.length === 0 ? [`${verdict}: ${because}`] : wrong.map(describe);
  return { suite, name, from, to, passed, expected: expect, got: { verdict, reason, because }, why };
}

function describe(one: PredictedCase): string {
  const rule = decidingRule(one);
  const where = one.endpoints[0] === undefined ? '' : ` by ${one.endpoints[0]}`;
  const decided = rule === undefined ? '' : ` (policy ${rule.policy}, rule ${rule.rule})`;
  const atWaypoint = one.http?.nearestMiss ?? one.ledTo?.nearestMiss;
  const atEndpoint = one.policy?.nearestMiss;
  const miss = atWaypoint ? describeHttpMiss(atWaypoint) : atEndpoint && describeMiss(atEndpoint);
  const closest = miss === undefined ? '' : `; closest: ${miss}`;
  return `${one.verdict}${where}: ${one.because}${decided}${closest}`;
}
