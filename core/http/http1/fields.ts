/** Field lines, strictly: what two readers could read in two ways is refused (RFC 9112 sections 2.2 and 5). */
import { COLON, CR, LF, SPACE, TAB, TOKEN, VALUE } from './characters.ts';
import { headTooLarge, malformed } from './faults.ts';

/**
 * Appends name (in lower case) and value of each line from `at` to the empty line that ends `text`.
 * @throws HttpError
 */
export function parseFields(text: string, at: number, maxFields: number, list: string[]): void {
  const end = text.length - 2; // of the last line; the empty one follows
  while (at < end) {
    if (list.length >= maxFields * 2) throw headTooLarge(`${maxFields} fields`);
    let stop = at;
    let hasCapitals = false;
    for (;;) {
      const kind = TOKEN[text.charCodeAt(stop)];
      if (kind === 2) hasCapitals = true;
      else if (kind !== 1) break;
      stop += 1;
    }
    if (stop === at || text.charCodeAt(stop) !== COLON) throw badName(text, at, stop);
    const name = text.substring(at, stop);
    let from = stop + 1;
    while (isBlank(text.charCodeAt(from))) from += 1;
    stop = from;
    while (VALUE[text.charCodeAt(stop)] === 1) stop += 1;
    if (text.charCodeAt(stop) !== CR || text.charCodeAt(stop + 1) !== LF) {
      throw malformed('control_byte', `a control byte in the value of ${name}`);
    }
    at = stop + 2;
    while (stop > from && isBlank(text.charCodeAt(stop - 1))) stop -= 1;
    list.push(hasCapitals ? name.toLowerCase() : name, text.substring(from, stop));
  }
}

const isBlank = (c: number): boolean => c === SPACE || c === TAB;

function badName(text: string, at: number, stop: number): Error {
  const c = text.charCodeAt(stop);
  if (stop === at && isBlank(c)) return malformed('folded_line', 'a field line that begins with a blank');
  if (stop === at) return malformed('field_name', 'a field line without a name');
  if (isBlank(c)) return malformed('space_before_colon', 'a blank between field name and colon');
  return malformed('field_name', 'a field name with a byte that may not be in it');
}
