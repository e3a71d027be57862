/** Requests from scripts of other origins (CORS, the Fetch standard), answered as a route says (waypoint.md section 2.3). */
import { stringTest } from './conditions.ts';
import type { MutableHeaders } from './header-modifier.ts';
import type { Cors, Header } from './model.ts';
import type { Headers } from './request-facts.ts';

export type CorsDecision =
  /** It is no such request, or its origin has no permission: what the backend answers is not touched. */
  | { readonly kind: 'pass' }
  /** The backend's answer gets these; those of their names that it has itself are replaced. */
  | { readonly kind: 'permit'; readonly headers: readonly Header[] }
  /** A preflight: answered at once. */
  | { readonly kind: 'answer'; readonly status: number; readonly headers: readonly Header[] };

export type CorsCheck = (request: { readonly method: string; readonly headers: Headers }) => CorsDecision;

const PASS: CorsDecision = { kind: 'pass' };
/** Without permission; a browser then does not send the request itself. */
const UNMATCHED: CorsDecision = { kind: 'answer', status: 204, headers: [] };

/** Compiled once for each route. */
export function compileCors(cors: Cors): CorsCheck {
  const origins = cors.allowOrigins.map(stringTest);
  const permitted: readonly Header[] = cors.allowCredentials
    ? [{ name: 'access-control-allow-credentials', value: 'true' }]
    : [];
  const exposed = header('access-control-expose-headers', cors.exposeHeaders.join(', '));
  return ({ method, headers }) => {
    const origin = headers.get('origin');
    if (origin === undefined) return PASS;
    const wished = method === 'OPTIONS' ? headers.get('access-control-request-method') : undefined;
    const isAllowed = origins.some((matches) => matches(origin));
    if (!isAllowed) return wished === undefined || cors.forwardsUnmatched ? PASS : UNMATCHED;
    // The origin is echoed, never `*`: which is not permitted with credentials, and caches are told.
    const common = [
      { name: 'access-control-allow-origin', value: origin },
      { name: 'vary', value: 'origin' },
      ...permitted,
    ];
    if (wished === undefined) return { kind: 'permit', headers: [...common, ...exposed] };
    const wishedHeaders = headers.get('access-control-request-headers') ?? '';
    return {
      kind: 'answer',
      status: 204,
      headers: [
        ...common,
        ...header('access-control-allow-methods', granted(cors.allowMethods, wished)),
        ...header('access-control-allow-headers', granted(cors.allowHeaders, wishedHeaders)),
        { name: 'access-control-max-age', value: String(cors.maxAgeSeconds) },
      ],
    };
  };
}

/** `*` means to a browser with credentials nothing but a method of that name: what was asked for is answered. */
function granted(allowed: readonly string[], wished: string): string {
  return allowed.includes('*') ? wished : allowed.join(', ');
}

/** What a permission adds to the answer of a backend. */
export function addPermission(headers: readonly Header[], to: MutableHeaders): void {
  for (const { name, value } of headers) {
    if (name === 'vary') to.append(name, value);
    else to.set(name, value);
  }
}

function header(name: string, value: string): readonly Header[] {
  return value === '' ? [] : [{ name, value }];
}
