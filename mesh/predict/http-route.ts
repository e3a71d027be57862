/** Where a waypoint sends what it lets pass, by the routes of the port: every backend that may be chosen. */
import { modifyHeaders } from '../route/header-modifier.ts';
import type { HeaderModifier, HttpAction, HttpBackend, HttpRouteTable, PortRoutes, TcpRule } from '../route/model.ts';
import type { RequestFacts } from '../route/request-facts.ts';
import { rewritePath } from '../route/rewrite.ts';
import { compileTable, match, RouteTables } from '../route/table.ts';
import type { AskedHeaders } from './http-headers.ts';

export type RouteOutcome =
  /** Nobody routes it: to what was called. */
  | { readonly kind: 'as-it-is' }
  | { readonly kind: 'none' }
  | { readonly kind: 'answer'; readonly name: string; readonly status: number; readonly says: string }
  | { readonly kind: 'backends'; readonly name: string; readonly backends: readonly Share[] };

export type Share = {
  /** `namespace/hostname`; undefined: this share fails. */
  readonly service: string | undefined;
  readonly port: number;
  /** Of 1. */
  readonly share: number;
  /** What its service is asked for; of requests. */
  readonly changes?: Changes;
};

/** What a route makes of a request. */
export type Changes = {
  readonly path: string;
  readonly authority: string;
  /** In this order. */
  readonly headers: readonly HeaderModifier[];
};

export function routeHttp(routes: PortRoutes | undefined, request: RequestFacts): RouteOutcome {
  const table = new RouteTables(routes?.http ?? []).of(request.sourceNamespace);
  if (table === undefined) return { kind: 'as-it-is' };
  const action = match(table, request);
  return action === undefined ? { kind: 'none' } : outcomeOf(action, request);
}

/** The request that the policies of the service judge: as the routes of the client's own namespace have made it. */
export function asClientsSend<R extends Changeable>(routes: PortRoutes | undefined, request: R): R {
  const table = ofClient(routes, request.sourceNamespace);
  const action = table && match(compileTable(table), request);
  const [backend] = action?.backends ?? [];
  if (action === undefined || backend === undefined) return request;
  const { path, authority, headers } = changesBy(action, backend, request);
  return { ...request, path, authority, headers: withChanges(request.headers, headers) };
}

/** The routes of that namespace, which take the place of those of the service. */
export function ofClient(routes: PortRoutes | undefined, namespace: string): HttpRouteTable | undefined {
  return routes?.http.find(({ clientNamespace }) => clientNamespace === namespace && namespace !== '');
}

export function withChanges(headers: AskedHeaders, changes: readonly HeaderModifier[]): AskedHeaders {
  const made = headers.clone();
  for (const change of changes) modifyHeaders(change, made);
  return made;
}

type Changeable = RequestFacts & { readonly headers: AskedHeaders };

function changesBy(
  { rewrite: ofRule, requestHeaders: headersOfRule }: HttpAction,
  { rewrite: own, requestHeaders: ownHeaders }: HttpBackend,
  request: RequestFacts,
): Changes {
  const path = own?.path ?? ofRule?.path;
  return {
    path: path === undefined ? request.path : rewritePath(path, request.path),
    authority: own?.hostname || ofRule?.hostname || request.authority,
    headers: [headersOfRule, ownHeaders].filter((one) => one !== undefined),
  };
}

function outcomeOf(action: HttpAction, request: RequestFacts): RouteOutcome {
  const { name, redirect, directResponse, backends } = action;
  if (redirect !== undefined) {
    const { scheme, hostname, status } = redirect;
    const where = [scheme && `${scheme}://`, hostname].filter(Boolean).join('') || 'another place on the same host';
    return { kind: 'answer', name, status, says: `a redirect (${status}) to ${where}` };
  }
  if (directResponse !== undefined) {
    const { status } = directResponse;
    return { kind: 'answer', name, status, says: `a response of its own, ${status}` };
  }
  const alone = redirectOf(backends);
  if (alone !== undefined) return { kind: 'answer', name, status: alone, says: `a redirect (${alone})` };
  const shares = sharesOf(
    backends,
    ({ service, invalidStatus }) => (invalidStatus === 0 ? service : undefined),
    (backend) => changesBy(action, backend, request),
  );
  return shares.length === 0
    ? { kind: 'answer', name, status: 500, says: '500: no backend of it has any weight' }
    : { kind: 'backends', name, backends: shares };
}

function redirectOf(backends: readonly HttpBackend[]): number | undefined {
  const chosen = backends.filter(({ weight }) => weight > 0);
  return chosen.every(({ redirect }) => redirect !== undefined) ? chosen[0]?.redirect?.status : undefined;
}

export function routeTcp(routes: PortRoutes | undefined, clientNamespace: string): RouteOutcome {
  const tables = routes?.tcp ?? [];
  const table =
    tables.find((one) => one.clientNamespace === clientNamespace) ?? tables.find((one) => one.clientNamespace === '');
  // Names in a ClientHello are not asked about.
  const rule: TcpRule | undefined = table?.rules.find(({ sni }) => sni.length === 0);
  if (rule === undefined) return { kind: 'as-it-is' };
  const shares = sharesOf(rule.backends, ({ service, isInvalid }) => (isInvalid ? undefined : service));
  return { kind: 'backends', name: rule.name, backends: shares };
}

function sharesOf<B extends { readonly port: number; readonly weight: number }>(
  backends: readonly B[],
  serviceOf: (backend: B) => string | undefined,
  changesOf: (backend: B) => Changes | undefined = () => undefined,
): readonly Share[] {
  const weighted = backends.filter(({ weight }) => weight > 0);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const shares = new Map<string, Share>();
  for (const backend of weighted) {
    const service = serviceOf(backend);
    const changes = changesOf(backend);
    const key = `${service} ${backend.port} ${JSON.stringify(changes)}`;
    const share = (shares.get(key)?.share ?? 0) + backend.weight / total;
    shares.set(key, { service, port: backend.port, share, ...(changes && { changes }) });
  }
  return [...shares.values()];
}
