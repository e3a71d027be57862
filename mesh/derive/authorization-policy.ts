/**
 * AuthorizationPolicy to the L4 policy that ztunnels enforce. What L4 can not see, and what can not be read, never admits
 * anything: a rule of an ALLOW policy that has such a part is left out, in a DENY policy the part is, so that it denies more.
 * A policy that is unreadable as a whole allows nothing or denies everything, in all of its namespace if need be.
 */
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { Authorization } from '../model.ts';
import { RuleTranslation } from './policy-rules.ts';
import { fields, isFields, type Labels, labelsOf } from './read.ts';

/** What became of a policy. */
export type PolicyReading =
  | {
      readonly kind: 'policy';
      readonly authorization: Authorization;
      /** Whom it selects, for scope WORKLOAD_SELECTOR. */
      readonly selector: Labels | undefined;
      /** For each rule sent, its number in the object: rules left out make gaps. */
      readonly writtenRules: readonly number[];
      readonly status: PolicyStatus;
    }
  /** Not for ztunnel: bound to a waypoint. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'refused'; readonly status: PolicyStatus };

export type PolicyStatus = { readonly status: 'True' | 'False'; readonly reason: string; readonly message: string };

const ACCEPTED: PolicyStatus = { status: 'True', reason: 'Accepted', message: 'attached to ztunnel' };
const DRY_RUN: PolicyStatus = {
  ...ACCEPTED,
  message: 'attached to ztunnel as a dry run: nothing is cut, matches are counted',
};
const NO_EFFECT: PolicyStatus = {
  status: 'True',
  reason: 'NoEffect',
  message: 'attached to ztunnel without effect: a DENY policy without rules matches nothing',
};

export function readAuthorizationPolicy(object: KubeObject, config: MeshConfig): PolicyReading {
  const { name, namespace = '', annotations } = object.metadata;
  const spec = fields(object['spec']);
  if (isFields(spec['targetRef']) || (Array.isArray(spec['targetRefs']) && spec['targetRefs'].length > 0)) {
    return { kind: 'elsewhere' };
  }
  const action = spec['action'] ?? 'ALLOW';
  if (action === 'CUSTOM' || action === 'AUDIT') {
    return refused('UnsupportedValue', `spec.action: ztunnel does not support ${JSON.stringify(action)}`);
  }
  const selector = readSelector(spec['selector']);
  const rules = spec['rules'] ?? [];
  const malformed = problemOf(action, selector, rules);
  const known = action === 'ALLOW' ? 'ALLOW' : 'DENY';

  const translation = new RuleTranslation(known, namespace, config);
  const readable = malformed === undefined && Array.isArray(rules) ? rules : [];
  for (const [index, rule] of readable.entries()) translation.add(rule, index);
  const problem = translation.problem();
  const dryRun = isTrue(annotations?.['istio.io/dry-run']);
  const good = known === 'DENY' && readable.length === 0 ? NO_EFFECT : dryRun ? DRY_RUN : ACCEPTED;
  const labels = selector === 'malformed' ? undefined : selector;
  return {
    kind: 'policy',
    authorization: {
      name,
      namespace,
      scope: labels ? 'WORKLOAD_SELECTOR' : namespace === config.rootNamespace ? 'GLOBAL' : 'NAMESPACE',
      action: known,
      rules: malformed !== undefined && known === 'DENY' ? [{ clauses: [] }] : translation.rules,
      dryRun,
    },
    selector: labels,
    writtenRules: translation.writtenRules,
    status: malformed ?? (problem === undefined ? good : { status: 'True', ...problem }),
  };
}

/** What makes the policy as a whole unreadable. It must not count for nothing then: it denies what it may have been about. */
function problemOf(action: unknown, selector: Labels | undefined | 'malformed', rules: unknown) {
  const invalid = (what: string): PolicyStatus => ({
    status: 'False',
    reason: 'Invalid',
    message: `${what}; until it is corrected, ${action === 'ALLOW' ? 'this policy allows nothing' : 'everything is denied'} ${
      selector === undefined || selector === 'malformed' ? 'in all of its namespace' : 'to what it selects'
    }`,
  });
  if (action !== 'ALLOW' && action !== 'DENY') return invalid(`spec.action: ${JSON.stringify(action)} is no action`);
  if (selector === 'malformed') return invalid('spec.selector.matchLabels: not a map of labels');
  return Array.isArray(rules) ? undefined : invalid('spec.rules: not a list');
}

function refused(reason: string, message: string): PolicyReading {
  return {
    kind: 'refused',
    status: { status: 'False', reason, message: `${message}; nothing of this policy is enforced` },
  };
}

/** A selector without labels selects every workload of the namespace, whether or not it spells out the empty map. */
function readSelector(value: unknown): Labels | undefined | 'malformed' {
  if (value === undefined || value === null) return undefined;
  if (!isFields(value)) return 'malformed';
  const written = value['matchLabels'] ?? {};
  if (!isFields(written)) return 'malformed';
  const labels = labelsOf(written);
  return Object.keys(labels).length === Object.keys(written).length ? labels : 'malformed';
}

/** The spellings of truth that Kubernetes tools accept. */
function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value);
}
