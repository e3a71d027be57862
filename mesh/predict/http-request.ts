/**
 * The request that is asked about, as a waypoint sees it on its way through its layers (waypoint.md section 1.5): what is not said is
 * what is usual.
 */
import type { PolicyRequest } from '../http-policy/facts.ts';
import type { JwtAuthentication, PathNormalization } from '../http-policy/model.ts';
import { normalisePath } from '../http-policy/normalise-path.ts';
import { isPreflight } from '../http-policy/tokens.ts';
import type { PortRoutes } from '../route/model.ts';
import { type RequestFacts, splitTarget } from '../route/request-facts.ts';
import { AskedHeaders, asProxied, type TunnelPeer } from './http-headers.ts';
import { asClientsSend } from './http-route.ts';
import { afterToken, type TokenTaken, takeToken, tokenHeader, withToken } from './http-token.ts';
import type { HttpQuestion } from './question.ts';

export type RequestOnItsWay = RequestFacts & PolicyRequest & { readonly headers: AskedHeaders };

export type AskedRequest =
  | {
      readonly kind: 'request';
      /** By which routes of the client's own namespace are chosen. */
      readonly sent: RequestOnItsWay;
      /** What those have made of it: external authorizers are asked about this. */
      readonly come: RequestOnItsWay;
      /** After its token was looked at: what policies judge, and routes of the service go by. */
      readonly judged: RequestOnItsWay;
      readonly notes: readonly string[];
    }
  /** The waypoint answers with this status, before AUDIT, DENY and ALLOW are asked. `sent`, `come`: where it got further than that. */
  | {
      readonly kind: 'refused';
      readonly status: 400 | 401 | 403;
      readonly because: string;
      readonly next?: readonly string[];
      readonly sent?: RequestOnItsWay;
      readonly come?: RequestOnItsWay;
    };

export type Asking = {
  readonly http: HttpQuestion;
  /** Host and port, as the caller named them. */
  readonly authority: string;
  readonly sourceNamespace: string;
  readonly peer: TunnelPeer;
  readonly normalization: PathNormalization;
  readonly authentications: readonly JwtAuthentication[];
  readonly routes: PortRoutes | undefined;
};

export function askedRequest(asking: Asking): AskedRequest {
  const { http, peer, normalization, authentications, routes } = asking;
  const { method = 'GET', path: target = '/' } = http;
  const { path: raw, query } = splitTarget(target);
  const normalised = normalisePath(raw, normalization);
  if (normalised.kind === 'invalid') return badPath(raw, normalised.reason);
  const written = AskedHeaders.of(http.headers ?? {});
  const preflight = isPreflight({ method, headers: written });
  const token = preflight ? NO_TOKEN : takeToken(http.claims, authentications);
  const by = token.kind === 'taken' ? token.by : undefined;
  const authority = written.get('host') ?? asking.authority;
  const headers = http.claims === undefined ? written.clone() : withToken(written, by?.rule).clone();
  headers.remove('host');
  const { path } = normalised;
  const { sourceNamespace } = asking;
  const sent = { method, path, query, authority, scheme: 'http', headers, sourceNamespace };
  const routed = asClientsSend(routes, sent);
  const again = normalisePath(routed.path, normalization);
  if (again.kind === 'invalid') return badPath(routed.path, again.reason);
  const come = { ...routed, path: again.path, headers: asProxied(routed.headers, peer) };
  if (token.kind === 'refused') return { ...token, sent, come };
  const judged = { ...come, headers: afterToken(come.headers, authentications, by) };
  return {
    kind: 'request',
    sent,
    come,
    judged: token.facts === undefined ? judged : { ...judged, token: token.facts },
    notes: [
      ...(path === raw ? [] : [`the path ${raw} is looked at, and sent on, as ${path}`]),
      ...token.notes,
      ...(http.claims === undefined && !preflight ? unverified(written, authentications) : []),
    ],
  };
}

const NO_TOKEN: TokenTaken = { kind: 'taken', notes: [] };

function badPath(raw: string, reason: string): Extract<AskedRequest, { readonly kind: 'refused' }> {
  return { kind: 'refused', status: 400, because: `the path ${JSON.stringify(raw)} is refused: ${reason}` };
}

function unverified(headers: AskedHeaders, authentications: readonly JwtAuthentication[]): readonly string[] {
  const name = tokenHeader(headers, authentications);
  if (name === undefined) return [];
  return [`the token in header ${name} is not looked into: say what is in it with --claim, as in --claim sub=alice`];
}
