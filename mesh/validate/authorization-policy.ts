/** AuthorizationPolicy (crds.md section 2): what can be taken, and what it will then really do. */
import { nearest } from '../analyze/edit-distance.ts';
import { fields, isFields, list as listOf, text as textOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { attachmentFields, onlyOneAttachment, targetsIn, warnOfSelector, warnOfTargets } from './attachment.ts';
import { warnOfEffect } from './authorization-effect.ts';
import { OPERATION_FIELDS, type PolicyField, SOURCE_FIELDS, WHEN_KEY_NAMES, whenKey } from './authorization-fields.ts';
import { warnOfHabits } from './authorization-habits.ts';
import type { Enforcer } from './authorization-values.ts';
import { warnOfDoubleSlashes } from './double-slashes.ts';
import { type Findings, quote } from './findings.ts';
import { type Check, isSet, list, object, oneOf, present, text } from './shape.ts';
import type { Surroundings } from './surroundings.ts';

const MAX_RULES = 512;
const MAX_ACCOUNTS = 16;
const DRY_RUN = 'istio.io/dry-run';

type Action = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

export function validateAuthorizationPolicy(policy: KubeObject, around: Surroundings, found: Findings): void {
  const spec = fields(policy['spec']);
  const namespace = policy.metadata.namespace ?? '';
  const enforcer: Enforcer = targetsIn(spec).length > 0 ? 'waypoint' : 'ztunnel';
  const action = (spec['action'] ?? 'ALLOW') as Action;
  if (isSet(policy['spec'])) specCheck(action, enforcer)(policy['spec'], 'spec', found);
  checkAction(action, spec, found);
  if (policy.metadata.annotations?.[DRY_RUN] !== undefined && (action === 'CUSTOM' || action === 'AUDIT')) {
    found.error(`metadata.annotations[${DRY_RUN}]`, `is not possible with action ${action}`);
  }
  if (found.errors.length > 0) return; // what a broken policy would do is of no interest
  warnOfSelector(spec, namespace, around, found);
  warnOfTargets(spec, namespace, around, found);
  warnOfEffect(policy, around, found);
  warnOfHabits(spec, around.config, found);
  if (enforcer === 'waypoint') warnOfDoubleSlashes(spec, around.config, found);
}

function specCheck(action: Action, enforcer: Enforcer): Check {
  const part = (known: ReadonlyMap<string, PolicyField>) => partCheck(known, action, enforcer);
  const alternative = (name: string, known: ReadonlyMap<string, PolicyField>) =>
    object({ [name]: part(known) }, { required: [name] });
  const rule = object({
    from: list(alternative('source', SOURCE_FIELDS), { min: 1, max: MAX_RULES }),
    to: list(alternative('operation', OPERATION_FIELDS), { min: 1 }),
    when: list(conditionCheck(action, enforcer)),
  });
  return object(
    {
      ...attachmentFields,
      action: oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM'),
      provider: object({ name: text() }),
      rules: list(rule, { max: MAX_RULES }),
    },
    { also: onlyOneAttachment },
  );
}

/** One source or operation. */
function partCheck(known: ReadonlyMap<string, PolicyField>, action: Action, enforcer: Enforcer): Check {
  const checks = Object.fromEntries([...known].map(([name, f]) => [name, valuesCheck(name, f, action, enforcer)]));
  return object(checks, {
    also: (value, at, found) => {
      const part = fields(value);
      const given = present(part, [...known.keys()]);
      if (given.every((name) => Array.isArray(part[name]) && part[name].length === 0)) {
        return found.error(at, `is empty: give at least one of ${[...known.keys()].join(', ')}`);
      }
      const accounts = present(part, ['serviceAccounts', 'notServiceAccounts']);
      const others = present(part, ['principals', 'notPrincipals', 'namespaces', 'notNamespaces']);
      if (accounts.length > 0 && others.length > 0) {
        found.error(at, `${accounts[0]} can not be combined with ${others.join(', ')}`);
      }
      if (enforcer === 'ztunnel' && present(part, ['trustDomains', 'principals']).length === 2) {
        found.error(
          `${at}.trustDomains`,
          'ztunnel can not combine it with principals: write the trust domain into those',
        );
      }
    },
  });
}

function valuesCheck(name: string, known: PolicyField, action: Action, enforcer: Enforcer): Check {
  const value = text({ min: 1, reason: (written) => known.read(written, enforcer) });
  const max = /serviceAccounts$/i.test(name) ? { max: MAX_ACCOUNTS } : {};
  // An exception without values is none; a condition without values is one that nobody can meet, or no condition.
  const values = list(value, name.startsWith('not') ? max : { ...max, min: 1 });
  return (written, at, found) => {
    if (action === 'CUSTOM' && known.identity) found.error(at, 'can not be used with action CUSTOM');
    values(written, at, found);
  };
}

function conditionCheck(action: Action, enforcer: Enforcer): Check {
  return (value, at, found) => {
    if (!isFields(value)) return found.error(at, `${quote(value)} is no object`);
    const key = textOf(value['key']);
    const known = whenKey(key);
    if (known === undefined) {
      const near = found.isFull ? undefined : nearest(key, WHEN_KEY_NAMES);
      const guess = near === undefined ? `known are ${WHEN_KEY_NAMES.join(', ')}` : `did you mean ${near}?`;
      return found.error(`${at}.key`, key === '' ? 'must not be empty' : `${quote(key)} is no known key; ${guess}`);
    }
    const values = list(text({ min: 1, reason: (written) => known.read(written, enforcer) }));
    object({ key: text(), values, notValues: values })(value, at, found);
    if ([...listOf(value['values']), ...listOf(value['notValues'])].length === 0) {
      found.error(at, 'has neither values nor notValues');
    } else if (Array.isArray(value['values']) && value['values'].length === 0) {
      found.error(`${at}.values`, 'must not be an empty list');
    }
    if (action === 'CUSTOM' && known.identity) found.error(`${at}.key`, `${key} can not be used with action CUSTOM`);
  };
}

/** What an action asks of the rest. */
function checkAction(action: Action, spec: ReturnType<typeof fields>, found: Findings): void {
  const rules = listOf(spec['rules']);
  if (action === 'DENY' && rules.length === 0) {
    found.error('spec.rules', 'a DENY policy without rules never matches; a rule {} matches everything');
  }
  if (action !== 'CUSTOM') {
    if (isSet(spec['provider'])) found.error('spec.provider', 'is for action CUSTOM only');
    return;
  }
  if (rules.length === 0) found.error('spec.rules', 'a CUSTOM policy without rules never matches');
  if (textOf(fields(spec['provider'])['name']) === '') {
    found.error('spec.provider.name', 'action CUSTOM needs the name of a provider');
  }
}
