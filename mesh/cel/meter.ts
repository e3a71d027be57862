/** What an evaluation may cost: a budget of steps, which everything that takes time is paid from. */
import { CelError } from './ast.ts';

export class Meter {
  #left: number;

  constructor(maxSteps: number) {
    this.#left = maxSteps;
  }

  get isSpent(): boolean {
    return this.#left < 0;
  }

  /** To be called before the work wherever its size is known by then. @throws CelError when there is nothing left; from then on always. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new CelError('it takes too many steps');
  }
}

/**
 * Prices in steps, of which one is a part of the expression that is looked at: some 50 ns. The rest is priced by what was measured
 * where values are made to be slow, so that a step of any kind is at most about a microsecond.
 */
export const PRICE = {
  /** A value is compared with another. */
  comparison: 1 / 4,
  /** An error is caught, because something else may decide: the runtime writes down where it came from. */
  failure: 20,
  /** An item of a list, or a key of a map, is put into a new list. */
  item: 1,
  /** An instruction of a pattern is looked at where the machine has never been (`mesh/regex`). */
  instruction: 1 / 5,
} as const;

/** A text is looked through once, by the runtime. */
export const readingOf = (text: string): number => text.length / 100;
/** A text is made. */
export const makingOf = (text: string): number => text.length / 10;
/** A text is taken apart, character by character. */
export const parsingOf = (text: string): number => text.length;
/** A text runs through a pattern. */
export const matchingOf = (text: string): number => text.length / 20;

/** A text is looked for in another: at each place where it may be, all of it may have to be compared. */
export function searchOf(part: string, whole: string): number {
  const places = Math.max(0, whole.length - part.length + 1);
  return (places * (part.length + 8)) / 500;
}
