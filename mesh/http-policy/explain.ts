/** Why was it denied, and what came closest to allowing it? Runs only for denials and for people who ask. */
import type { RuleRef } from '../policy/compile.ts';
import type { CompiledClause, CompiledHttpPolicy, CompiledMatch, CompiledRule, CompiledTest } from './compile.ts';
import type { HttpScope } from './evaluate.ts';
import { type HttpFacts, valuesOf } from './facts.ts';
import type { PolicyField, PolicyTest } from './model.ts';
import { formatPattern } from './patterns.ts';

export type HttpNearestMiss = {
  readonly policy: string;
  readonly rule: number;
  /** As policies call it: `paths`, `notMethods`, `request.headers[x-user]`. */
  readonly field: string;
  readonly wanted: string;
  /** Headers of callers may be secrets: whether they were there is all that is said of them. */
  readonly got: string;
};

export type HttpExplanation = {
  /** Enforced policies in scope, as `namespace/name`. */
  readonly considered: readonly string[];
  readonly nearestMiss?: HttpNearestMiss;
};

type Miss = { readonly rule: CompiledRule; readonly failed: number; readonly held: number; readonly at: PolicyTest };

/**
 * The policies considered, and the ALLOW rule that came closest: fewest tests failed, then most held, then policy order; of very
 * many rules, the first so many are compared. Only where it was the lack of an ALLOW match that denied.
 */
export function explainHttp(scope: HttpScope, facts: HttpFacts, mostCompared = MOST_COMPARED): HttpExplanation {
  const considered = consideredIn(scope);
  if (scope.deny.firstMatch(facts) !== undefined || scope.allow.firstMatch(facts) !== undefined) return { considered };
  const nearestMiss = nearestOf(scope.allow.policies, facts, mostCompared);
  return nearestMiss === undefined ? { considered } : { considered, nearestMiss };
}

/** Every rule that is enforced and matches, DENY first: also those that another one left nothing to decide. */
export function matchingHttpRules(scope: HttpScope, facts: HttpFacts): readonly RuleRef[] {
  return [...scope.deny.allMatches(facts), ...scope.allow.allMatches(facts)].map(({ ref }) => ref);
}

/** One list for all denials of a scope. */
const CONSIDERED = new WeakMap<HttpScope, readonly string[]>();

function consideredIn(scope: HttpScope): readonly string[] {
  let considered = CONSIDERED.get(scope);
  if (considered === undefined) {
    considered = [...scope.deny.policies, ...scope.allow.policies].map(({ key }) => key);
    CONSIDERED.set(scope, considered);
  }
  return considered;
}

/** Rules that are compared for a nearest miss: who is denied must not be able to keep a proxy busy. */
const MOST_COMPARED = 1_024;

function nearestOf(
  policies: readonly CompiledHttpPolicy[],
  facts: HttpFacts,
  mostCompared: number,
): HttpNearestMiss | undefined {
  let nearest: Miss | undefined;
  let left = mostCompared;
  for (const { rules } of policies) {
    for (const rule of rules) {
      if (left-- === 0) return nearest && describe(nearest, facts);
      const miss = missOf(rule, facts);
      if (miss !== undefined && (nearest === undefined || closer(miss, nearest))) nearest = miss;
    }
  }
  return nearest && describe(nearest, facts);
}

function closer(a: Miss, b: Miss): boolean {
  return a.failed < b.failed || (a.failed === b.failed && a.held > b.held);
}

function missOf(rule: CompiledRule, facts: HttpFacts): Miss | undefined {
  let failed = 0;
  let held = 0;
  let at: PolicyTest | undefined;
  for (const clause of rule.clauses) {
    const best = bestMatch(clause, facts);
    if (best === undefined) return undefined;
    failed += best.wrong.length;
    held += best.match.length - best.wrong.length;
    at ??= best.wrong[0]?.test;
  }
  return at && { rule, failed, held, at };
}

/** The alternative of a clause that came closest. */
function bestMatch(clause: CompiledClause, facts: HttpFacts) {
  let best: { readonly match: CompiledMatch; readonly wrong: readonly CompiledTest[] } | undefined;
  for (const match of clause) {
    const wrong = match.filter((test) => !test.holds(facts));
    if (best === undefined || wrong.length < best.wrong.length) best = { match, wrong };
  }
  return best;
}

function describe({ rule, at }: Miss, facts: HttpFacts): HttpNearestMiss {
  const list = at.patterns.map(formatPattern).join(', ');
  const wanted = at.negated ? `none of ${list}` : list;
  return { ...rule.ref, field: fieldName(at), wanted, got: got(at, facts) };
}

const NAMES: Readonly<Record<PolicyField, string>> = {
  PRINCIPAL: 'principals',
  NAMESPACE: 'namespaces',
  SERVICE_ACCOUNT: 'serviceAccounts',
  TRUST_DOMAIN: 'trustDomains',
  SOURCE_IP: 'ipBlocks',
  DESTINATION_IP: 'destination.ip',
  DESTINATION_PORT: 'ports',
  SNI: 'connection.sni',
  HOST: 'hosts',
  METHOD: 'methods',
  PATH: 'paths',
  HEADER: 'request.headers',
  REQUEST_PRINCIPAL: 'requestPrincipals',
  AUDIENCE: 'request.auth.audiences',
  PRESENTER: 'request.auth.presenter',
  CLAIM: 'request.auth.claims',
};

function fieldName({ field, negated, header, claim }: PolicyTest): string {
  const name = NAMES[field];
  if (field === 'HEADER') return `${name}[${header}]`;
  if (field === 'CLAIM') return name + claim.map((part) => `[${part}]`).join('');
  return negated && !name.includes('.') ? `not${name.charAt(0).toUpperCase()}${name.slice(1)}` : name;
}

const ABSENT: Partial<Readonly<Record<PolicyField, string>>> = {
  PRINCIPAL: 'no identity (plaintext)',
  NAMESPACE: 'no identity (plaintext)',
  SERVICE_ACCOUNT: 'no identity (plaintext)',
  TRUST_DOMAIN: 'no identity (plaintext)',
  REQUEST_PRINCIPAL: 'no valid token',
};

/** What a caller can fill is cut: it goes into receipts and logs. */
const MOST_SHOWN = 256;

function got(test: PolicyTest, facts: HttpFacts): string {
  const values = valuesOf(facts, test);
  if (values === undefined || values.length === 0) return ABSENT[test.field] ?? 'nothing';
  if (test.field === 'HEADER') return 'another value';
  const shown = typeof values === 'string' ? values : values.join(', ');
  return shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}…` : shown;
}
