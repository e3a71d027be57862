/**
 * What must be true of a request, and can be looked up, for a rule to match: its pins. Of several that a rule offers, the one that
 * it shares with the fewest other rules is worth most.
 */
import type { CompiledClause, CompiledRule } from './compile.ts';
import type { Pattern, PolicyTest } from './model.ts';
import { splitTemplate } from './patterns.ts';

export type PinKind = 'EXACT' | 'PREFIX' | 'SUFFIX' | 'RANGE';

export type Pin = {
  /** Where the value is: a test with this field, header and claim looks there. */
  readonly place: PolicyTest;
  readonly kind: PinKind;
  readonly value: string;
  /** The same for the same pin of another rule. */
  readonly key: string;
};

/** For each pattern of a test what it can be found by, any of which will do; made once for each test. */
type Options = ReadonlyMap<PolicyTest, readonly (readonly Pin[])[]>;

/** Headers and claims that are looked up for each request; rules that ask for further ones are found by something else. */
const MOST_NAMED_PLACES = 8;

/** One text for each place. */
export function placeKey({ field, header, claim }: PolicyTest): string {
  return claim.length === 0 ? `${field} ${header}` : `${field} ${JSON.stringify(claim)}`;
}

/** For each rule the pins of one clause, one of which must hold; undefined: the rule has to be tried for each request. */
export function choosePins(rules: readonly CompiledRule[]): ReadonlyMap<CompiledRule, readonly Pin[] | undefined> {
  const places = usefulPlaces(rules);
  const options = new Map<PolicyTest, readonly (readonly Pin[])[]>();
  const sharers = new Map<string, number>();
  for (const rule of rules) {
    const keys = new Set<string>();
    for (const { test } of rule.clauses.flat(2)) {
      const found = optionsOf(test, places);
      options.set(test, found);
      for (const alternatives of found) for (const { key } of alternatives) keys.add(key);
    }
    for (const key of keys) sharers.set(key, (sharers.get(key) ?? 0) + 1);
  }
  return new Map(rules.map((rule) => [rule, cheapest(rule, options, sharers)]));
}

function usefulPlaces(rules: readonly CompiledRule[]): ReadonlySet<string> {
  const uses = new Map<string, number>();
  for (const { clauses } of rules) {
    for (const { test } of clauses.flat(2)) {
      const isNamed = test.field === 'HEADER' || test.field === 'CLAIM';
      if (!isNamed || test.negated) continue;
      const key = placeKey(test);
      uses.set(key, (uses.get(key) ?? 0) + 1);
    }
  }
  const named = [...uses].sort(([, a], [, b]) => b - a).slice(0, MOST_NAMED_PLACES);
  return new Set(named.map(([key]) => key));
}

type Costed = { readonly pins: readonly Pin[]; readonly cost: number };

function cheapest(
  rule: CompiledRule,
  options: Options,
  sharers: ReadonlyMap<string, number>,
): readonly Pin[] | undefined {
  const cost = ({ key }: Pin) => sharers.get(key) ?? 0;
  let best: Costed | undefined;
  for (const clause of rule.clauses) {
    const found = ofClause(clause, options, cost);
    if (found !== undefined && (best === undefined || found.cost < best.cost)) best = found;
  }
  return best?.pins;
}

/** The pins of all alternatives; undefined when one of them has none. */
function ofClause(clause: CompiledClause, options: Options, cost: (pin: Pin) => number): Costed | undefined {
  const pins: Pin[] = [];
  let highest = 0;
  for (const match of clause) {
    let best: Costed | undefined;
    for (const { test } of match) {
      const found = ofTest(options.get(test) ?? [], cost);
      if (found !== undefined && (best === undefined || found.cost < best.cost)) best = found;
    }
    if (best === undefined) return undefined;
    pins.push(...best.pins);
    highest = Math.max(highest, best.cost);
  }
  return { pins, cost: highest };
}

/** The best for each pattern; undefined when one of them can not be looked up. */
function ofTest(options: readonly (readonly Pin[])[], cost: (pin: Pin) => number): Costed | undefined {
  if (options.length === 0) return undefined;
  const pins: Pin[] = [];
  let highest = 0;
  for (const alternatives of options) {
    const [first, ...others] = alternatives;
    if (first === undefined) return undefined;
    const best = others.reduce((held, other) => (cost(other) < cost(held) ? other : held), first);
    pins.push(best);
    highest = Math.max(highest, cost(best));
  }
  return { pins, cost: highest };
}

function optionsOf(test: PolicyTest, places: ReadonlySet<string>): readonly (readonly Pin[])[] {
  if (test.negated || test.field === 'DESTINATION_IP') return [];
  const place = placeKey(test);
  if ((test.field === 'HEADER' || test.field === 'CLAIM') && !places.has(place)) return [];
  return test.patterns.map((pattern) =>
    endsOf(pattern).map(([kind, value]) => ({ place: test, kind, value, key: `${place} ${kind} ${value}` })),
  );
}

function endsOf({ kind, value }: Pattern): readonly (readonly [PinKind, string])[] {
  switch (kind) {
    case 'EXACT':
    case 'PREFIX':
    case 'SUFFIX':
    case 'RANGE':
      return [[kind, value]];
    case 'PRESENT':
      return [];
    case 'GLOB':
      return ends(value.slice(0, value.indexOf('*')), value.slice(value.lastIndexOf('*') + 1));
    case 'TEMPLATE': {
      const { head, tail } = splitTemplate(value);
      return ends(head[0] ?? '', tail ?? head.at(-1) ?? '');
    }
    default:
      return kind satisfies never;
  }
}

function ends(start: string, end: string): readonly (readonly [PinKind, string])[] {
  const both = [
    ['PREFIX', start],
    ['SUFFIX', end],
  ] as const;
  return both.filter(([, text]) => text !== '');
}
