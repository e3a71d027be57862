/** DestinationRule (crds.md section 6): what can be taken, and what of it has no effect at a waypoint. */
import { fields, list as listOf, text as textOf } from '../derive/read.ts';
import type { KubeObject } from '../kube-object.ts';
import { readDestinationRule } from '../resilience/destination-rule.ts';
import { selectorCheck } from './attachment.ts';
import { type Findings, quote } from './findings.ts';
import { dnsLabel, fqdn, labelKey, labelValue } from './names.ts';
import { type Check, isSet, list, map, object, text } from './shape.ts';
import type { Surroundings } from './surroundings.ts';
import { TOLERANT, trafficPolicy } from './traffic-policy.ts';

const subset = object(
  {
    name: text({ min: 1, reason: dnsLabel }),
    labels: map(text({ reason: labelValue }), { key: labelKey }),
    trafficPolicy,
  },
  { ...TOLERANT, required: ['name'] },
);

const host = text({
  min: 1,
  reason: (written) => fqdn(written === '*' ? 'any' : written.replace(/^\*\./, '')),
});

const spec: Check = object(
  {
    host,
    exportTo: list(text({ min: 1 })),
    workloadSelector: selectorCheck,
    subsets: list(subset),
    trafficPolicy,
  },
  {
    ...TOLERANT,
    required: ['host'],
    also: (value, at, found) => {
      const names = listOf(fields(value)['subsets']).map((one) => textOf(fields(one)['name']));
      for (const [index, name] of names.entries()) {
        if (names.indexOf(name) !== index)
          found.error(`${at}.subsets[${index}].name`, `${quote(name)} is taken by another subset`);
      }
    },
  },
);

export function validateDestinationRule(rule: KubeObject, _around: Surroundings, found: Findings): void {
  spec(rule['spec'] ?? {}, 'spec', found);
  if (found.errors.length > 0) return;
  const written = fields(rule['spec']);
  if (isSet(written['workloadSelector'])) {
    const message = 'it is about some sidecars, and no waypoint follows such a rule';
    found.warn('ignored', 'spec.workloadSelector', message);
    return;
  }
  const reading = readDestinationRule(rule);
  if (reading.kind !== 'facts') return;
  const { ignored, policy, byPort } = reading.facts;
  for (const problem of ignored) warnAt('ignored', problem, 'has no effect at a waypoint', found);
  for (const refusal of [policy, ...byPort.values()].map((one) => one?.refusal ?? '')) {
    if (refusal !== '') warnAt('denies-everything', refusal, 'a waypoint sends nothing to this host', found);
  }
}

function warnAt(code: 'ignored' | 'denies-everything', problem: string, effect: string, found: Findings): void {
  const end = problem.indexOf(': ');
  found.warn(code, `spec.${problem.slice(0, end)}`, `${effect}: ${problem.slice(end + 2)}`);
}
