/** May this request, or connection, pass? The order is waypoint.md section 4.1: CUSTOM, (tokens,) AUDIT, DENY, ALLOW. */
import type { RuleRef } from '../policy/compile.ts';
import type { DryRunHit } from '../policy/evaluate.ts';
import { type CompiledHttpPolicy, compileHttpPolicy } from './compile.ts';
import type { ChainKind, HttpFacts } from './facts.ts';
import type { HttpPolicy, HttpPolicyAction } from './model.ts';
import { HttpRuleIndex } from './rule-index.ts';

/** The policies that apply to one port of one service, or to a workload, ready to decide. */
export type HttpScope = {
  readonly chain: ChainKind;
  /** By provider, in the order of their names. */
  readonly custom: readonly { readonly provider: string; readonly rules: HttpRuleIndex }[];
  readonly audit: HttpRuleIndex;
  readonly deny: HttpRuleIndex;
  readonly allow: HttpRuleIndex;
  readonly dryRunDeny: HttpRuleIndex;
  readonly dryRunAllow: HttpRuleIndex;
};

/** Why a verdict is what it is; a {@link RuleRef} names the rule that made it. */
export type HttpBecause = RuleRef | 'no-allow-policies' | 'no-allow-match';

export type HttpDecision = {
  readonly verdict: 'allow' | 'deny';
  readonly because: HttpBecause;
  /** Rules of AUDIT policies that matched. */
  readonly audited?: readonly RuleRef[];
  readonly dryRunHits?: readonly DryRunHit[];
};

/** Somebody who must be asked before anything else is looked at, and the rule that says so. */
export type CustomCheck = { readonly provider: string; readonly rule: RuleRef };

/** Once per change of configuration. The result does not depend on the order in which policies are passed. */
export function compileHttpPolicies(policies: readonly HttpPolicy[], chain: ChainKind): HttpScope {
  const sorted = policies.map((policy) => compileHttpPolicy(policy, chain)).sort(byKey);
  const pick = (action: HttpPolicyAction, dryRun: boolean) =>
    new HttpRuleIndex(sorted.filter(({ policy }) => policy.action === action && policy.dryRun === dryRun));
  const custom = sorted.filter(({ policy }) => policy.action === 'CUSTOM');
  const providers = [...new Set(custom.map(({ policy }) => policy.provider))].sort();
  return {
    chain,
    custom: providers.map((provider) => ({
      provider,
      rules: new HttpRuleIndex(custom.filter(({ policy }) => policy.provider === provider)),
    })),
    audit: new HttpRuleIndex(sorted.filter(({ policy }) => policy.action === 'AUDIT')),
    deny: pick('DENY', false),
    allow: pick('ALLOW', false),
    dryRunDeny: pick('DENY', true),
    dryRunAllow: pick('ALLOW', true),
  };
}

const byKey = (a: CompiledHttpPolicy, b: CompiledHttpPolicy) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

const NOBODY: readonly CustomCheck[] = [];

/** Who must be asked about this request, in this order. All of them must say yes. Tokens are not known yet. */
export function customChecks(scope: HttpScope, facts: HttpFacts): readonly CustomCheck[] {
  if (scope.custom.length === 0) return NOBODY;
  const checks: CustomCheck[] = [];
  for (const { provider, rules } of scope.custom) {
    const found = rules.firstMatch(facts);
    if (found !== undefined) checks.push({ provider, rule: found.ref });
  }
  return checks;
}

const PASSED: HttpDecision = { verdict: 'allow', because: 'no-allow-policies' };
const UNMATCHED: HttpDecision = { verdict: 'deny', because: 'no-allow-match' };

/** A DENY match wins; without any ALLOW policy in scope, the request passes; else one of their rules must match. */
export function evaluateHttp(scope: HttpScope, facts: HttpFacts): HttpDecision {
  const decision = enforced(scope, facts);
  const audited = scope.audit.allMatches(facts);
  const tries = scope.dryRunDeny.policies.length > 0 || scope.dryRunAllow.policies.length > 0;
  if (audited.length === 0 && !tries) return decision;
  const dryRunHits = tries ? tryOut(scope, facts, decision) : [];
  return {
    ...decision,
    ...(audited.length > 0 && { audited: audited.map(({ ref }) => ref) }),
    ...(dryRunHits.length > 0 && { dryRunHits }),
  };
}

function enforced(scope: HttpScope, facts: HttpFacts): HttpDecision {
  const denied = scope.deny.firstMatch(facts);
  if (denied !== undefined) return { verdict: 'deny', because: denied.ref };
  if (scope.allow.policies.length === 0) return PASSED;
  const allowed = scope.allow.firstMatch(facts);
  return allowed === undefined ? UNMATCHED : { verdict: 'allow', because: allowed.ref };
}

function tryOut(scope: HttpScope, facts: HttpFacts, decision: HttpDecision): readonly DryRunHit[] {
  const hits: DryRunHit[] = [];
  const denies = { would: 'deny', changes: decision.verdict === 'allow' } as const;
  // Where a DENY matched, another ALLOW would not have helped.
  const allows = { would: 'allow', changes: decision.because === 'no-allow-match' } as const;
  for (const { ref } of scope.dryRunDeny.allMatches(facts)) hits.push({ ...ref, action: 'DENY', ...denies });
  const allowed = scope.dryRunAllow.allMatches(facts);
  for (const { ref } of allowed) hits.push({ ...ref, action: 'ALLOW', ...allows });
  // The first ALLOW policy turns the default from allow to deny: a dry run must show that, too.
  if (allowed.length === 0 && scope.allow.policies.length === 0) {
    for (const { key } of scope.dryRunAllow.policies) hits.push({ policy: key, action: 'ALLOW', ...denies });
  }
  return hits;
}

/** The response code detail of a denial, as the reference writes it (waypoint.md section 1.13). */
export function denialDetail(because: HttpBecause): string {
  if (typeof because === 'string') return 'rbac_access_denied_matched_policy[none]';
  const slash = because.policy.indexOf('/');
  const [namespace, name] = [because.policy.slice(0, slash), because.policy.slice(slash + 1)];
  return `rbac_access_denied_matched_policy[ns[${namespace}]-policy[${name}]-rule[${because.rule}]]`;
}
