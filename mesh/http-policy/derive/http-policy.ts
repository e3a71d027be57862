/**
 * AuthorizationPolicy to what the waypoints of its targets enforce. A policy that is unreadable as a whole allows nothing (ALLOW),
 * or matches everything: it denies all, or asks about all.
 */
import { DRY_RUN, readDryRun } from '../../derive/authorization-policy.ts';
import type { RuleReading } from '../../derive/policy-rules.ts';
import { type Fields, fields, text } from '../../derive/read.ts';
import type { KubeObject, MeshConfig } from '../../kube-object.ts';
import type { HttpPolicy, HttpPolicyAction } from '../model.ts';
import { readRule } from './rules.ts';
import { readTargets, type TargetsReading } from './targets.ts';

export type HttpPolicyReading = TargetsReading & {
  /** Its rules have the numbers of the rules in the object. */
  readonly policy: HttpPolicy;
  /** One for each rule of the object; none when the policy is unreadable as a whole. */
  readonly rules: readonly RuleReading[];
  /** What makes the policy as a whole unreadable. */
  readonly problem: string | undefined;
  /** About the policy as a whole, which is enforced all the same. */
  readonly remarks: readonly string[];
};

const SPEC_FIELDS: ReadonlySet<string> = new Set([
  'selector',
  'targetRef',
  'targetRefs',
  'action',
  'provider',
  'rules',
]);
const ACTIONS: readonly HttpPolicyAction[] = ['ALLOW', 'DENY', 'AUDIT', 'CUSTOM'];

/** Undefined for a policy that is not for waypoints. */
export function readHttpPolicy(object: KubeObject, config: MeshConfig): HttpPolicyReading | undefined {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  const attached = readTargets(spec, namespace, config.rootNamespace);
  if (attached === undefined) return undefined;
  const written = spec['action'] ?? 'ALLOW';
  const action = ACTIONS.find((known) => known === written) ?? 'DENY';
  const provider = text(fields(spec['provider'])['name']);
  const rules = spec['rules'] ?? [];
  const problem = problemOf(spec, written, action, provider, rules);
  const readable = problem === undefined && Array.isArray(rules) ? rules : [];
  const read = readable.map((rule: unknown, index) => readRule(rule, index, action, { namespace, config }));
  const { dryRun, remarks } = readDryRun(annotations?.[DRY_RUN]);
  const canBeTried = action === 'ALLOW' || action === 'DENY';
  const everything = problem !== undefined && action !== 'ALLOW';
  return {
    ...attached,
    policy: {
      namespace,
      name,
      action,
      provider: action === 'CUSTOM' ? provider : '',
      dryRun: dryRun && canBeTried,
      rules: everything ? [{ clauses: [] }] : read.map(({ rule }) => rule),
    },
    rules: read.map(({ enforcement, http, problems }) => ({ enforcement, http, problems })),
    problem,
    remarks: [
      ...remarks,
      ...(dryRun && !canBeTried ? [`annotation ${DRY_RUN}: only ALLOW and DENY can be tried out`] : []),
      ...(spec['selector'] != null ? ['spec.selector: of no effect beside targetRefs'] : []),
    ],
  };
}

function problemOf(
  spec: Fields,
  written: unknown,
  action: HttpPolicyAction,
  provider: string,
  rules: unknown,
): string | undefined {
  const unknown = Object.keys(spec).find((field) => !SPEC_FIELDS.has(field));
  if (unknown !== undefined) return `spec.${unknown}: unknown field`;
  if (written !== action) return `spec.action: ${JSON.stringify(written)} is no action`;
  if (action !== 'CUSTOM' && spec['provider'] != null) return 'spec.provider: goes with action CUSTOM only';
  if (action === 'CUSTOM' && provider === '') return 'spec.provider: action CUSTOM needs the name of one';
  return Array.isArray(rules) ? undefined : 'spec.rules: not a list';
}
