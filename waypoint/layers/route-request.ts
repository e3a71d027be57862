/**
 * Does with a request what its rule says: sends the caller elsewhere, answers, or turns it to one of the backends with the
 * changes that rule and backend ask for.
 */
import type { HttpResponse } from '../../core/http/index.ts';
import {
  type HeaderModifier,
  type HttpBackend,
  modifyHeaders,
  pickByWeight,
  type Redirect,
  type Rewrite,
  redirectLocation,
  rewritePath,
} from '../../mesh/index.ts';
import type { Exchange, Layer, Next } from '../exchange.ts';
import { reply } from '../reply.ts';
import type { Rule } from '../routing.ts';
import { type SessionParts, sessionOf, withSession } from '../session.ts';

export type RouteParts = SessionParts & {
  /** In [0, 1). */
  readonly random: () => number;
};

/** Names of objects are for who may read their status. */
const NO_BACKEND = 'the route leads to a backend that can not be had; its status says why';

export function routeRequest(parts: RouteParts): Layer {
  return (next) => (x) => {
    const { route } = x;
    if (route === 'default') return next(x);
    if (route === 'not-found') return reply(x, { status: 404, flags: 'NR', details: 'route_not_found' });
    return withHeaders(perform(route, parts, next, x), route.action.responseHeaders);
  };
}

function perform(
  { action, sessions }: Rule,
  parts: RouteParts,
  next: Next,
  x: Exchange,
): HttpResponse | Promise<HttpResponse> {
  const { redirect, directResponse, backends, rewrite, requestHeaders } = action;
  if (redirect !== undefined) return redirected(x, redirect);
  if (directResponse !== undefined) {
    const { status, body } = directResponse;
    return reply(x, { status, body, details: 'direct_response' });
  }
  const kept = sessions && sessionOf(parts, sessions, x);
  const backend = kept?.backend ?? pickByWeight(backends, parts.random());
  if (backend === undefined || backend.invalidStatus !== 0) {
    return reply(x, { status: backend?.invalidStatus ?? 500, body: NO_BACKEND, details: 'direct_response' });
  }
  if (backend.redirect !== undefined) return redirected(x, backend.redirect);
  // A backend's own rewrite is of the request as it came, not of what the rule has made of it.
  const path = x.path;
  if (rewrite !== undefined) apply(rewrite, x, path);
  if (backend.rewrite !== undefined) apply(backend.rewrite, x, path);
  if (requestHeaders !== undefined) modifyHeaders(requestHeaders, x.request.headers);
  if (backend.requestHeaders !== undefined) modifyHeaders(backend.requestHeaders, x.request.headers);
  turnTo(x, backend);
  if (sessions === undefined) return withHeaders(next(x), backend.responseHeaders);
  x.mark = kept?.mark;
  return withHeaders(withSession(parts, next(x), { x, sessions, kept, backend }), backend.responseHeaders);
}

function turnTo(x: Exchange, { service, port }: HttpBackend): void {
  const { target } = x;
  if (target.kind === 'service' && target.service === service && target.port === port) return;
  x.target = { kind: 'service', service, port };
}

function redirected(x: Exchange, redirect: Redirect): HttpResponse {
  const { request, called } = x;
  const { target, authority, scheme } = request;
  const location = redirectLocation(redirect, { target: canonical(x, target), authority, scheme, port: called.port });
  return reply(x, { status: redirect.status, details: 'direct_response', headers: { location } });
}

function apply({ hostname, path }: Rewrite, x: Exchange, matched: string): void {
  const { request } = x;
  if (hostname !== '') request.authority = hostname;
  if (path === undefined) return;
  const mark = request.target.indexOf('?');
  x.path = rewritePath(path, matched);
  request.target = x.path + (mark < 0 ? '' : request.target.slice(mark));
}

/** With the path that was matched: what is replaced must be what was met. */
function canonical({ path }: Exchange, target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? path : path + target.slice(mark);
}

function withHeaders(
  pending: HttpResponse | Promise<HttpResponse>,
  modifier: HeaderModifier | undefined,
): HttpResponse | Promise<HttpResponse> {
  return modifier === undefined ? pending : modified(pending, modifier);
}

async function modified(
  pending: HttpResponse | Promise<HttpResponse>,
  modifier: HeaderModifier,
): Promise<HttpResponse> {
  const response = await pending;
  modifyHeaders(modifier, response.headers);
  return response;
}
