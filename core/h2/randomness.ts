/** A small generator of our own (xorshift), for tests: a failure comes again with its seed. */
export function randomness(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
