/** Shares of the traffic: who gets a request, and who a copy. Chance is passed in, from 0 to below 1. */
import type { Mirror } from './model.ts';

/** One of the backends, by weight; undefined when none has any. */
export function pickByWeight<T extends { readonly weight: number }>(
  backends: readonly T[],
  random: number,
): T | undefined {
  let total = 0;
  for (const { weight } of backends) total += weight;
  let at = random * total;
  for (const backend of backends) {
    if (at < backend.weight) return backend;
    at -= backend.weight;
  }
  return undefined;
}

export function isMirrored({ numerator, denominator }: Mirror, random: number): boolean {
  return random * denominator < numerator;
}
