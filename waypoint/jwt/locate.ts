/** Tokens where a rule looks for them, and how they are taken out of the request. */
import type { HttpRequest } from '../../core/http/index.ts';
import type { JwtRule } from '../../mesh/index.ts';
import { cookiesOf, cookieValues } from '../cookies.ts';

export type Located = {
  readonly token: string;
  /** Takes it out of the request. */
  readonly remove: (request: HttpRequest) => void;
};

/** Beyond so many a request is not taken seriously: each may cost a signature. */
export const MOST_TOKENS = 8;

export function locate(
  request: Pick<HttpRequest, 'headers' | 'target'>,
  { fromHeaders, fromParams, fromCookies }: JwtRule,
): readonly Located[] {
  const found: Located[] = [];
  for (const { name, prefix } of fromHeaders) {
    for (const value of request.headers.all(name)) {
      const token = afterPrefix(value, prefix);
      if (token !== undefined) found.push({ token, remove: (from) => from.headers.remove(name) });
    }
  }
  for (const name of fromParams) {
    for (const token of params(request.target, name)) found.push({ token, remove: (from) => removeParam(from, name) });
  }
  for (const name of fromCookies) {
    for (const token of cookieValues(request, name)) found.push({ token, remove: (from) => removeCookie(from, name) });
  }
  return found;
}

/** Schemes have no case (RFC 9110 section 11.1): what an application may take for a token is one. */
function afterPrefix(value: string, prefix: string): string | undefined {
  if (value.slice(0, prefix.length).toLowerCase() !== prefix.toLowerCase()) return undefined;
  const token = value.slice(prefix.length).trim();
  return token === '' ? undefined : token;
}

function params(target: string, name: string): readonly string[] {
  const query = target.indexOf('?');
  if (query < 0) return [];
  return target
    .slice(query + 1)
    .split('&')
    .filter((part) => part.startsWith(`${name}=`) && part.length > name.length + 1)
    .map((part) => part.slice(name.length + 1));
}

function removeParam(request: HttpRequest, name: string): void {
  const query = request.target.indexOf('?');
  if (query < 0) return;
  const parts = request.target.slice(query + 1).split('&');
  const kept = parts.filter((part) => !part.startsWith(`${name}=`));
  request.target = request.target.slice(0, query) + (kept.length === 0 ? '' : `?${kept.join('&')}`);
}

function removeCookie(request: HttpRequest, name: string): void {
  const kept = cookiesOf(request).filter((cookie) => !cookie.startsWith(`${name}=`) && cookie !== '');
  if (kept.length === 0) request.headers.remove('cookie');
  else request.headers.set('cookie', kept.join('; '));
}
