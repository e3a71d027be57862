/** What routes do to the target and the authority of a request, and where they send a caller instead (waypoint.md section 2.3). */
import type { PathRewrite, Redirect } from './model.ts';
import { splitTarget } from './request-facts.ts';

/** The path after the rewrite; without query. Never empty. */
export function rewritePath({ kind, prefix, value }: PathRewrite, path: string): string {
  switch (kind) {
    case 'FULL':
      return value || '/';
    case 'PREFIX':
      return value + path.slice(prefix.length) || '/';
    case 'SEGMENTS':
      return withoutEndSlash(value) + path.slice(withoutEndSlash(prefix).length) || '/';
    default:
      return kind satisfies never;
  }
}

/** Path and query, the query as it came. */
export function rewriteTarget(rewrite: PathRewrite, target: string): string {
  const { path } = splitTarget(target);
  return rewritePath(rewrite, path) + target.slice(path.length);
}

export type Redirected = {
  /** Path and query. */
  readonly target: string;
  readonly authority: string;
  readonly scheme: string;
  /** Of the service, that the caller came by. */
  readonly port: number;
};

const PORT_OF_SCHEME: ReadonlyMap<string, number> = new Map([
  ['http', 80],
  ['https', 443],
]);

/** The value of Location: absolute, so that no path can be taken for another host. */
export function redirectLocation(redirect: Redirect, request: Redirected): string {
  const scheme = redirect.scheme || request.scheme;
  const host = redirect.hostname || hostOf(request.authority);
  const schemePort = PORT_OF_SCHEME.get(scheme);
  const port = redirect.port || (redirect.scheme === '' ? request.port : (schemePort ?? request.port));
  const shown = port === schemePort ? '' : `:${port}`;
  const target = redirect.path === undefined ? request.target : rewriteTarget(redirect.path, request.target);
  return `${scheme}://${host}${shown}${target === '*' ? '/' : target}`;
}

/** Without the port; an IPv6 address with its brackets. */
export function hostOf(authority: string): string {
  const colon = authority.lastIndexOf(':');
  return colon < 0 || authority.endsWith(']') ? authority : authority.slice(0, colon);
}

function withoutEndSlash(text: string): string {
  return text.endsWith('/') ? text.slice(0, -1) : text;
}
