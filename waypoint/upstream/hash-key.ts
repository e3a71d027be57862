/** What of a request decides to which endpoint it goes, where a DestinationRule asks for a consistent hash. */
import type { HttpRequest } from '../../core/http/index.ts';
import { type HashPolicy, queryParam, splitTarget } from '../../mesh/index.ts';
import { cookieValues } from '../cookies.ts';
import type { SentTo } from '../exchange.ts';
import type { Source } from '../source.ts';

/** Who wants an endpoint, and what for: an exchange is one. */
export type Asking = {
  readonly source: Source;
  /** Where it was tried before. */
  readonly sent: readonly SentTo[];
  /** Absent where nobody reads requests. */
  readonly request?: Pick<HttpRequest, 'headers' | 'target'> & Partial<Pick<HttpRequest, 'authority'>>;
  /** Of the ClientHello, where it was looked at. */
  readonly serverName?: string | undefined;
  /** Of the endpoint that it is to go to first, if that may be chosen. */
  readonly mark?: string | undefined;
  /** That was made for it, and that it is to have with the answer. */
  newCookie?: NewCookie | undefined;
};

export type NewCookie = { readonly value: string; readonly setCookie: string };

/** Undefined: it has no such thing, and may go anywhere. `random` in [0, 1). */
export function hashKeyOf({ key, name, cookieAttributes }: HashPolicy, by: Asking, random: () => number) {
  const { request } = by;
  if (key === 'SOURCE_IP') return by.source.ip;
  if (request === undefined) return undefined;
  switch (key) {
    case 'HEADER':
      return request.headers.get(name);
    case 'QUERY_PARAMETER':
      return queryParam(splitTarget(request.target).query, name);
    case 'COOKIE': {
      const [value] = cookieValues(request, name);
      if (value !== undefined || cookieAttributes === undefined) return value;
      by.newCookie ??= makeCookie(name, cookieAttributes, random);
      return by.newCookie.value;
    }
    default:
      return key satisfies never;
  }
}

/** Its value says nothing: what counts is that it comes again. */
function makeCookie(name: string, attributes: string, random: () => number): NewCookie {
  const word = () => Math.floor(random() * 2 ** 32).toString(16);
  const value = `${word()}-${word()}`;
  return { value, setCookie: `${name}=${value}${attributes}` };
}
