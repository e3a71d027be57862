/** HttpPolicies compiled once, when they arrive, into flat lists of tests. */
import { cidrContains, compileCidr, type NumericIp, parseCidr } from '../cidr.ts';
import type { RuleRef } from '../policy/compile.ts';
import { type ChainKind, foldEscapes, foldHost, type HttpFacts, isHidden, valuesOf } from './facts.ts';
import type { HttpPolicy, PolicyField, PolicyMatch, PolicyRule, PolicyTest } from './model.ts';
import { compilePatterns } from './patterns.ts';

export type CompiledTest = {
  /** Folded as the values of requests are. */
  readonly test: PolicyTest;
  readonly holds: (facts: HttpFacts) => boolean;
};
export type CompiledMatch = readonly CompiledTest[];
export type CompiledClause = readonly CompiledMatch[];
export type CompiledRule = { readonly ref: RuleRef; readonly clauses: readonly CompiledClause[] };

export type CompiledHttpPolicy = {
  /** `namespace/name`. */
  readonly key: string;
  readonly policy: HttpPolicy;
  readonly rules: readonly CompiledRule[];
};

/**
 * On a connection that is not HTTP, an ALLOW rule with a part that can not be seen there is left out, and other rules lose that
 * part, so that they match more.
 */
export function compileHttpPolicy(policy: HttpPolicy, chain: ChainKind): CompiledHttpPolicy {
  const key = `${policy.namespace}/${policy.name}`;
  const rules: CompiledRule[] = [];
  for (const [index, rule] of policy.rules.entries()) {
    if (policy.action === 'ALLOW' && asksOfHidden(rule, chain)) continue;
    const clauses = rule.clauses.map(({ matches }) =>
      matches.map((match) => compileMatch(match, chain, policy.action === 'ALLOW')),
    );
    rules.push({ ref: { policy: key, rule: index }, clauses });
  }
  return { key, policy, rules };
}

function asksOfHidden(rule: PolicyRule, chain: ChainKind): boolean {
  const tests = rule.clauses.flatMap(({ matches }) => matches.flatMap((match) => match.tests));
  return tests.some(({ field }) => isHidden(field, chain));
}

export function ruleMatches(rule: CompiledRule, facts: HttpFacts): boolean {
  for (const clause of rule.clauses) if (!clauseHolds(clause, facts)) return false;
  return true;
}

function clauseHolds(clause: CompiledClause, facts: HttpFacts): boolean {
  for (const match of clause) if (matchHolds(match, facts)) return true;
  return false;
}

function matchHolds(match: CompiledMatch, facts: HttpFacts): boolean {
  for (const test of match) if (!test.holds(facts)) return false;
  return true;
}

function compileMatch({ tests }: PolicyMatch, chain: ChainKind, admits: boolean): CompiledMatch {
  return tests.filter(({ field }) => !isHidden(field, chain)).map((test) => compileTest(test, admits));
}

/**
 * A header that came in several lines can be read in several ways. The reference compares them joined by commas, which a caller can
 * choose to evade a rule: here a rule that admits must hold for every reading, any other for one of them.
 */
function compileTest(written: PolicyTest, admits: boolean): CompiledTest {
  const test = fold(written);
  if (test.field === 'HEADER' && admits !== test.negated) {
    const all = allMatch(test);
    return { test, holds: test.negated ? (facts) => !all(facts) : all };
  }
  const any = anyMatches(test);
  return { test, holds: test.negated ? (facts) => !any(facts) : any };
}

type Holds = (facts: HttpFacts) => boolean;

const ADDRESSES: Partial<Readonly<Record<PolicyField, (facts: HttpFacts) => NumericIp>>> = {
  SOURCE_IP: ({ peer }) => peer.from,
  DESTINATION_IP: ({ peer }) => peer.to,
};

function anyMatches(test: PolicyTest): Holds {
  const address = ADDRESSES[test.field];
  if (address !== undefined) return inRanges(test, address);
  const matches = compilePatterns(test.patterns, test.field === 'HEADER');
  return (facts) => {
    const values = valuesOf(facts, test);
    if (values === undefined) return false;
    if (typeof values === 'string') return matches(values);
    for (const value of values) if (matches(value)) return true;
    return false;
  };
}

/** False where there is no such header. */
function allMatch(test: PolicyTest): Holds {
  const matches = compilePatterns(test.patterns, true);
  return (facts) => {
    const values = valuesOf(facts, test);
    if (values === undefined) return false;
    return typeof values === 'string' ? matches(values) : values.every(matches);
  };
}

function inRanges({ patterns }: PolicyTest, address: (facts: HttpFacts) => NumericIp): Holds {
  // What is no range is in a message that our own controller did not write; it holds for nobody.
  const ranges = patterns.map(({ value }) => parseCidr(value)).filter((cidr) => cidr !== undefined);
  const compiled = ranges.map(compileCidr);
  return (facts) => {
    const ip = address(facts);
    for (const range of compiled) if (cidrContains(range, ip)) return true;
    return false;
  };
}

const FOLD: Partial<Readonly<Record<PolicyField, (text: string) => string>>> = {
  HOST: foldHost,
  SNI: foldHost,
  PATH: foldEscapes,
};

function fold(test: PolicyTest): PolicyTest {
  const folded = FOLD[test.field];
  if (folded === undefined) return test;
  return { ...test, patterns: test.patterns.map(({ kind, value }) => ({ kind, value: folded(value) })) };
}
