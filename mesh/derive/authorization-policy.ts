/**
 * AuthorizationPolicy to the L4 policy that ztunnels enforce. What L4 can not see, and what can not be read, never admits
 * anything: a rule of an ALLOW policy that has such a part is left out, in a DENY policy the part is, so that it denies more.
 * A policy that is unreadable as a whole allows nothing or denies everything, in all of its namespace if need be.
 */
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { Authorization } from '../model.ts';
import { type RuleReading, translateRule } from './policy-rules.ts';
import { type PolicySelector, readPolicySelector } from './policy-selector.ts';
import { type PolicyStatus, statusOf } from './policy-status.ts';
import { type Fields, fields, isFields, type Labels } from './read.ts';

/** What became of a policy. */
export type PolicyReading =
  | {
      readonly kind: 'policy';
      /** Its rules have the numbers of the rules in the object. */
      readonly authorization: Authorization;
      /** Whom it selects, for scope WORKLOAD_SELECTOR. */
      readonly selector: Labels | undefined;
      /** One for each rule of the object; none when the policy is unreadable as a whole. */
      readonly rules: readonly RuleReading[];
      readonly status: PolicyStatus;
    }
  /** Not for ztunnel: bound to a waypoint. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'refused'; readonly status: PolicyStatus };

const SPEC_FIELDS: ReadonlySet<string> = new Set([
  'selector',
  'targetRef',
  'targetRefs',
  'action',
  'provider',
  'rules',
]);
export const DRY_RUN = 'istio.io/dry-run';

export function readAuthorizationPolicy(object: KubeObject, config: MeshConfig): PolicyReading {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  const target = readTarget(spec);
  if (target === 'waypoint') return { kind: 'elsewhere' };
  const action = spec['action'] ?? 'ALLOW';
  if (action === 'CUSTOM' || action === 'AUDIT') {
    const message = `spec.action: ztunnel does not support ${JSON.stringify(action)}; nothing of this policy is enforced`;
    return { kind: 'refused', status: { status: 'False', reason: 'UnsupportedValue', message } };
  }
  const selector = readPolicySelector(spec['selector']);
  const rules = spec['rules'] ?? [];
  const problem = target === 'malformed' ? 'spec.targetRefs: not references' : problemOf(spec, action, selector, rules);
  const known = action === 'ALLOW' ? 'ALLOW' : 'DENY';
  const readable = problem === undefined && Array.isArray(rules) ? rules : [];
  const read = readable.map((rule: unknown, index) => translateRule(rule, index, known, { namespace, config }));
  const { dryRun, remarks } = readDryRun(annotations?.[DRY_RUN]);
  const labels = selector.kind === 'labels' ? selector.labels : undefined;
  return {
    kind: 'policy',
    authorization: {
      name,
      namespace,
      scope: labels ? 'WORKLOAD_SELECTOR' : namespace === config.rootNamespace ? 'GLOBAL' : 'NAMESPACE',
      action: known,
      rules: problem !== undefined && known === 'DENY' ? [{ clauses: [] }] : read.map(({ rule }) => rule),
      dryRun,
    },
    selector: labels,
    rules: read.map(({ enforcement, http, problems }) => ({ enforcement, http, problems })),
    status:
      problem === undefined
        ? statusOf({ action: known, dryRun, rules: read, remarks })
        : invalid(problem, { action: known, dryRun, selects: labels !== undefined }),
  };
}

/** What makes the policy as a whole unreadable. It must not count for nothing then: it denies what it may have been about. */
function problemOf(spec: Fields, action: unknown, selector: PolicySelector, rules: unknown) {
  const unknown = Object.keys(spec).find((field) => !SPEC_FIELDS.has(field));
  if (unknown !== undefined) return `spec.${unknown}: unknown field`;
  if (action !== 'ALLOW' && action !== 'DENY') return `spec.action: ${JSON.stringify(action)} is no action`;
  if (spec['provider'] != null) return 'spec.provider: goes with action CUSTOM only';
  if (selector.kind === 'unreadable') return selector.problem;
  return Array.isArray(rules) ? undefined : 'spec.rules: not a list';
}

function invalid(
  problem: string,
  {
    action,
    dryRun,
    selects,
  }: { readonly action: 'ALLOW' | 'DENY'; readonly dryRun: boolean; readonly selects: boolean },
): PolicyStatus {
  const effect = `${action === 'ALLOW' ? 'this policy allows nothing' : 'everything is denied'} ${
    selects ? 'to what it selects' : 'in all of its namespace'
  }`;
  const message = `${problem}; until it is corrected, ${effect}${dryRun ? ' (as a dry run: nothing is cut)' : ''}`;
  return { status: 'False', reason: 'Invalid', message };
}

function readTarget(spec: Fields): 'waypoint' | 'none' | 'malformed' {
  const { targetRef = null, targetRefs = null } = spec;
  if ((targetRef !== null && !isFields(targetRef)) || (targetRefs !== null && !Array.isArray(targetRefs))) {
    return 'malformed';
  }
  return targetRef !== null || (Array.isArray(targetRefs) && targetRefs.length > 0) ? 'waypoint' : 'none';
}

/** The spellings of truth that Kubernetes tools accept. What is neither must not switch a policy off. */
export function readDryRun(value: string | undefined): {
  readonly dryRun: boolean;
  readonly remarks: readonly string[];
} {
  if (value === undefined || ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value))
    return { dryRun: false, remarks: [] };
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return { dryRun: true, remarks: [] };
  const remark = `annotation ${DRY_RUN}: ${JSON.stringify(value)} is neither true nor false, so the policy is enforced`;
  return { dryRun: false, remarks: [remark] };
}
