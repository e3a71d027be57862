/** Some of the items, at most `limit`, in random order, so that clients that take the first address spread. */
export function randomSample<T>(items: readonly T[], limit: number, random: () => number): readonly T[] {
  const copy = [...items];
  const count = Math.min(limit, copy.length);
  for (let i = 0; i < count; i += 1) {
    const j = i + Math.floor(random() * (copy.length - i));
    const [a, b] = [copy[i], copy[j]];
    if (a !== undefined && b !== undefined) [copy[i], copy[j]] = [b, a];
  }
  return copy.slice(0, count);
}
