/** Cookies of a request (RFC 6265 section 4.2). */
import type { HttpRequest } from '../core/http/index.ts';

type WithHeaders = Pick<HttpRequest, 'headers'>;

/** Every pair, as it is written; of several lines as of one. */
export function cookiesOf({ headers }: WithHeaders): readonly string[] {
  return headers.all('cookie').flatMap((line) => line.split(';').map((cookie) => cookie.trim()));
}

/** All values of that name but empty ones, without quotes. */
export function cookieValues(request: WithHeaders, name: string): readonly string[] {
  return cookiesOf(request)
    .filter((cookie) => cookie.startsWith(`${name}=`))
    .map((cookie) => cookie.slice(name.length + 1).replace(/^"(.*)"$/, '$1'))
    .filter((value) => value !== '');
}
