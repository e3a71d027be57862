/** Why was it denied, and what came closest to allowing it? Runs only for denials and for people who ask. */
import { formatSocketAddress } from '../address.ts';
import { formatCidr } from '../cidr.ts';
import type { Match } from '../model.ts';
import type { CompiledClause, CompiledMatch, CompiledPolicy, CompiledRule, FieldTest, RuleRef } from './compile.ts';
import type { DryRunHit } from './evaluate.ts';
import type { PolicyScope } from './scope.ts';
import { formatStringMatch } from './strings.ts';
import { type ConnectionFacts, Subject } from './subject.ts';

export type NearestMiss = {
  readonly policy: string;
  readonly rule: number;
  /** The first field that failed. */
  readonly field: keyof Match;
  readonly wanted: string;
  readonly got: string;
};

export type Explanation = {
  /** Enforced policies in scope, as `namespace/name`. */
  readonly considered: readonly string[];
  readonly nearestMiss?: NearestMiss;
};

type Miss = { readonly rule: CompiledRule; readonly failed: number; readonly held: number; readonly at: FailedField };
type FailedField = { readonly match: CompiledMatch; readonly test: FieldTest };

/**
 * The policies considered, and the ALLOW rule that came closest: fewest fields failed, then most held, then policy order;
 * of very many rules, the first 1,024 are compared.
 * Only where it was the lack of an ALLOW match that denied: next to a DENY match, or a policy that is still on its way, a miss
 * would send people to the wrong place.
 */
export function explain(scope: PolicyScope, conn: ConnectionFacts): Explanation {
  const subject = new Subject(conn);
  const considered = consideredIn(scope);
  const otherReason = scope.deny.firstMatch(subject) !== undefined || scope.missing.length > 0;
  if (otherReason || scope.allow.firstMatch(subject) !== undefined) return { considered };
  const nearestMiss = nearestOf(scope.allow.policies, subject);
  return nearestMiss === undefined ? { considered } : { considered, nearestMiss };
}

/** One list for all denials of a scope: they may be many, and so may its policies be. */
const CONSIDERED = new WeakMap<PolicyScope, readonly string[]>();

function consideredIn(scope: PolicyScope): readonly string[] {
  let considered = CONSIDERED.get(scope);
  if (considered === undefined) {
    considered = [...scope.deny.policies, ...scope.allow.policies].map((p) => p.key);
    CONSIDERED.set(scope, considered);
  }
  return considered;
}

/** What came closest to matching in an ALLOW policy that is tried out, when it would have denied. */
export function explainDryRun(scope: PolicyScope, conn: ConnectionFacts, hit: DryRunHit): NearestMiss | undefined {
  if (hit.action === 'DENY' || hit.would === 'allow') return undefined;
  const tried = scope.dryRunAllow.policies.filter(({ key }) => key === hit.policy);
  return nearestOf(tried, new Subject(conn));
}

/** Rules that are compared for a nearest miss: who is denied must not be able to keep a proxy busy. */
const MOST_COMPARED = 1_024;

/** Every rule that is enforced and matches, DENY first: also those that another one left nothing to decide. */
export function matchingRules(scope: PolicyScope, conn: ConnectionFacts): readonly RuleRef[] {
  const subject = new Subject(conn);
  return [...scope.deny.allMatches(subject), ...scope.allow.allMatches(subject)].map(({ ref }) => ref);
}

function nearestOf(policies: readonly CompiledPolicy[], subject: Subject): NearestMiss | undefined {
  let nearest: Miss | undefined;
  let left = MOST_COMPARED;
  for (const policy of policies) {
    for (const rule of policy.rules) {
      if (left-- === 0) return nearest && describe(nearest, subject);
      const miss = missOf(rule, subject);
      if (miss !== undefined && (nearest === undefined || closer(miss, nearest))) nearest = miss;
    }
  }
  return nearest && describe(nearest, subject);
}

function closer(a: Miss, b: Miss): boolean {
  return a.failed < b.failed || (a.failed === b.failed && a.held > b.held);
}

function missOf(rule: CompiledRule, subject: Subject): Miss | undefined {
  let failed = 0;
  let held = 0;
  let at: FailedField | undefined;
  for (const clause of rule.clauses) {
    const best = bestMatch(clause, subject);
    if (best === undefined) return undefined;
    failed += best.failed;
    held += best.held;
    at ??= best.at;
  }
  return at && { rule, failed, held, at };
}

/** The alternative of a clause that came closest. */
function bestMatch(clause: CompiledClause, subject: Subject) {
  let best: { readonly failed: number; readonly held: number; readonly at: FailedField | undefined } | undefined;
  for (const match of clause) {
    const wrong = match.tests.filter((test) => !test.holds(subject));
    const first = wrong[0];
    if (best !== undefined && wrong.length >= best.failed) continue;
    best = {
      failed: wrong.length,
      held: match.tests.length - wrong.length,
      at: first && { match, test: first },
    };
  }
  return best;
}

function describe({ rule, at }: Miss, subject: Subject): NearestMiss {
  const { field } = at.test;
  return { ...rule.ref, field, wanted: wanted(at.match.written, field), got: got(field, subject) };
}

function wanted(match: Match, field: keyof Match): string {
  const list = FORMAT[field](match).join(', ');
  return field.startsWith('not') ? `none of ${list}` : list;
}

const FORMAT: Readonly<Record<keyof Match, (m: Match) => readonly string[]>> = {
  namespaces: (m) => m.namespaces.map(formatStringMatch),
  notNamespaces: (m) => m.notNamespaces.map(formatStringMatch),
  principals: (m) => m.principals.map(formatStringMatch),
  notPrincipals: (m) => m.notPrincipals.map(formatStringMatch),
  sourceIps: (m) => m.sourceIps.map(formatCidr),
  notSourceIps: (m) => m.notSourceIps.map(formatCidr),
  destinationIps: (m) => m.destinationIps.map(formatCidr),
  notDestinationIps: (m) => m.notDestinationIps.map(formatCidr),
  destinationPorts: (m) => m.destinationPorts.map(String),
  notDestinationPorts: (m) => m.notDestinationPorts.map(String),
  serviceAccounts: (m) => m.serviceAccounts.map((a) => `${a.namespace}/${a.serviceAccount}`),
  notServiceAccounts: (m) => m.notServiceAccounts.map((a) => `${a.namespace}/${a.serviceAccount}`),
};

const NOBODY = 'no identity (plaintext)';

const through = (waypoint: string | undefined): string =>
  waypoint === undefined ? '' : ` (through waypoint ${waypoint})`;

function got(field: keyof Match, subject: Subject): string {
  switch (field) {
    case 'namespaces':
    case 'notNamespaces':
      return subject.namespace || NOBODY;
    case 'principals':
    case 'notPrincipals':
      return `${subject.principal || NOBODY}${through(subject.waypoint?.principal)}`;
    case 'serviceAccounts':
    case 'notServiceAccounts':
      return `${subject.serviceAccount || NOBODY}${through(subject.waypoint?.serviceAccount)}`;
    case 'sourceIps':
    case 'notSourceIps':
      return subject.facts.original?.ip ?? formatSocketAddress(subject.facts.from);
    case 'destinationIps':
    case 'notDestinationIps':
      return formatSocketAddress(subject.facts.to);
    case 'destinationPorts':
    case 'notDestinationPorts':
      return String(subject.port);
    default:
      return field satisfies never;
  }
}
