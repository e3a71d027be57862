/** Which header lists are well formed (RFC 9113 section 8.2 and 8.3), and how they look to the users of a tunnel. */
import { type Field, HpackDecoder, staticFields } from '../../h2/index.ts';

/** Whose head a pseudo-header field belongs into; `bad` belongs nowhere. */
type Kind = 'request' | 'response' | 'regular' | 'bad';

/** A field, judged when it came: most come again as the same object, by an index. */
export type TunnelField = Field & { readonly kind: Kind };

// Section 8.2.1: at least no control characters, spaces, upper case or beyond ASCII in names.
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Stricter than the least that it asks for: what no field value may hold (RFC 9110 section 5.5) is good for tricks alone.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const BAD_VALUE = /[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;
/** RFC 9113 section 8.5: host and port, and no more; which ones, the user of the tunnel decides. */
const AUTHORITY = /^[\x21-\x3f\x41-\x7e]+$/;
const STATUS = /^[1-9][0-9]{2}$/;

type Known = { readonly name: string; readonly kind: Kind };
const KNOWN = new Map<string, Known>();
function know(kind: Kind, names: readonly string[]): void {
  for (const name of names) KNOWN.set(name, { name, kind });
}
know('request', [':method', ':scheme', ':path', ':authority']);
know('response', [':status']);
/** Section 8.2.2: these belong to HTTP/1.1. */
know('bad', ['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);
/** On each request: their names are no new strings. */
know('regular', ['baggage', 'forwarded', 'traceparent']);

function makeField(name: string, value: string): TunnelField {
  const known = KNOWN.get(name);
  const isGood = (known !== undefined || NAME.test(name)) && !BAD_VALUE.test(value);
  if (!isGood || (name === 'te' && value !== 'trailers')) return { name, value, kind: 'bad' };
  return { name: known?.name ?? name, value, kind: known?.kind ?? 'regular' };
}

const STATIC = staticFields(makeField);

export function newTunnelDecoder(): HpackDecoder<TunnelField> {
  return new HpackDecoder(STATIC, makeField);
}

/** Section 8.1: trailers, which come after the content, have no pseudo-header fields. */
export function isWellFormed(fields: readonly TunnelField[], kind: 'request' | 'response' | 'trailers'): boolean {
  const seen: string[] = []; // by name: one object may well come twice
  let hasRegular = false;
  for (const field of fields) {
    if (field.kind === 'regular') hasRegular = true;
    else if (hasRegular || field.kind !== kind || seen.includes(field.name)) return false;
    else seen.push(field.name);
  }
  if (kind === 'trailers') return true;
  if (kind === 'response') return STATUS.test(pseudo(fields, ':status') ?? '');
  // Section 8.5: CONNECT carries no :scheme or :path, and must say where to.
  if (isConnectHead(fields)) return seen.length === 2 && AUTHORITY.test(pseudo(fields, ':authority') ?? '');
  return seen.includes(':method') && seen.includes(':scheme') && seen.includes(':path');
}

export function isConnectHead(fields: readonly TunnelField[]): boolean {
  return pseudo(fields, ':method') === 'CONNECT';
}

/** Of the first of that name. */
export function pseudo(fields: readonly TunnelField[], name: string): string | undefined {
  for (const field of fields) if (field.name === name) return field.value;
  return undefined;
}

/** Header lines as plain text; several of one name are joined by a comma, pseudo-headers left out. */
export function plainFields(fields: readonly TunnelField[]): ReadonlyMap<string, string> {
  const plain = new Map<string, string>();
  for (const { name, value, kind } of fields) {
    if (kind !== 'regular') continue;
    const before = plain.get(name);
    plain.set(name, before === undefined ? value : `${before},${value}`);
  }
  return plain;
}
