/** Many paths as one: what names a single thing becomes `{*}`, in the words of policies' path templates (waypoint.md section 4.3). */

const MOST_SEGMENTS = 8;
const LONGEST_SEGMENT = 40;

/** So many digits in a row, or this long a word of hexadecimal letters with a digit among them, name a thing. */
const ID_DIGITS = 4;
const HASH_LENGTH = 8;

/** `/items/17/parts` is `/items/{*}/parts`; beyond some depth the rest is `{**}`. `path` is normalised and without a query. */
export function pathPattern(path: string): string {
  let pattern = '';
  let copied = 0; // up to there
  let from = path.startsWith('/') ? 1 : 0;
  for (let depth = 1; ; depth++) {
    const slash = path.indexOf('/', from);
    const to = slash < 0 ? path.length : slash;
    if (depth === MOST_SEGMENTS && slash >= 0) return `${pattern}${path.slice(copied, from)}{**}`;
    if (isName(path, from, to)) {
      pattern += `${path.slice(copied, from)}{*}`;
      copied = to;
    }
    if (slash < 0) return copied === 0 ? path : pattern + path.slice(copied);
    from = slash + 1;
  }
}

/** The same, coarser: all that is below the first segment. */
export function belowFirst(path: string): string {
  const slash = path.indexOf('/', 1);
  const to = slash < 0 ? path.length : slash;
  if (to <= 1) return EVERYTHING;
  return isName(path, 1, to) ? '/{*}/{**}' : `${path.slice(0, to)}/{**}`;
}

export const EVERYTHING = '/{**}';

/** Whether a segment names a single thing, or is nothing that a template can have as a literal. */
function isName(path: string, from: number, to: number): boolean {
  const length = to - from;
  if (length > LONGEST_SEGMENT) return true;
  let run = 0;
  let digits = 0;
  let hex = 0;
  let dashes = 0;
  for (let at = from; at < to; at++) {
    const kind = KINDS[path.charCodeAt(at)] ?? ODD;
    if (kind === ODD) return true;
    run = kind === DIGIT ? run + 1 : 0;
    if (run === ID_DIGITS) return true;
    if (kind === DIGIT) digits += 1;
    else if (kind === HEX) hex += 1;
    else if (kind === DASH) dashes += 1;
  }
  if (digits === 0) return false;
  // A number, a hash, or a UUID.
  return digits === length || (digits + hex + dashes === length && digits + hex >= HASH_LENGTH);
}

/** Of characters; `ODD`: what nobody would write in a template. */
const ODD = 0;
const PLAIN = 1;
const DIGIT = 2;
const HEX = 3;
const DASH = 4;
const KINDS: Uint8Array = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/\d/.test(character)) return DIGIT;
  if (/[a-f]/i.test(character)) return HEX;
  if (character === '-') return DASH;
  return /[\w.~!$&'()+,;=:@]/.test(character) ? PLAIN : ODD;
});
