/** May this connection come in? */
import type { RuleRef } from './compile.ts';
import { formatRequirement } from './require-waypoint.ts';
import type { PolicyScope } from './scope.ts';
import { type ConnectionFacts, Subject } from './subject.ts';

/** Why a verdict is what it is; a {@link RuleRef} names the rule that made it. */
export type Because = RuleRef | 'no-allow-policies' | 'no-allow-match' | 'policy-not-yet-known';

/** What a policy that is only tried out would have done, were it alone in being enforced. */
export type DryRunHit = {
  /** `namespace/name`. */
  readonly policy: string;
  /** Absent when no rule of an ALLOW policy matched, which is what would have denied. */
  readonly rule?: number;
  readonly action: 'ALLOW' | 'DENY';
  readonly would: 'allow' | 'deny';
  /** Whether the verdict would have been another one. */
  readonly changes: boolean;
};

export type PolicyDecision = {
  readonly verdict: 'allow' | 'deny';
  readonly because: Because;
  /** Policies named and not held; present with `policy-not-yet-known` only. */
  readonly missing?: readonly string[];
  readonly dryRunHits?: readonly DryRunHit[];
};

/** A DENY match wins; a policy that is named but not held denies; without any ALLOW policy in scope, traffic passes. */
export function evaluate(scope: PolicyScope, conn: ConnectionFacts): PolicyDecision {
  const subject = new Subject(conn);
  const decision = enforced(scope, subject);
  if (scope.dryRunDeny.policies.length === 0 && scope.dryRunAllow.policies.length === 0) return decision;
  const dryRunHits = tryOut(scope, subject, decision);
  return dryRunHits.length === 0 ? decision : { ...decision, dryRunHits };
}

function enforced(scope: PolicyScope, subject: Subject): PolicyDecision {
  const denied = scope.deny.firstMatch(subject);
  if (denied !== undefined) return { verdict: 'deny', because: denied.ref };
  if (scope.missing.length > 0) return { verdict: 'deny', because: 'policy-not-yet-known', missing: scope.missing };
  if (scope.allow.policies.length === 0) return { verdict: 'allow', because: 'no-allow-policies' };
  const allowed = scope.allow.firstMatch(subject);
  if (allowed !== undefined) return { verdict: 'allow', because: allowed.ref };
  return { verdict: 'deny', because: 'no-allow-match' };
}

function tryOut(scope: PolicyScope, subject: Subject, decision: PolicyDecision): readonly DryRunHit[] {
  const hits: DryRunHit[] = [];
  const denies = { would: 'deny', changes: decision.verdict === 'allow' } as const;
  // Where a DENY matched or a policy is missing, another ALLOW would not have helped.
  const allows = { would: 'allow', changes: decision.because === 'no-allow-match' } as const;
  for (const { ref } of scope.dryRunDeny.allMatches(subject)) hits.push({ ...ref, action: 'DENY', ...denies });
  const allowed = scope.dryRunAllow.allMatches(subject);
  for (const { ref } of allowed) hits.push({ ...ref, action: 'ALLOW', ...allows });
  // The first ALLOW policy of a workload turns its default from allow to deny: a dry run must show that, too.
  if (allowed.length === 0 && scope.allow.policies.length === 0) {
    for (const { key } of scope.dryRunAllow.policies) hits.push({ policy: key, action: 'ALLOW', ...denies });
  }
  return hits;
}

/** For logs and people: `DENY policy ns/name, rule 0: would deny`. */
export function formatDryRunHit({ policy, rule, action, would }: DryRunHit): string {
  const what =
    rule === undefined ? `no rule of ${action} policy ${policy} matches` : `${action} policy ${policy}, rule ${rule}`;
  return `${what}: would ${would}`;
}

/** For logs and people: `policy ns/name, rule 0`, or the reason in words. */
export function formatBecause(because: Because): string {
  if (typeof because === 'object') {
    const { policy, rule, waypoints } = because;
    return `policy ${policy}, ${waypoints === undefined ? `rule ${rule}` : formatRequirement(policy, waypoints)}`;
  }
  switch (because) {
    case 'no-allow-policies':
      return 'no ALLOW policy applies, so everything is allowed';
    case 'no-allow-match':
      return 'ALLOW policies apply and none of them matches';
    case 'policy-not-yet-known':
      return 'a policy that the workload names has not arrived yet';
    default:
      return because satisfies never;
  }
}
