/**
 * Rules found by what they ask for: what is worth looking up is chosen for each set of rules, so that a thousand policies in scope
 * cost about as much as the few that could match.
 */
import { type CompiledCidr, compileCidr, parseCidr } from '../cidr.ts';
import { AffixMap, RangeMap } from '../policy/prefix-maps.ts';
import { type CompiledHttpPolicy, type CompiledRule, ruleMatches } from './compile.ts';
import { type HttpFacts, valuesOf } from './facts.ts';
import type { PolicyTest } from './model.ts';
import { choosePins, type Pin, placeKey } from './pins.ts';

type Entry = { readonly order: number; readonly rule: CompiledRule };
/** In policy order. */
type Bucket = Entry[];

const newBucket = (): Bucket => [];

export class HttpRuleIndex {
  /** Policies behind these rules, also those without any rule. */
  readonly policies: readonly CompiledHttpPolicy[];
  readonly #tally: Tally = { tried: 0 };
  readonly #places: readonly Place[];
  readonly #rest: Bucket = [];

  constructor(policies: readonly CompiledHttpPolicy[]) {
    this.policies = policies;
    const rules = policies.flatMap((policy) => policy.rules).filter(canMatch);
    const pins = choosePins(rules);
    const places = new Map<string, Place>();
    for (const [order, rule] of rules.entries()) {
      const entry = { order, rule };
      const chosen = pins.get(rule);
      if (chosen === undefined) this.#rest.push(entry);
      else for (const pin of chosen) push(placeOf(places, pin).bucketOf(pin), entry);
    }
    this.#places = [...places.values()];
  }

  /** Rules that were compared with requests so far. */
  get tried(): number {
    return this.#tally.tried;
  }

  /** The first rule, in policy order, that matches. */
  firstMatch(facts: HttpFacts): CompiledRule | undefined {
    let best = earliest(this.#rest, facts, undefined, this.#tally);
    for (const place of this.#places) best = place.earliest(facts, best, this.#tally);
    return best?.rule;
  }

  /** Every rule that matches, in policy order. */
  allMatches(facts: HttpFacts): readonly CompiledRule[] {
    if (this.policies.length === 0) return NOTHING;
    const found = new Set<Entry>(); // a rule with alternatives may be found under several values
    for (const bucket of [this.#rest, ...this.#places.flatMap((place) => place.found(facts))]) {
      for (const entry of bucket) if (matches(entry, facts, this.#tally)) found.add(entry);
    }
    return [...found].sort((a, b) => a.order - b.order).map(({ rule }) => rule);
  }
}

const NOTHING: readonly CompiledRule[] = [];

type Tally = { tried: number };

function earliest(bucket: Bucket, facts: HttpFacts, best: Entry | undefined, tally: Tally): Entry | undefined {
  for (const entry of bucket) {
    if (best !== undefined && entry.order >= best.order) return best;
    if (matches(entry, facts, tally)) return entry;
  }
  return best;
}

function matches(entry: Entry, facts: HttpFacts, tally: Tally): boolean {
  tally.tried++;
  return ruleMatches(entry.rule, facts);
}

/** All that is looked up by the values of one place. */
class Place {
  readonly #test: PolicyTest;
  readonly #exact = new Map<string, Bucket>();
  readonly #starts = new AffixMap<Bucket>('prefix');
  readonly #ends = new AffixMap<Bucket>('suffix');
  readonly #ranges = new RangeMap<Bucket>();

  constructor(test: PolicyTest) {
    this.#test = test;
  }

  bucketOf({ kind, value }: Pin): Bucket {
    if (kind === 'PREFIX') return this.#starts.getOrAdd(value, newBucket);
    if (kind === 'SUFFIX') return this.#ends.getOrAdd(value, newBucket);
    if (kind === 'RANGE') {
      const range = compiledRange(value);
      return range === undefined ? newBucket() : this.#ranges.getOrAdd(range, newBucket); // never matches
    }
    let bucket = this.#exact.get(value);
    if (bucket === undefined) {
      bucket = newBucket();
      this.#exact.set(value, bucket);
    }
    return bucket;
  }

  earliest(facts: HttpFacts, limit: Entry | undefined, tally: Tally): Entry | undefined {
    let best = limit;
    if (this.#test.field === 'SOURCE_IP') {
      for (const bucket of this.#ranges.containing(facts.peer.from)) best = earliest(bucket, facts, best, tally);
      return best;
    }
    const values = valuesOf(facts, this.#test);
    if (values === undefined) return best;
    if (typeof values === 'string') return this.#earliestOf(values, facts, best, tally);
    for (const value of values) best = this.#earliestOf(value, facts, best, tally);
    return best;
  }

  #earliestOf(value: string, facts: HttpFacts, limit: Entry | undefined, tally: Tally): Entry | undefined {
    let best = limit;
    const exact = this.#exact.get(value);
    if (exact !== undefined) best = earliest(exact, facts, best, tally);
    for (const bucket of this.#starts.within(value)) best = earliest(bucket, facts, best, tally);
    for (const bucket of this.#ends.within(value)) best = earliest(bucket, facts, best, tally);
    return best;
  }

  /** All buckets that the request may find something in. */
  found(facts: HttpFacts): readonly Bucket[] {
    if (this.#test.field === 'SOURCE_IP') return this.#ranges.containing(facts.peer.from);
    const values = valuesOf(facts, this.#test) ?? [];
    return (typeof values === 'string' ? [values] : values).flatMap((value) => {
      const exact = this.#exact.get(value);
      return [...(exact === undefined ? [] : [exact]), ...this.#starts.within(value), ...this.#ends.within(value)];
    });
  }
}

function placeOf(places: Map<string, Place>, { place }: Pin): Place {
  const key = placeKey(place);
  let found = places.get(key);
  if (found === undefined) {
    found = new Place(place);
    places.set(key, found);
  }
  return found;
}

function compiledRange(text: string): CompiledCidr | undefined {
  const range = parseCidr(text);
  return range && compileCidr(range);
}

const canMatch = ({ clauses }: CompiledRule) => clauses.every((clause) => clause.length > 0);

function push(bucket: Bucket, entry: Entry): void {
  if (bucket.at(-1) !== entry) bucket.push(entry); // two matches of a rule may name the same value
}
