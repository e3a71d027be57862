/**
 * Authorizations compiled once, when they arrive, into flat lists of field tests. The boolean structure is that of
 * `istio.security.Authorization`: OR of rules, AND of clauses, OR of matches, AND of fields.
 */
import { type CompiledCidr, cidrContains, compileCidr, type NumericIp } from '../cidr.ts';
import { type Authorization, type AuthorizationRule, authorizationKey, type Match } from '../model.ts';
import { compileStrings, matchesAny } from './strings.ts';
import type { Subject } from './subject.ts';

/** Names one rule of one policy. */
export type RuleRef = {
  /** `namespace/name`. */
  readonly policy: string;
  /** From 0, in the order of the policy. */
  readonly rule: number;
};

export type FieldTest = { readonly field: keyof Match; readonly holds: (subject: Subject) => boolean };

export type CompiledMatch = { readonly written: Match; readonly tests: readonly FieldTest[] };

/** A clause that always holds is not kept; one without matches here can never hold. */
export type CompiledClause = readonly CompiledMatch[];

export type CompiledRule = { readonly ref: RuleRef; readonly clauses: readonly CompiledClause[] };

export type CompiledPolicy = {
  readonly key: string;
  readonly authorization: Authorization;
  readonly rules: readonly CompiledRule[];
};

/** Throws RangeError for a CIDR whose prefix does not fit its address; decoding and derivation never let one through. */
export function compilePolicy(authorization: Authorization): CompiledPolicy {
  const key = authorizationKey(authorization);
  const rules = authorization.rules.map((rule, index) => compileRule(rule, { policy: key, rule: index }));
  return { key, authorization, rules };
}

function compileRule(rule: AuthorizationRule, ref: RuleRef): CompiledRule {
  const constraining = rule.clauses.filter((clause) => clause.matches.length > 0);
  const clauses = constraining.map((clause) =>
    // A match with every field empty matches nothing, so it adds no way for its clause to hold.
    clause.matches.map(compileMatch).filter((match) => match.tests.length > 0),
  );
  return { ref, clauses };
}

export function ruleMatches(rule: CompiledRule, subject: Subject): boolean {
  for (const clause of rule.clauses) if (!clauseHolds(clause, subject)) return false;
  return true;
}

function clauseHolds(clause: CompiledClause, subject: Subject): boolean {
  for (const match of clause) if (matchHolds(match, subject)) return true;
  return false;
}

function matchHolds(match: CompiledMatch, subject: Subject): boolean {
  for (const test of match.tests) if (!test.holds(subject)) return false;
  return true;
}

type Compile = (match: Match) => ((subject: Subject) => boolean) | undefined;

/** Cheap and telling fields first: most rules fail on their identity or port. */
const FIELDS: readonly (readonly [keyof Match, Compile])[] = [
  ['principals', (m) => principals(m.principals)],
  ['serviceAccounts', (m) => serviceAccounts(m.serviceAccounts)],
  ['namespaces', (m) => namespaces(m.namespaces)],
  ['destinationPorts', (m) => ports(m.destinationPorts)],
  ['notPrincipals', (m) => not(principals(m.notPrincipals))],
  ['notServiceAccounts', (m) => not(serviceAccounts(m.notServiceAccounts))],
  ['notNamespaces', (m) => not(namespaces(m.notNamespaces))],
  ['notDestinationPorts', (m) => not(ports(m.notDestinationPorts))],
  ['sourceIps', (m) => ranges(m.sourceIps, (s) => s.from)],
  ['notSourceIps', (m) => not(ranges(m.notSourceIps, (s) => s.from))],
  ['destinationIps', (m) => ranges(m.destinationIps, (s) => s.to)],
  ['notDestinationIps', (m) => not(ranges(m.notDestinationIps, (s) => s.to))],
];

function compileMatch(written: Match): CompiledMatch {
  const tests: FieldTest[] = [];
  for (const [field, compile] of FIELDS) {
    const holds = compile(written);
    if (holds !== undefined) tests.push({ field, holds });
  }
  return { written, tests };
}

type Test = (subject: Subject) => boolean;

function not(test: Test | undefined): Test | undefined {
  return test && ((subject) => !test(subject));
}

function principals(list: Match['principals']): Test | undefined {
  if (list.length === 0) return undefined;
  const strings = compileStrings(list);
  // Nobody is not a principal: even an empty prefix does not match a peer without identity.
  return (subject) => subject.principal !== '' && matchesAny(strings, subject.principal);
}

function namespaces(list: Match['namespaces']): Test | undefined {
  if (list.length === 0) return undefined;
  const strings = compileStrings(list);
  return (subject) => matchesAny(strings, subject.namespace);
}

function serviceAccounts(list: Match['serviceAccounts']): Test | undefined {
  if (list.length === 0) return undefined;
  const accounts = new Set(list.map((a) => `${a.namespace}/${a.serviceAccount}`));
  return (subject) => accounts.has(subject.serviceAccount);
}

function ports(list: readonly number[]): Test | undefined {
  if (list.length === 0) return undefined;
  const set = new Set(list);
  return (subject) => set.has(subject.port);
}

function ranges(list: Match['sourceIps'], of: (subject: Subject) => NumericIp): Test | undefined {
  if (list.length === 0) return undefined;
  const compiled: readonly CompiledCidr[] = list.map(compileCidr);
  return (subject) => {
    const ip = of(subject);
    for (const range of compiled) if (cidrContains(range, ip)) return true;
    return false;
  };
}
