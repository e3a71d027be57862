/**
 * Entries with one and the same path, in their order. Where they are many, they are told apart by the values that they ask for in
 * one place (a header, the method): one lookup instead of a walk over all.
 */
import { type Condition, type Place, readerOf, type Test } from './conditions.ts';
import type { RequestFacts } from './request-facts.ts';

export type Candidate = {
  /** Place in the table: smaller comes first. */
  readonly order: number;
  readonly conditions: readonly Condition[];
  /** Beyond the conditions, what of the path is not certain yet. */
  readonly path: Test | undefined;
};

/** So few are quicker walked over. */
const FEW = 4;

export interface Candidates {
  /** The order of the first that matches, if it is below `limit`; else `limit`. */
  first(request: RequestFacts, limit: number): number;
}

/** `candidates` in ascending order. */
export function candidatesOf(candidates: readonly Candidate[]): Candidates {
  if (candidates.length <= FEW) return new Walk(candidates);
  const place = mostUsefulPlace(candidates);
  return place === undefined ? new Walk(candidates) : new ByValue(place, candidates);
}

class Walk implements Candidates {
  readonly #candidates: readonly { readonly order: number; readonly tests: readonly Test[] }[];

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates.map(({ order, conditions, path }) => ({
      order,
      tests: [...conditions.map(({ holds }) => holds), ...(path === undefined ? [] : [path])],
    }));
  }

  first(request: RequestFacts, limit: number): number {
    for (const { order, tests } of this.#candidates) {
      if (order >= limit) return limit;
      if (allHold(tests, request)) return order;
    }
    return limit;
  }
}

function allHold(tests: readonly Test[], request: RequestFacts): boolean {
  for (const test of tests) if (!test(request)) return false;
  return true;
}

class ByValue implements Candidates {
  readonly #read: (request: RequestFacts) => string | undefined;
  readonly #byValue = new Map<string, Candidates>();
  readonly #others: Candidates;

  constructor(place: Place, candidates: readonly Candidate[]) {
    this.#read = readerOf(place);
    const byValue = new Map<string, Candidate[]>();
    const others: Candidate[] = [];
    for (const candidate of candidates) {
      const condition = candidate.conditions.find((one) => one.place === place && one.exact !== undefined);
      if (condition?.exact === undefined) {
        others.push(candidate);
        continue;
      }
      const conditions = candidate.conditions.filter((one) => one !== condition);
      const same = byValue.get(condition.exact);
      if (same === undefined) byValue.set(condition.exact, [{ ...candidate, conditions }]);
      else same.push({ ...candidate, conditions });
    }
    for (const [value, same] of byValue) this.#byValue.set(value, candidatesOf(same));
    this.#others = candidatesOf(others);
  }

  first(request: RequestFacts, limit: number): number {
    const value = this.#read(request);
    const found = value === undefined ? undefined : this.#byValue.get(value);
    return this.#others.first(request, found === undefined ? limit : found.first(request, limit));
  }
}

/** The place with the most different values to be told apart; undefined when none tells at least two apart. */
function mostUsefulPlace(candidates: readonly Candidate[]): Place | undefined {
  const values = new Map<Place, Set<string>>();
  for (const { conditions } of candidates) {
    for (const { place, exact } of conditions) {
      if (exact === undefined) continue;
      const known = values.get(place);
      if (known === undefined) values.set(place, new Set([exact]));
      else known.add(exact);
    }
  }
  let best: Place | undefined;
  for (const [place, known] of values) {
    if (known.size > (best === undefined ? 1 : (values.get(best)?.size ?? 0))) best = place;
  }
  return best;
}
