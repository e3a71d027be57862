/** What a pattern says, as a tree of sets of characters. No captures: nobody here asks which part matched. */

/** Code points as pairs of first and last, ascending, not touching. */
export type Ranges = readonly number[];

export type Syntax =
  | { readonly kind: 'set'; readonly ranges: Ranges }
  | { readonly kind: 'sequence'; readonly items: readonly Syntax[] }
  | { readonly kind: 'choice'; readonly items: readonly Syntax[] }
  /** `max` undefined: without end. */
  | { readonly kind: 'repeat'; readonly item: Syntax; readonly min: number; readonly max: number | undefined }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' };

export const MAX_CODE_POINT = 0x10_ff_ff;

export function normalized(ranges: readonly number[]): Ranges {
  const pairs: [number, number][] = [];
  for (let at = 0; at < ranges.length; at += 2) pairs.push([ranges[at] ?? 0, ranges[at + 1] ?? 0]);
  pairs.sort((a, b) => a[0] - b[0]);
  const joined: number[] = [];
  for (const [first, last] of pairs) {
    const previous = joined.at(-1);
    if (previous !== undefined && first <= previous + 1) joined[joined.length - 1] = Math.max(previous, last);
    else joined.push(first, last);
  }
  return joined;
}

export function complement(ranges: Ranges): Ranges {
  const rest: number[] = [];
  let from = 0;
  for (let at = 0; at < ranges.length; at += 2) {
    const first = ranges[at] ?? 0;
    if (first > from) rest.push(from, first - 1);
    from = (ranges[at + 1] ?? 0) + 1;
  }
  if (from <= MAX_CODE_POINT) rest.push(from, MAX_CODE_POINT);
  return rest;
}

/** With the other case of each letter, of ASCII also inside ranges. */
export function inBothCases(ranges: Ranges): Ranges {
  const more = [...ranges];
  for (let at = 0; at < ranges.length; at += 2) {
    const first = ranges[at] ?? 0;
    const last = ranges[at + 1] ?? 0;
    for (const [from, to, shift] of CASES) {
      if (first <= to && last >= from) more.push(Math.max(first, from) + shift, Math.min(last, to) + shift);
    }
    if (first !== last || first < 0x80) continue;
    const letter = String.fromCodePoint(first);
    for (const other of [letter.toLowerCase(), letter.toUpperCase()]) {
      const point = other.codePointAt(0);
      if (point !== undefined && String.fromCodePoint(point) === other) more.push(point, point);
    }
  }
  return normalized(more);
}

const CASES = [
  [0x41, 0x5a, 32],
  [0x61, 0x7a, -32],
] as const;

/** The text that everything which matches begins with. */
export function literalPrefix(syntax: Syntax): string {
  return literal(syntax).text;
}

/** `isWhole`: it is nothing but that text. */
function literal(syntax: Syntax): { readonly text: string; readonly isWhole: boolean } {
  switch (syntax.kind) {
    case 'set': {
      const [first = 0, last] = syntax.ranges;
      const isOne = syntax.ranges.length === 2 && first === last;
      return isOne ? { text: String.fromCodePoint(first), isWhole: true } : NOTHING_CERTAIN;
    }
    case 'sequence': {
      let text = '';
      for (const item of syntax.items) {
        const part = literal(item);
        text += part.text;
        if (!part.isWhole) return { text, isWhole: false };
      }
      return { text, isWhole: true };
    }
    case 'start':
      return { text: '', isWhole: true };
    default:
      return NOTHING_CERTAIN;
  }
}

const NOTHING_CERTAIN = { text: '', isWhole: false } as const;
