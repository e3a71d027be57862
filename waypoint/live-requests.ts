/**
 * Requests under way, so that policies that change judge them again. Exchanges are themselves the links of the list: that costs
 * a request two writes, and nothing is allocated.
 */
import type { Exchange } from './exchange.ts';
import type { Denial } from './policy/standing.ts';

export class LiveRequests {
  #newest: Exchange | undefined;

  add(x: Exchange): void {
    x.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = x;
    this.#newest = x;
  }

  /** Harmless when it is not among them. */
  remove(x: Exchange): void {
    const { older, newer } = x;
    if (older !== undefined) older.newer = newer;
    if (newer !== undefined) newer.older = older;
    else if (this.#newest === x) this.#newest = older;
    x.older = undefined;
    x.newer = undefined;
  }

  /** Those that policies have let pass. */
  *passed(): Generator<Exchange> {
    for (let x = this.#newest; x !== undefined; x = x.older) if (x.standing === 'passed') yield x;
  }

  /** Policies of these have changed. `deny` ends what may not go on; whoever has not been judged yet is told to ask again. */
  reevaluate(
    concerned: (x: Exchange) => boolean,
    standing: (x: Exchange) => Denial | undefined,
    deny: (x: Exchange, denial: Denial) => void,
  ): void {
    const denied: (readonly [Exchange, Denial])[] = [];
    for (let x = this.#newest; x !== undefined; x = x.older) {
      if (x.denial !== undefined || !concerned(x)) continue;
      if (x.standing !== 'passed') {
        x.standing = 'outdated';
        continue;
      }
      const denial = standing(x);
      if (denial !== undefined) denied.push([x, denial]);
    }
    for (const [x, denial] of denied) deny(x, denial); // not before: it takes them out of the list
  }
}
