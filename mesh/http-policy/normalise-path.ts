/**
 * One spelling for each path (waypoint.md section 4.5), before anything looks at it and before it is sent on: policies, routes and
 * the application then read the same.
 */
import type { PathNormalization } from './model.ts';

export type NormalisedPath =
  | { readonly kind: 'path'; readonly path: string }
  /** Answered with 400, `path_normalization_failed`. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Nothing to do where none of these is: backslash, escape, empty or dot segment. */
const SUSPICIOUS = /[\\%]|\/[./]/;
const UNRESERVED = /^[A-Za-z0-9\-._~]$/;
const ESCAPE = /%([0-9A-Fa-f]{2})/g;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
/** Visible ASCII is all that a request target can be made of (RFC 3986; RFC 9112 section 3.2). */
const ILLEGAL = /[^!-~]/;

/** `raw` is without its query. `*`, which is about no path, stays what it is. */
export function normalisePath(raw: string, option: PathNormalization): NormalisedPath {
  if (raw === '*') return { kind: 'path', path: raw };
  if (!raw.startsWith('/')) return invalid('it does not begin with a slash');
  if (ILLEGAL.test(raw)) return invalid('it has a character that a path can not have');
  if (!SUSPICIOUS.test(raw)) return { kind: 'path', path: raw };
  if (raw.includes('%00')) return invalid('it has an escaped zero byte');
  if (option === 'NONE') return { kind: 'path', path: raw };
  if (BAD_ESCAPE.test(raw)) return invalid('it has a % that begins no escape');
  let path = raw.replace(ESCAPE, (written, digits: string) => unescaped(written, digits, option));
  path = withoutDots(path.replaceAll('\\', '/'));
  if (option !== 'BASE') path = path.replace(/\/{2,}/g, '/');
  return { kind: 'path', path };
}

function unescaped(written: string, digits: string, option: PathNormalization): string {
  const character = String.fromCharCode(Number.parseInt(digits, 16));
  if (UNRESERVED.test(character)) return character;
  const isSlash = character === '/' || character === '\\';
  return isSlash && option === 'DECODE_AND_MERGE_SLASHES' ? character : written;
}

/** RFC 3986 section 5.2.4: what goes above the root stays there. */
function withoutDots(path: string): string {
  if (!path.includes('/.')) return path;
  const segments = path.slice(1).split('/');
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  const last = segments.at(-1);
  if (last === '.' || last === '..') kept.push('');
  return `/${kept.join('/')}`;
}

function invalid(reason: string): NormalisedPath {
  return { kind: 'invalid', reason };
}
