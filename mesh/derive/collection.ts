/** Facts by key. Facts equal to those that are held are no change; of every other change the followers learn, in their order. */
import { isEqual } from './equal.ts';
import { getOrAdd } from './selector.ts';

export type Change<T> = { readonly key: string; readonly old: T | undefined; readonly next: T | undefined };

export class Collection<T extends object> {
  readonly #held = new Map<string, T>();
  readonly #followers: ((change: Change<T>) => void)[] = [];

  get(key: string): T | undefined {
    return this.#held.get(key);
  }

  keys(): Iterable<string> {
    return this.#held.keys();
  }

  values(): Iterable<T> {
    return this.#held.values();
  }

  /** Called after each change: who follows first (indexes do) is current when the next is told. */
  follow(follower: (change: Change<T>) => void): void {
    this.#followers.push(follower);
  }

  /** An index that stays current: the facts under each term that `termsOf` gives them. */
  index(termsOf: (facts: T) => readonly string[]): Index<T> {
    const index = new Index<T>(termsOf);
    this.follow((change) => index.change(change));
    return index;
  }

  set(key: string, next: T | undefined): void {
    const old = this.#held.get(key);
    if (isEqual(old, next)) return;
    if (next === undefined) this.#held.delete(key);
    else this.#held.set(key, next);
    for (const follower of this.#followers) follower({ key, old, next });
  }
}

export class Index<T extends object> {
  readonly #termsOf: (facts: T) => readonly string[];
  readonly #held = new Map<string, Set<T>>();

  constructor(termsOf: (facts: T) => readonly string[]) {
    this.#termsOf = termsOf;
  }

  of(term: string): Iterable<T> {
    return this.#held.get(term) ?? [];
  }

  change({ old, next }: Change<T>): void {
    for (const term of old === undefined ? [] : this.#termsOf(old)) {
      const held = this.#held.get(term);
      if (old !== undefined) held?.delete(old);
      if (held?.size === 0) this.#held.delete(term);
    }
    for (const term of next === undefined ? [] : this.#termsOf(next)) {
      if (next !== undefined) getOrAdd(this.#held, term, () => new Set<T>()).add(next);
    }
  }
}
