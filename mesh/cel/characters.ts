/** Texts are counted in code points, whatever they are stored as; without an array of them. */

export function charactersIn(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += widthAt(text, at)) count++;
  return count;
}

/** Where the character after the first `count` begins; the end of the text after all of them. Undefined: there are not so many. */
export function offsetOf(text: string, count: number): number | undefined {
  let at = 0;
  for (let passed = 0; passed < count; passed++) {
    if (at >= text.length) return undefined;
    at += widthAt(text, at);
  }
  return count < 0 ? undefined : at;
}

/** Half a pair of surrogates alone is a character, too. */
const widthAt = (text: string, at: number): number => ((text.codePointAt(at) ?? 0) > 0xff_ff ? 2 : 1);
