/** Numbers of 32 bits out of texts, the same everywhere and for good: to spread with, not to keep secrets with. */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a over the code units: spreads names, so that who comes first hardly matters. */
export function fnv1a(text: string, start = FNV_OFFSET): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME) >>> 0;
  return hash;
}

/** Every bit of the result hangs on every bit of the number (the finalizer of MurmurHash3). */
export function mix(number: number): number {
  let hash = number ^ (number >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Texts that are nearly the same have hashes that are not. Another `seed` makes another hash of the same text. */
export function hash32(text: string, seed = 0): number {
  return mix(fnv1a(text, (FNV_OFFSET ^ mix(seed)) >>> 0));
}
