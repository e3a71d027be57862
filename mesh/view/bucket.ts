/** Endpoints that are alike for a caller; one number picks one of them, by capacity. */
import type { Workload } from '../model.ts';
import { type HashMember, HashTable, type HashTableShape } from './hash-table.ts';
import { put, take } from './sorted.ts';

export type Candidate = { readonly workload: Workload; readonly targetPort: number };

/** A candidate with a random number for which it is chosen. */
export type Choice = { readonly candidate: Candidate; readonly at: number };

type Hashed = {
  readonly shape: HashTableShape;
  readonly table: HashTable;
  /** By the numbers of its members. */
  readonly candidates: readonly Candidate[];
  /** Nothing has changed since. */
  isCurrent: boolean;
};

export class Bucket {
  readonly #candidates: Candidate[] = [];
  /** How many have each capacity. */
  readonly #capacities = new Map<number, number>();
  /** Running sums of capacity, made at the first pick after a change. */
  #sums: Float64Array | undefined;
  /** Made when somebody chooses by a hash. */
  #hashed: Hashed | undefined;

  get isEmpty(): boolean {
    return this.#candidates.length === 0;
  }

  add(candidate: Candidate): void {
    const replaced = put(this.#candidates, candidate);
    if (replaced !== undefined) this.#count(replaced, -1);
    this.#count(candidate, 1);
  }

  remove(uid: string): void {
    const removed = take(this.#candidates, uid);
    if (removed !== undefined) this.#count(removed, -1);
  }

  /** Undefined when there is none. A capacity of 0 is not chosen, unless nobody has more. */
  choose(random: () => number): Candidate | undefined {
    const all = this.#candidates;
    if (all.length <= 1) return all[0];
    if (this.#capacities.size === 1) return all[Math.floor(random() * all.length)];
    return all[firstAbove(this.#cumulative(), random())];
  }

  /** The one that a hash of 32 bits leads to; of those that are not wanted, the next. When none is, as if all were. */
  chooseByHash(shape: HashTableShape, hash: number, isWanted: (one: Candidate) => boolean): Candidate | undefined {
    const { table, candidates } = this.#tableOf(shape);
    const at = (member: number) => candidates[member] as Candidate;
    if (candidates.length <= 1) return candidates[0];
    const member = table.choose(hash, (one) => isWanted(at(one))) ?? table.choose(hash, () => true);
    return member === undefined ? undefined : at(member);
  }

  /** All that `choose` may choose, each with a number in [0, 1) that makes it choose just that one. */
  choices(): readonly Choice[] {
    const all = this.#candidates;
    if (this.#capacities.size <= 1) return all.map((candidate, i) => ({ candidate, at: (i + 0.5) / all.length }));
    const sums = this.#cumulative();
    const total = sums.at(-1) ?? 0;
    return all.flatMap((candidate, i) => {
      const from = sums[i - 1] ?? 0;
      const to = sums[i] ?? from;
      return to > from ? [{ candidate, at: (from + to) / 2 / total }] : []; // without weight it is never chosen
    });
  }

  #count({ workload }: Candidate, by: 1 | -1): void {
    const { capacity } = workload;
    const left = (this.#capacities.get(capacity) ?? 0) + by;
    if (left === 0) this.#capacities.delete(capacity);
    else this.#capacities.set(capacity, left);
    this.#sums = undefined;
    if (this.#hashed !== undefined) this.#hashed.isCurrent = false;
  }

  /** What changed may be nothing that a table hangs on: making one costs more than looking. */
  #tableOf(shape: HashTableShape): Hashed {
    const held = this.#hashed;
    const isOfShape = held?.shape.kind === shape.kind && held.shape.size === shape.size;
    if (isOfShape && held.isCurrent) return held;
    const some = this.#candidates.filter(({ workload }) => workload.capacity > 0);
    const candidates = some.length === 0 ? [...this.#candidates] : some;
    const members = candidates.map(
      ({ workload }): HashMember => ({ name: workload.uid, weight: Math.max(1, workload.capacity) }),
    );
    const table = isOfShape && isSame(held.table.members, members) ? held.table : new HashTable(shape, members);
    this.#hashed = { shape, table, candidates, isCurrent: true };
    return this.#hashed;
  }

  #cumulative(): Float64Array {
    if (this.#sums !== undefined) return this.#sums;
    const sums = new Float64Array(this.#candidates.length);
    let sum = 0;
    // Counted by hand: an iterator costs ten times as much, and this runs after every change.
    for (let i = 0; i < sums.length; i++) {
      sum += this.#candidates[i]?.workload.capacity ?? 0;
      sums[i] = sum;
    }
    this.#sums = sums;
    return sums;
  }
}

function isSame(a: readonly HashMember[], b: readonly HashMember[]): boolean {
  return a.length === b.length && a.every((one, i) => one.name === b[i]?.name && one.weight === b[i]?.weight);
}

/** The first of which the sum is above that share of the whole. */
function firstAbove(sums: Float64Array, share: number): number {
  const point = share * (sums.at(-1) ?? 0);
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 0) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}
