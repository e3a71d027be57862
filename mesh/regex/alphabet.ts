/** Characters that no set of a program tells apart are one letter: a table from character to letter. */
import type { Ranges } from './syntax.ts';

const DIRECT = 256;

export class Alphabet {
  readonly size: number;
  /** First character of each letter, ascending. */
  readonly #firsts: readonly number[];
  readonly #direct = new Uint16Array(DIRECT);

  constructor(sets: readonly Ranges[]) {
    const edges = new Set([0]);
    for (const ranges of sets) {
      for (let at = 0; at < ranges.length; at += 2) edges.add(ranges[at] ?? 0).add((ranges[at + 1] ?? 0) + 1);
    }
    this.#firsts = [...edges].sort((a, b) => a - b);
    this.size = this.#firsts.length;
    for (let char = 0; char < DIRECT; char++) this.#direct[char] = this.#search(char);
  }

  letterOf(char: number): number {
    return char < DIRECT ? (this.#direct[char] as number) : this.#search(char);
  }

  /** For each letter, whether the set has it. */
  membership(ranges: Ranges): Uint8Array {
    const has = new Uint8Array(this.size);
    for (let at = 0; at < ranges.length; at += 2) {
      const last = this.#search(ranges[at + 1] ?? 0);
      for (let letter = this.#search(ranges[at] ?? 0); letter <= last; letter++) has[letter] = 1;
    }
    return has;
  }

  #search(char: number): number {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firsts[middle] ?? 0) <= char) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
