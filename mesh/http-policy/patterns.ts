/** Patterns of policies against text of callers. Each in one walk over the text: nothing here ever tries twice. */
import type { Pattern } from './model.ts';

export type TextTest = (text: string) => boolean;

/** Whether any of the patterns matches; ranges, which are of addresses, never do. `''` is not present, unless `emptyIsThere`. */
export function compilePatterns(patterns: readonly Pattern[], emptyIsThere = false): TextTest {
  const exact = new Set<string>();
  const others: TextTest[] = [];
  for (const { kind, value } of patterns) {
    if (kind === 'EXACT') exact.add(value);
    else others.push(compilePattern(kind, value, emptyIsThere));
  }
  if (others.length === 0) return (text) => exact.has(text);
  return (text) => {
    if (exact.has(text)) return true;
    for (const holds of others) if (holds(text)) return true;
    return false;
  };
}

function compilePattern(kind: Exclude<Pattern['kind'], 'EXACT'>, value: string, emptyIsThere: boolean): TextTest {
  switch (kind) {
    case 'PREFIX':
      return (text) => text.startsWith(value);
    case 'SUFFIX':
      return (text) => text.endsWith(value);
    case 'PRESENT':
      return emptyIsThere ? () => true : (text) => text !== '';
    case 'GLOB':
      return compileGlob(value);
    case 'TEMPLATE':
      return compileTemplate(value);
    case 'RANGE':
      return () => false;
    default:
      return kind satisfies never;
  }
}

/** The first occurrence of each piece is as good as any later one, so none has to be reconsidered. */
function compileGlob(glob: string): TextTest {
  const [first = '', ...rest] = glob.split('*');
  const last = rest.pop();
  if (last === undefined) return (text) => text === glob;
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of rest) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return at <= end;
  };
}

const SLASH = 0x2f;
const ONE = '{*}';
const ANY = '{**}';

/** Text before, between and after the operators, of which only the last may be `{**}`. */
export type Template = { readonly head: readonly string[]; readonly tail: string | undefined };

/** `head` is parted by `{*}`; `tail` follows the `{**}`, if there is one. */
export function splitTemplate(template: string): Template {
  const any = template.indexOf(ANY);
  if (any < 0) return { head: template.split(ONE), tail: undefined };
  return { head: template.slice(0, any).split(ONE), tail: template.slice(any + ANY.length) };
}

/** `{*}` takes what is there up to the next slash, `{**}` leaves what the tail needs: there is never a choice. */
function compileTemplate(template: string): TextTest {
  const { head, tail } = splitTemplate(template);
  const [first = '', ...rest] = head;
  return (path) => {
    if (!path.startsWith(first)) return false;
    let at = first.length;
    for (const text of rest) {
      const from = at;
      while (at < path.length && path.charCodeAt(at) !== SLASH) at++;
      if (at === from || !path.startsWith(text, at)) return false;
      at += text.length;
    }
    return tail === undefined ? at === path.length : path.length - at >= tail.length && path.endsWith(tail);
  };
}

/** Whether any of a few patterns is of the name. */
export function matchesName(patterns: readonly Pattern[], name: string): boolean {
  return patterns.some(({ kind, value }) =>
    kind === 'EXACT' ? name === value : compilePattern(kind, value, false)(name),
  );
}

/** As policies write it. */
export function formatPattern({ kind, value }: Pattern): string {
  if (kind === 'PREFIX') return `${value}*`;
  if (kind === 'SUFFIX') return `*${value}`;
  return kind === 'PRESENT' ? '*' : value;
}
