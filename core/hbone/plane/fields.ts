/** Which header lists are well formed (RFC 9113 section 8.2 and 8.3), and how they look to the users of a tunnel. */
import type { HeaderField } from '../../net/index.ts';

/** Section 8.2.2: these belong to HTTP/1.1. */
const OF_THE_CONNECTION = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);
const PSEUDO = {
  request: new Set([':method', ':scheme', ':path', ':authority']),
  response: new Set([':status']),
  /** Section 8.1: what comes after the content has no pseudo-header fields. */
  trailers: new Set<string>(),
} as const;

// Section 8.2.1: at least no control characters, spaces, upper case or beyond ASCII in names.
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Stricter than the least that it asks for: what no field value may hold (RFC 9110 section 5.5) is good for tricks alone.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;
/** RFC 9113 section 8.5: host and port, and no more; which ones, the user of the tunnel decides. */
const AUTHORITY = /^[\x21-\x3f\x41-\x7e]+$/;

export function isWellFormed(fields: readonly HeaderField[], kind: keyof typeof PSEUDO): boolean {
  const seen = new Set<string>();
  let hasRegular = false;
  for (const [name, value] of fields) {
    if (!NAME.test(name) || BAD_VALUE.test(value)) return false;
    if (name.startsWith(':')) {
      if (hasRegular || seen.has(name) || !PSEUDO[kind].has(name)) return false;
      seen.add(name);
      continue;
    }
    hasRegular = true;
    if (OF_THE_CONNECTION.has(name) || (name === 'te' && value !== 'trailers')) return false;
  }
  if (kind === 'trailers') return true;
  if (kind === 'response') return seen.has(':status') && /^[1-9][0-9]{2}$/.test(pseudo(fields, ':status') ?? '');
  if (!seen.has(':method')) return false;
  // Section 8.5: CONNECT carries no :scheme or :path, and must say where to.
  if (pseudo(fields, ':method') === 'CONNECT') {
    return AUTHORITY.test(pseudo(fields, ':authority') ?? '') && !seen.has(':scheme') && !seen.has(':path');
  }
  return seen.has(':scheme') && seen.has(':path');
}

export function isConnectHead(fields: readonly HeaderField[]): boolean {
  return pseudo(fields, ':method') === 'CONNECT';
}

export function pseudo(fields: readonly HeaderField[], name: string): string | undefined {
  return fields.find((field) => field[0] === name)?.[1];
}

/** Header lines as plain text; several of one name are joined by a comma, pseudo-headers left out. */
export function plainFields(fields: readonly HeaderField[]): ReadonlyMap<string, string> {
  const plain = new Map<string, string>();
  for (const [name, value] of fields) {
    if (name.startsWith(':')) continue;
    const before = plain.get(name);
    plain.set(name, before === undefined ? value : `${before},${value}`);
  }
  return plain;
}
