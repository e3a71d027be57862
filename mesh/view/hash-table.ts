/**
 * From the hash of a request to one of several members, the same wherever the same members are known, and with few hashes that
 * lead elsewhere when a member comes or goes: a ring of points (Karger et al. 1997, as `ring_hash` of the reference), or the table
 * of Maglev (Eisenbud et al., NSDI 2016, section 3.4). Either is a list of slots, each of which belongs to a member.
 */
import { hash32, mix } from '../hash.ts';

export type HashTableShape = {
  readonly kind: 'RING' | 'MAGLEV';
  /** Points of the ring at least, or slots of the table, a prime: at most {@link MAX_RING} or {@link MAX_MAGLEV}. */
  readonly size: number;
};

export type HashMember = { readonly name: string; readonly weight: number };

/** Points that may be asked for. A ring has no more than that, and one for each member, in 8 bytes each. */
export const MAX_RING = 65_536;
/** As many points as may be asked for are had by each unit of weight, until all together have this many. */
const RING_POINTS = 32_768;
/** Slots that may be asked for, in 4 bytes each; a prime. A table takes some 10 ms to make. */
export const MAX_MAGLEV = 131_071;
/** Slots that are looked at for a member that is wanted, before all members are. */
const MAX_STEPS = 128;
/** A point of the ring and the number of its owner share the 53 bits of a number. */
const OWNER_RANGE = 2 ** 20;
const GOLDEN = 0x9e3779b9;
/** Seeds. Keys are not hashed as members are: a key that is the name of a member must not always find that member. */
const [FIRST, SECOND, KEYS, CHANCE] = [0, 1, 2, 3] as const;

export class HashTable {
  readonly members: readonly HashMember[];
  /** Of a ring: `point * OWNER_RANGE + owner`, in order. Of a table: owners. */
  readonly #slots: Float64Array | Uint32Array;

  /** `members`: at least one, at most 2^20, in the order of their names. Weights: whole and positive. */
  constructor({ kind, size }: HashTableShape, members: readonly HashMember[]) {
    this.members = members;
    this.#slots = kind === 'RING' ? ringOf(members, size) : maglevOf(members, size);
  }

  get size(): number {
    return this.#slots.length;
  }

  /** The number of the member that a hash of 32 bits leads to; of those that are not wanted, that of the next. Undefined: none is. */
  choose(hash: number, isWanted: (member: number) => boolean): number | undefined {
    const { length } = this.#slots;
    let slot = this.#slotOf(hash);
    for (let step = 0; step < Math.min(MAX_STEPS, length); step++) {
      const owner = this.#ownerOf(slot);
      if (isWanted(owner)) return owner;
      slot = slot + 1 === length ? 0 : slot + 1;
    }
    const count = this.members.length;
    for (let i = 0, member = hash % count; i < count; i++, member = member + 1 === count ? 0 : member + 1) {
      if (isWanted(member)) return member;
    }
    return undefined;
  }

  #ownerOf(slot: number): number {
    return (this.#slots[slot] ?? 0) % OWNER_RANGE;
  }

  /** Of a ring, the first point at or after the hash. */
  #slotOf(hash: number): number {
    const { length } = this.#slots;
    if (this.#slots instanceof Uint32Array) return hash % length;
    const wanted = hash * OWNER_RANGE;
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#slots[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low === length ? 0 : low;
  }
}

/**
 * While there are few members, one that comes or goes does not change how many points the others have, and only its own share
 * moves; beyond that they have the less the more they are, and as much again moves.
 */
function ringOf(members: readonly HashMember[], size: number): Float64Array {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const perUnit = Math.min(size, Math.max(size, RING_POINTS) / total);
  // Rounded by chance, which the name is: else a point less would be had by all at once.
  const counts = members.map(({ name, weight }) => Math.max(1, Math.floor(weight * perUnit + chanceOf(name))));
  const points = new Float64Array(counts.reduce((sum, count) => sum + count, 0));
  let next = 0;
  for (const [owner, { name }] of members.entries()) {
    const [one, other] = [hash32(name, FIRST), hash32(name, SECOND)];
    const count = counts[owner] ?? 0;
    for (let i = 0; i < count; i++) points[next++] = mix(one ^ mix(other + Math.imul(i, GOLDEN))) * OWNER_RANGE + owner;
  }
  return points.sort();
}

function chanceOf(name: string): number {
  return hash32(name, CHANCE) / 2 ** 32;
}

const FREE = 0xffff_ffff;

/** Members take turns, each its next free slot in an order of its own; the heavier ones more often. */
function maglevOf(members: readonly HashMember[], size: number): Uint32Array {
  const slots = new Uint32Array(size).fill(FREE);
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 1);
  const at = Uint32Array.from(members, ({ name }) => hash32(name, FIRST) % size);
  const step = Uint32Array.from(members, ({ name }) => (size > 1 ? (hash32(name, SECOND) % (size - 1)) + 1 : 0));
  const due = new Float64Array(members.length);
  for (let round = 1, taken = 0; taken < size; round++) {
    for (const [member, { weight }] of members.entries()) {
      if (round * weight < (due[member] ?? 0)) continue;
      due[member] = (due[member] ?? 0) + heaviest;
      let slot = at[member] ?? 0;
      const stride = step[member] ?? 0;
      while (slots[slot] !== FREE) slot = slot + stride >= size ? slot + stride - size : slot + stride;
      slots[slot] = member;
      at[member] = slot;
      taken += 1;
      if (taken === size) break;
    }
  }
  return slots;
}

/** What a member is looked up by. */
export function hashOf(key: string): number {
  return hash32(key, KEYS);
}
