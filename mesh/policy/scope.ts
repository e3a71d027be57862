/** The policies that apply to one workload, ready to decide. */
import type { CompiledPolicy } from './compile.ts';
import { RuleIndex } from './rule-index.ts';

export type PolicyScope = {
  readonly deny: RuleIndex;
  readonly allow: RuleIndex;
  readonly dryRunDeny: RuleIndex;
  readonly dryRunAllow: RuleIndex;
  /** Policies that the workload names and nobody has sent yet, as `namespace/name`, sorted. */
  readonly missing: readonly string[];
};

/** Builds a scope. The result does not depend on the order in which policies are passed. */
export function policyScope(policies: Iterable<CompiledPolicy>, missing: readonly string[]): PolicyScope {
  const sorted = [...policies].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const pick = (action: 'ALLOW' | 'DENY', dryRun: boolean) =>
    new RuleIndex(sorted.filter((p) => p.authorization.action === action && p.authorization.dryRun === dryRun));
  return {
    deny: pick('DENY', false),
    allow: pick('ALLOW', false),
    dryRunDeny: pick('DENY', true),
    dryRunAllow: pick('ALLOW', true),
    missing: [...missing].sort(),
  };
}
