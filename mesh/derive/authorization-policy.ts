/**
 * AuthorizationPolicy to the L4 policy that ztunnels enforce. What L4 can not see, and what can not be read, never admits
 * anything: a rule of an ALLOW policy that has such a part is left out, in a DENY policy the part is, so that it denies more.
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
  if (action !== 'ALLOW' && action !== 'DENY') {
    return refused('UnsupportedValue', `spec.action: ztunnel does not support ${JSON.stringify(action)}`);
  }
  const selector = readSelector(spec['selector']);
  if (selector === 'malformed') return refused('Invalid', 'spec.selector.matchLabels: not a map of labels');
  const rules = spec['rules'] ?? [];
  if (!Array.isArray(rules)) return refused('Invalid', 'spec.rules: not a list');

  const translation = new RuleTranslation(action, namespace, config);
  for (const [index, rule] of rules.entries()) translation.add(rule, index);
  const problem = translation.problem();
  const dryRun = isTrue(annotations?.['istio.io/dry-run']);
  const good = action === 'DENY' && rules.length === 0 ? NO_EFFECT : dryRun ? DRY_RUN : ACCEPTED;
  return {
    kind: 'policy',
    authorization: {
      name,
      namespace,
      scope: selector ? 'WORKLOAD_SELECTOR' : namespace === config.rootNamespace ? 'GLOBAL' : 'NAMESPACE',
      action,
      rules: translation.rules,
      dryRun,
    },
    selector,
    writtenRules: translation.writtenRules,
    status: problem === undefined ? good : { status: 'True', ...problem },
  };
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
