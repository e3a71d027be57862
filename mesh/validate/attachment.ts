/** What a policy is about: labels of pods, or named targets for waypoints (crds.md section 1.3). */
import { type Fields, fields, isFields, labelsOf, list as listOf, text as textOf } from '../derive/read.ts';
import type { Findings } from './findings.ts';
import { dnsName, labelKey, labelValue } from './names.ts';
import { type Check, list, map, object, present, text } from './shape.ts';
import { findObject, type Surroundings, selectsAny } from './surroundings.ts';
import { waypointOf } from './waypoint.ts';

const MAX_LABELS = 4096;
const MAX_TARGETS = 16;
const MAX_NAME = 253;
const KIND = /^[A-Za-z]([-A-Za-z0-9]{0,62})$/;

export const selectorCheck: Check = object({
  matchLabels: map(text({ max: 63, reason: labelValue }), { max: MAX_LABELS, key: labelKey }),
});

const targetShape: Check = object(
  {
    group: text({ max: MAX_NAME, reason: (written) => (written === '' ? undefined : dnsName(written)) }),
    kind: text({ min: 1, reason: (written) => (KIND.test(written) ? undefined : 'is no kind') }),
    name: text({ min: 1, max: MAX_NAME }),
    namespace: text({
      reason: (written) => (written === '' ? undefined : 'a target is always in the namespace of the policy'),
    }),
  },
  { required: ['kind', 'name'] },
);

/** What may be a target, by its group. */
const TARGETS: Readonly<Record<string, readonly string[]>> = {
  '': ['Service'],
  core: ['Service'],
  'networking.istio.io': ['ServiceEntry'],
  'gateway.networking.k8s.io': ['Gateway', 'GatewayClass'],
};

const targetCheck: Check = (value, at, found) => {
  targetShape(value, at, found);
  const { group, kind } = fields(value);
  if (typeof kind !== 'string' || (group !== undefined && typeof group !== 'string')) return;
  if (TARGETS[group ?? '']?.includes(kind)) return;
  const grouped = group ? `${kind} of group ${group}` : kind;
  found.error(`${at}.kind`, `${grouped} can not be a target: only Service, ServiceEntry, Gateway, GatewayClass can`);
};

/** For the specs of kinds that have all three. */
export const attachmentFields = {
  selector: selectorCheck,
  targetRef: targetCheck,
  targetRefs: list(targetCheck, { max: MAX_TARGETS }),
} as const;

export const onlyOneAttachment: Check = (spec, at, found) => {
  const given = present(fields(spec), ['selector', 'targetRef', 'targetRefs']);
  if (given.length > 1) found.error(at, `${given.join(' and ')} together: only one of them can say what this is about`);
};

/** The targets, with their paths. */
export function targetsIn(spec: Fields): readonly { readonly at: string; readonly target: Fields }[] {
  const { targetRef, targetRefs } = spec;
  const one = isFields(targetRef) ? [{ at: 'spec.targetRef', target: targetRef }] : [];
  const many = listOf(targetRefs).map((target, i) => ({ at: `spec.targetRefs[${i}]`, target: fields(target) }));
  return [...one, ...many];
}

/** Warns about a selector that selects nothing, or everything. */
export function warnOfSelector(spec: Fields, namespace: string, around: Surroundings, found: Findings): void {
  if (!isFields(spec['selector'])) return;
  const labels = labelsOf(spec['selector']['matchLabels']);
  const isRoot = namespace === around.config.rootNamespace;
  const where = isRoot ? 'of the mesh' : `of namespace ${namespace}`;
  if (Object.keys(labels).length === 0) {
    const message = `has no labels, so it selects every pod ${where}; leave it out if that is meant`;
    found.warn('unusual', 'spec.selector', message);
    return;
  }
  if (selectsAny(around, isRoot ? undefined : namespace, labels) === false) {
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    found.warn('matches-nothing', 'spec.selector', `no pod ${where} has ${pairs.join(', ')}`);
  }
}

/** Warns about targets that do not exist, or that nothing enforces. */
export function warnOfTargets(spec: Fields, namespace: string, around: Surroundings, found: Findings): void {
  for (const { at, target } of targetsIn(spec)) {
    const [kind, name] = [textOf(target['kind']), textOf(target['name'])];
    if (kind === 'GatewayClass') {
      if (namespace === around.config.rootNamespace) continue;
      const message = `a GatewayClass counts only in the root namespace (${around.config.rootNamespace})`;
      found.warn('ignored', at, `${message}: nothing enforces this`);
      continue;
    }
    if (kind !== 'Service' && kind !== 'ServiceEntry' && kind !== 'Gateway') continue;
    const named = `${kind} ${namespace}/${name}`;
    const held = findObject(around, kind, namespace, name);
    if (held === null) found.warn('missing-reference', at, `${named} does not exist`);
    if (kind === 'Gateway' || held === null || held === undefined) continue;
    const waypoint = waypointOf(held, around);
    if (waypoint.kind === 'none') found.warn('no-waypoint', at, `${named} has no waypoint: nothing enforces this`);
    if (waypoint.kind === 'missing') {
      found.warn(
        'no-waypoint',
        at,
        `the waypoint of ${named}, Gateway ${waypoint.gateway}, does not exist: nothing enforces this`,
      );
    }
  }
}
