/** Rules that never matter because of others: what a DENY covers is never allowed, what is covered by its like adds nothing. */
import { readAuthorizationPolicy } from '../derive/authorization-policy.ts';
import type { Labels } from '../derive/read.ts';
import { getOrAdd } from '../derive/selector.ts';
import type { AuthorizationRule } from '../model.ts';
import { ruleCovers, scopeCovers } from './covers.ts';
import { type Finding, finding, formatRef, type ObjectRef, refOf } from './finding.ts';
import type { World } from './world.ts';

type Rule = {
  readonly policy: ObjectRef;
  readonly namespace: string;
  readonly selector: Labels | undefined;
  readonly action: 'ALLOW' | 'DENY';
  readonly rule: AuthorizationRule;
  /** As numbered in the object. */
  readonly written: number;
  /** Names are compared so that of two equal rules always the same one goes. */
  readonly order: string;
};

/** Comparisons in all: a mesh that asks for more is told of fewer coverings, in bounded time. */
const MAX_COMPARISONS = 20_000_000;

export function* shadowedRules(world: World): Generator<Finding> {
  const { rootNamespace } = world.config;
  const byNamespace = new Map<string, Rule[]>();
  for (const rule of rulesOf(world)) getOrAdd(byNamespace, rule.namespace, () => []).push(rule);
  const meshWide = byNamespace.get(rootNamespace) ?? [];
  let comparisons = 0;
  for (const [namespace, rules] of byNamespace) {
    const others = namespace === rootNamespace ? rules : [...meshWide, ...rules];
    for (const rule of rules) {
      comparisons += others.length;
      if (comparisons > MAX_COMPARISONS) return;
      const found = shadowOf(rule, others, rootNamespace);
      if (found !== undefined) yield found;
    }
  }
}

function* rulesOf(world: World): Generator<Rule> {
  for (const object of world.objects('security.istio.io/AuthorizationPolicy')) {
    const reading = readAuthorizationPolicy(object, world.config);
    if (reading.kind !== 'policy' || reading.authorization.dryRun) continue;
    const { namespace, name, action, rules } = reading.authorization;
    for (const [written, rule] of rules.entries()) {
      const enforced = reading.rules[written]?.enforcement;
      if (enforced === undefined || enforced === 'left-out') continue; // validation tells of it
      const order = `${namespace}/${name}/${String(written).padStart(4, '0')}`;
      yield { policy: refOf(object), namespace, selector: reading.selector, action, rule, written, order };
    }
  }
}

function shadowOf(rule: Rule, others: readonly Rule[], rootNamespace: string): Finding | undefined {
  const denying =
    rule.action === 'ALLOW'
      ? others.find((other) => other.action === 'DENY' && covers(other, rule, rootNamespace))
      : undefined;
  const field = `spec.rules[${rule.written}]`;
  if (denying !== undefined) {
    return finding('AMB0102', rule.policy, {
      field,
      message: `never allows anything: ${nameOf(denying, rule)} denies all that it matches, and a DENY wins`,
      fix: 'narrow the DENY, or take this rule away',
      related: [denying.policy],
    });
  }
  const same = others.find(
    (other) =>
      other !== rule &&
      other.action === rule.action &&
      covers(other, rule, rootNamespace) &&
      (other.order < rule.order || !covers(rule, other, rootNamespace)),
  );
  if (same === undefined) return undefined;
  const verb = rule.action === 'ALLOW' ? 'allows' : 'denies';
  const repeats = covers(rule, same, rootNamespace) ? 'says the same as' : 'adds nothing to';
  return finding('AMB0103', rule.policy, {
    field,
    message: `${repeats} ${nameOf(same, rule)}, which ${verb} all that it matches, for the same pods`,
    fix: 'take it away, or correct it if it was meant to say something else',
    related: same.policy === rule.policy ? [] : [same.policy],
  });
}

function covers(wide: Rule, narrow: Rule, rootNamespace: string): boolean {
  return scopeCovers(wide, narrow, rootNamespace) && ruleCovers(wide.rule, narrow.rule);
}

function nameOf(other: Rule, seenFrom: Rule): string {
  return other.policy === seenFrom.policy
    ? `rule ${other.written}`
    : `rule ${other.written} of ${formatRef(other.policy)}`;
}
