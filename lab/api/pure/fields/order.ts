import { isDeepStrictEqual } from 'node:util';
import type { Json } from '../types.ts';

/** Deep equality of JSON; the order of keys does not matter. */
export const sameJson = (a: Json | undefined, b: Json | undefined): boolean => a === b || isDeepStrictEqual(a, b);

/**
 * Joins the elements that somebody put in order with those of the live list that he did not mention. The mentioned keep
 * their order; each other one stays as near as that allows to where it was.
 */
export function interleave<T>(ordered: readonly T[], others: readonly T[], liveIndex: (element: T) => number): T[] {
  const result: T[] = [];
  let next = 0;
  for (const element of ordered) {
    const index = liveIndex(element);
    for (let other = others[next]; index >= 0 && other !== undefined; other = others[next]) {
      if (liveIndex(other) > index) break;
      result.push(other);
      next++;
    }
    result.push(element);
  }
  return [...result, ...others.slice(next)];
}
