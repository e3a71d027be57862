/** A pattern as a machine without memory: each instruction eats a character or forks (Thompson's construction). */
import { RegexProblem } from './parse.ts';
import type { Ranges, Syntax } from './syntax.ts';

/** More than any sane pattern needs; repetitions of repetitions are what reaches it. */
const MAX_INSTRUCTIONS = 10_000;

export const EAT = 0;
export const FORK = 1;
export const AT_START = 2;
export const AT_END = 3;
export const MATCH = 4;

export type Program = {
  readonly ops: readonly number[];
  /** Where it goes on. */
  readonly to: readonly number[];
  /** FORK: where it goes on, too. EAT: which set. */
  readonly also: readonly number[];
  readonly sets: readonly Ranges[];
  readonly start: number;
};

/** @throws RegexProblem when the program gets too large. */
export function programOf(syntax: Syntax): Program {
  const builder = new Builder();
  const match = builder.add(MATCH, 0, 0);
  const start = builder.emit(syntax, match);
  return { ops: builder.ops, to: builder.to, also: builder.also, sets: builder.sets, start };
}

/** Built from the end: each piece is given where it goes on. */
class Builder {
  readonly ops: number[] = [];
  readonly to: number[] = [];
  readonly also: number[] = [];
  readonly sets: Ranges[] = [];
  readonly #setOf = new Map<string, number>();

  add(op: number, to: number, also: number): number {
    if (this.ops.length >= MAX_INSTRUCTIONS) throw new RegexProblem('it is too large: repetitions inside repetitions');
    this.to.push(to);
    this.also.push(also);
    return this.ops.push(op) - 1;
  }

  /** Where the piece begins. */
  emit(syntax: Syntax, next: number): number {
    switch (syntax.kind) {
      case 'set':
        return this.add(EAT, next, this.#set(syntax.ranges));
      case 'start':
        return this.add(AT_START, next, 0);
      case 'end':
        return this.add(AT_END, next, 0);
      case 'sequence':
        return syntax.items.reduceRight((after, item) => this.emit(item, after), next);
      case 'choice':
        return syntax.items
          .map((item) => this.emit(item, next))
          .reduceRight((others, start) => this.add(FORK, start, others));
      case 'repeat':
        return this.#repeat(syntax, next);
      default:
        return syntax satisfies never;
    }
  }

  #repeat({ item, min, max }: Syntax & { kind: 'repeat' }, next: number): number {
    let start = next;
    if (max === undefined) {
      const loop = this.add(FORK, 0, next);
      this.to[loop] = this.emit(item, loop);
      start = loop;
    } else {
      for (let optional = min; optional < max; optional++) start = this.add(FORK, this.emit(item, start), next);
    }
    for (let needed = 0; needed < min; needed++) start = this.emit(item, start);
    return start;
  }

  #set(ranges: Ranges): number {
    const key = ranges.join(' ');
    const known = this.#setOf.get(key);
    if (known !== undefined) return known;
    const index = this.sets.push(ranges) - 1;
    this.#setOf.set(key, index);
    return index;
  }
}
