/** A compact JWS taken apart (RFC 7515 section 7.1). What it says is believed by nobody before its signature was verified. */
import type { Header } from '../jwks/key-set.ts';

export type ParsedToken = {
  readonly header: Header;
  readonly claims: Readonly<Record<string, unknown>>;
  /** As it is in the token: base64url. */
  readonly payload: string;
};

const SECTION = /^[A-Za-z0-9_-]+$/;

export function parseToken(token: string): ParsedToken | undefined {
  const [first = '', payload = '', signature = '', ...more] = token.split('.');
  if (more.length > 0 || !SECTION.test(first) || !SECTION.test(payload) || !SECTION.test(signature)) return undefined;
  const header = json(first);
  const claims = json(payload);
  if (header === undefined || claims === undefined) return undefined;
  const { alg, kid } = header;
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined;
  return { header: { alg, kid }, claims, payload };
}

function json(section: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(section, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined; // no JSON
  }
}
