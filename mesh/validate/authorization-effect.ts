/** What an AuthorizationPolicy will really do, told from what it becomes for ztunnels: warnings where that is not what it says. */
import { readAuthorizationPolicy } from '../derive/authorization-policy.ts';
import { fields, list as listOf, text as textOf } from '../derive/read.ts';
import { readHttpPolicy } from '../http-policy/derive/http-policy.ts';
import type { KubeObject } from '../kube-object.ts';
import { OPERATION_FIELDS, type PolicyField, SOURCE_FIELDS, whenKey } from './authorization-fields.ts';
import type { Findings } from './findings.ts';
import { isSet } from './shape.ts';
import type { Surroundings } from './surroundings.ts';

export function warnOfEffect(policy: KubeObject, around: Surroundings, found: Findings): void {
  warnOfWaypoint(policy, around, found);
  const reading = readAuthorizationPolicy(policy, around.config);
  const rules = listOf(fields(policy['spec'])['rules']);
  if (reading.kind === 'refused') {
    const action = textOf(fields(policy['spec'])['action']);
    found.warn(
      'ignored',
      'spec.action',
      `ztunnel does not know ${action}: without targetRefs nothing enforces this policy`,
    );
  }
  if (reading.kind !== 'policy') return;
  const { authorization, rules: readings, selector } = reading;
  const whom = whomOf(policy, selector, around);
  if (authorization.action === 'ALLOW') {
    for (const [index, rule] of rules.entries()) {
      const at = `spec.rules[${index}]`;
      if (readings[index]?.enforcement !== 'left-out') continue;
      found.warn('never-matches', at, `never allows anything: ${blind(rule)}`);
    }
    if (readings.some(({ enforcement }) => enforcement !== 'left-out')) return;
    if (authorization.scope === 'GLOBAL') {
      found.warn(
        'denies-everything',
        'spec',
        `allows nothing: every connection ${whom} is denied that no other ALLOW policy allows`,
      );
    } else if (rules.length > 0) {
      found.warn(
        'denies-everything',
        'spec.rules',
        `no rule is left: every connection ${whom} is denied that no other ALLOW policy allows`,
      );
    }
    return;
  }
  for (const [index, rule] of rules.entries()) {
    const at = `spec.rules[${index}]`;
    const isEverything = authorization.rules[index]?.clauses.length === 0;
    const hidden = httpPartsOf(rule);
    if (isEverything && hidden.length > 0) {
      found.warn(
        'http-only-deny',
        at,
        `denies every connection ${whom}: ${blind(rule)}, and nothing else is left of the rule`,
      );
    } else if (isEverything) {
      found.warn('denies-everything', at, `denies every connection ${whom}`);
    } else if (hidden.length > 0) {
      found.warn('denies-more', at, `denies more than it says: ${blind(rule)}, so they are left out of the rule`);
    }
  }
}

/** What waypoints will make of it, where it is for them. */
function warnOfWaypoint(policy: KubeObject, around: Surroundings, found: Findings): void {
  const { config } = around;
  const reading = readHttpPolicy(policy, config);
  if (reading === undefined) return;
  const { action, provider } = reading.policy;
  for (const [index, { enforcement, problems }] of reading.rules.entries()) {
    const at = `spec.rules[${index}]`;
    const unread = problems.join(', ');
    if (enforcement === 'left-out')
      found.warn('never-matches', at, `never allows anything: waypoints can not read ${unread}`);
    if (enforcement !== 'widened') continue;
    const code = action === 'DENY' ? 'denies-more' : 'unusual';
    found.warn(code, at, `is about more than it says: waypoints can not read ${unread}`);
  }
  if (action !== 'CUSTOM' || config.authorizers.some(({ name }) => name === provider)) return;
  if (around.objects('Service') === undefined) return; // nor does anybody know how this mesh is configured
  const message = `extensionProviders of the mesh configuration have no ${provider}: what matches is denied`;
  found.warn('missing-reference', 'spec.provider.name', message);
}

/** To whom the connections go that this is about. */
function whomOf(
  policy: KubeObject,
  selector: Readonly<Record<string, string>> | undefined,
  around: Surroundings,
): string {
  const namespace = policy.metadata.namespace ?? '';
  const where = namespace === around.config.rootNamespace ? 'of the whole mesh' : `of namespace ${namespace}`;
  const labels = Object.entries(selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return labels.length === 0 ? `to the pods ${where}` : `to the pods ${where} with ${labels.join(', ')}`;
}

function blind(rule: unknown): string {
  return `ztunnel can not see HTTP (${httpPartsOf(rule).join(', ')}), and no waypoint enforces a policy without targetRefs`;
}

/** Names of the parts of a rule that only a waypoint sees, each once. */
export function httpPartsOf(rule: unknown): readonly string[] {
  const { from, to, when } = fields(rule);
  const names = new Set<string>();
  const look = (alternatives: unknown, inner: string, known: ReadonlyMap<string, PolicyField>): void => {
    for (const alternative of listOf(alternatives)) {
      for (const [name, value] of Object.entries(fields(fields(alternative)[inner]))) {
        if (isSet(value) && known.get(name)?.http === true) names.add(name);
      }
    }
  };
  look(from, 'source', SOURCE_FIELDS);
  look(to, 'operation', OPERATION_FIELDS);
  for (const condition of listOf(when)) {
    const key = textOf(fields(condition)['key']);
    if (whenKey(key)?.http === true) names.add(`when ${key}`);
  }
  return [...names].sort();
}
