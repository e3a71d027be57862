/** Which rules of the policies do tests touch? */
import { fields } from '../derive/read.ts';
import type { HttpPolicy } from '../http-policy/model.ts';
import type { MeshModel } from '../predict/model.ts';
import { decidingRules, type Prediction } from '../predict/prediction.ts';

export type RuleState =
  /** It made the verdict of at least one test. */
  | 'decided'
  /** It matched, and every time another rule had settled the verdict already: no test would notice its absence. */
  | 'matched'
  | 'untested'
  /** Nobody enforces it: it is bound to a waypoint that is not there, has an action that ztunnels don't take, or is left out. */
  | 'not-enforced';

export type RuleCoverage = {
  /** `namespace/name`. */
  readonly policy: string;
  /** From 0; absent for a policy without rules, which is touched when it denies by matching nothing. */
  readonly rule?: number;
  readonly state: RuleState;
  /** Why it is not enforced. */
  readonly because?: string;
};

/** One entry for each rule of each AuthorizationPolicy, in the order of the objects. */
export function coverageOf(model: MeshModel, predictions: readonly Prediction[]): readonly RuleCoverage[] {
  const touched = new Map<string, RuleState>();
  const touch = (policy: string, rule: number | undefined, state: 'decided' | 'matched') => {
    const key = keyOf(policy, rule);
    if (touched.get(key) !== 'decided') touched.set(key, state);
  };
  for (const one of predictions.flatMap(({ cases }) => cases)) {
    for (const { policy, rule } of decidingRules(one)) touch(policy, rule, 'decided');
    for (const said of [one.http, one.ledTo, one.policy]) {
      for (const { policy, rule } of said?.matched ?? []) touch(policy, rule, 'matched');
      for (const { policy, rule, changes } of said?.dryRunHits ?? [])
        touch(policy, rule, changes ? 'decided' : 'matched');
      if (one.reason === 'no-allow-match' && said?.because === 'no-allow-match') {
        for (const policy of said.considered) touch(policy, undefined, 'decided');
      }
    }
  }
  const atWaypoints = enforcedAtWaypoints(model);
  return model.objects.flatMap((object) => {
    if (object.kind !== 'AuthorizationPolicy' || !object.apiVersion.startsWith('security.istio.io/')) return [];
    const policy = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    const reading = model.deriver.policyReading(policy);
    const rules = fields(object['spec'])['rules'];
    const count = Array.isArray(rules) ? rules.length : 0;
    const numbers: readonly (number | undefined)[] = count === 0 ? [undefined] : [...Array(count).keys()];
    return numbers.map((rule): RuleCoverage => {
      const named = { policy, ...(rule !== undefined && { rule }) };
      if (reading?.kind === 'elsewhere') {
        const held = atWaypoints.get(policy);
        if (held === undefined) {
          return { ...named, state: 'not-enforced', because: 'it is bound to a waypoint, and none serves its target' };
        }
        const isLeftOut = rule !== undefined && held.rules[rule]?.clauses.some(({ matches }) => matches.length === 0);
        if (isLeftOut === true) return { ...named, state: 'not-enforced', because: 'its waypoint can not read it' };
        return { ...named, state: touched.get(keyOf(policy, rule)) ?? 'untested' };
      }
      if (reading?.kind !== 'policy') {
        return { ...named, state: 'not-enforced', because: reading?.status.message ?? 'it is not understood' };
      }
      const read = rule === undefined ? undefined : reading.rules[rule];
      if (read?.enforcement === 'left-out') {
        const why = [...read.http.map((field) => `only HTTP has ${field}`), ...read.problems];
        return { ...named, state: 'not-enforced', because: `it is left out at L4: ${why.join(', ')}` };
      }
      return { ...named, state: touched.get(keyOf(policy, rule)) ?? 'untested' };
    });
  });
}

/** By `namespace/name`, as waypoints are told them. */
function enforcedAtWaypoints({ deriver }: MeshModel): ReadonlyMap<string, HttpPolicy> {
  const policies = new Map<string, HttpPolicy>();
  for (const { gateway, service } of deriver.waypoints.values()) {
    for (const policy of [...(gateway?.policies ?? []), ...(service?.policies ?? [])]) {
      policies.set(`${policy.namespace}/${policy.name}`, policy);
    }
  }
  return policies;
}

const RANK: readonly RuleState[] = ['not-enforced', 'untested', 'matched', 'decided'];

/** The better of two states of one rule, seen by different tests. */
export function better(a: RuleState, b: RuleState): RuleState {
  return RANK.indexOf(a) >= RANK.indexOf(b) ? a : b;
}

function keyOf(policy: string, rule: number | undefined): string {
  return `${policy} ${rule ?? ''}`;
}
