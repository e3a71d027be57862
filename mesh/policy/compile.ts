/**
 * Authorizations compiled once, when they arrive, into flat lists of field tests. The boolean structure is that of
 * `istio.security.Authorization`: OR of rules, AND of clauses, OR of matches, AND of fields.
 */
import { type CompiledCidr, cidrContains, compileCidr, type NumericIp } from '../cidr.ts';
import { type Authorization, type AuthorizationRule, authorizationKey, type Match } from '../model.ts';
import { requiredWaypoints, requiresWaypoint } from './require-waypoint.ts';
import { compileStrings, matchesAny } from './strings.ts';
import type { Subject } from './subject.ts';

/** Names one rule of one policy. */
export type RuleRef = {
  /** `namespace/name`. */
  readonly policy: string;
  /** From 0, in the order of the policy. */
  readonly rule: number;
  /** Of a policy that requires a waypoint: who that is, identities without their scheme. */
  readonly waypoints?: readonly string[];
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
  const isRequirement = requiresWaypoint(authorization.name);
  const fields = isRequirement ? FIELDS_OF_PEER : FIELDS;
  const about = { policy: key, ...(isRequirement && { waypoints: requiredWaypoints(authorization) }) };
  const rules = authorization.rules.map((rule, index) => compileRule(rule, { ...about, rule: index }, fields));
  return { key, authorization, rules };
}

function compileRule(rule: AuthorizationRule, ref: RuleRef, fields: Fields): CompiledRule {
  const constraining = rule.clauses.filter((clause) => clause.matches.length > 0);
  const clauses = constraining.map((clause) =>
    // A match with every field empty matches nothing, so it adds no way for its clause to hold.
    clause.matches.map((match) => compileMatch(match, fields)).filter((match) => match.tests.length > 0),
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
type Fields = readonly (readonly [keyof Match, Compile])[];

/**
 * Cheap and telling fields first: most rules fail on their identity or port. Behind a waypoint the original caller is looked at;
 * only who asks for a whole identity can mean the waypoint, too.
 */
const FIELDS: Fields = [
  ['principals', (m) => or(principals(m.principals), exactlyWaypoint(m.principals))],
  ['serviceAccounts', (m) => or(serviceAccounts(m.serviceAccounts), waypointAccounts(m.serviceAccounts))],
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

/** Who comes through the waypoint is told by the peer alone. */
const FIELDS_OF_PEER: Fields = [
  ...FIELDS.filter(([field]) => field !== 'notPrincipals'),
  ['notPrincipals', (m) => not(principals(m.notPrincipals, (subject) => subject.peerPrincipal))],
];

function compileMatch(written: Match, fields: Fields): CompiledMatch {
  const tests: FieldTest[] = [];
  for (const [field, compile] of fields) {
    const holds = compile(written);
    if (holds !== undefined) tests.push({ field, holds });
  }
  return { written, tests };
}

type Test = (subject: Subject) => boolean;

function not(test: Test | undefined): Test | undefined {
  return test && ((subject) => !test(subject));
}

function or(test: Test | undefined, other: Test | undefined): Test | undefined {
  if (test === undefined || other === undefined) return test;
  return (subject) => test(subject) || other(subject);
}

const ofCaller = (subject: Subject): string => subject.principal;

function principals(list: Match['principals'], of = ofCaller): Test | undefined {
  if (list.length === 0) return undefined;
  const strings = compileStrings(list);
  // Nobody is not a principal: even an empty prefix does not match a peer without identity.
  return (subject) => of(subject) !== '' && matchesAny(strings, of(subject));
}

/** A waypoint that calls for somebody, named as a whole: patterns are about the caller. */
function exactlyWaypoint(list: Match['principals']): Test | undefined {
  const { exact } = compileStrings(list);
  if (exact.size === 0) return undefined;
  return ({ waypoint }) => waypoint !== undefined && exact.has(waypoint.principal);
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

function waypointAccounts(list: Match['serviceAccounts']): Test | undefined {
  if (list.length === 0) return undefined;
  const accounts = new Set(list.map((a) => `${a.namespace}/${a.serviceAccount}`));
  return ({ waypoint }) => waypoint !== undefined && accounts.has(waypoint.serviceAccount);
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
