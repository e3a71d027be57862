/** How far apart two words are, for suggestions. */

/**
 * Letters to insert, delete, replace or swap with their neighbour (optimal string alignment); anything beyond `max` is
 * `max + 1`. Words longer than 128 count as too far: nobody's slip.
 */
export function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max || a.length > 128 || b.length > 128) return max + 1;
  let [before, last]: [number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    [before, last] = [last, row];
  }
  return Math.min(last[b.length] ?? 0, max + 1);
}

/** The known word that was probably meant: within two slips, or one in a short word. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let distance = word.length < 6 ? 2 : 3;
  for (const candidate of known) {
    const d = editDistance(word, candidate, distance - 1);
    if (d < distance) [best, distance] = [candidate, d];
  }
  return best;
}
