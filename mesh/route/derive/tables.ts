/** All routes of one service, merged into the tables of its ports (waypoint.md sections 2.1, 2.2; GEP-1294). */
import { isEqual } from '../../derive/equal.ts';
import type { AppProtocol } from '../../model.ts';
import type {
  HttpAction,
  HttpBackend,
  HttpRouteEntry,
  HttpRouteTable,
  Mirror,
  PathMatch,
  PortRoutes,
  TcpRouteTable,
  TcpRule,
} from '../model.ts';
import type { BackendFacts, Filters, ParentFacts, RouteFacts, RouteKind, RuleFacts } from './facts.ts';
import { type RoutedService, resolveBackend, type Surroundings } from './resolve.ts';
import { sessionAt } from './session.ts';

export type Attached = { readonly route: RouteFacts; readonly parent: ParentFacts };

/** What routes do to each port that any of them is about. */
export function tablesOf(
  service: RoutedService,
  attached: readonly Attached[],
  around: Surroundings,
): ReadonlyMap<number, PortRoutes> {
  const tables = new Map<number, PortRoutes>();
  for (const { port, protocol } of service.ports) {
    const routes = [
      ...new Set(
        attached.filter(({ route, parent }) => takes(route.kind, parent, port, protocol)).map(({ route }) => route),
      ),
    ];
    if (routes.length === 0) continue;
    const isHttp = ({ kind }: RouteFacts) => kind === 'HTTPRoute' || kind === 'GRPCRoute';
    tables.set(port, {
      http: byClients(service, routes.filter(isHttp)).map(([clients, own]) => httpTable(clients, own, around)),
      tcp: byClients(
        service,
        routes.filter((route) => !isHttp(route)),
      ).map(([clients, own]) => tcpTable(clients, own, around)),
    });
  }
  return tables;
}

/** Keys `namespace/hostname` of all services that something may be sent to. */
export function* servicesIn({ http, tcp }: PortRoutes): Generator<string> {
  for (const { actions } of http) {
    for (const { backends, mirrors } of actions) {
      for (const { service } of [...backends, ...mirrors]) if (service !== '') yield service;
    }
  }
  for (const { rules } of tcp) {
    for (const { backends } of rules) for (const { service } of backends) if (service !== '') yield service;
  }
}

/** What is spoken on the ports that a kind of route is for when it names none. */
const TAKES: Readonly<Record<RouteKind, ReadonlySet<AppProtocol>>> = {
  HTTPRoute: new Set(['HTTP11', 'HTTP2', 'GRPC', 'UNKNOWN']),
  GRPCRoute: new Set(['HTTP2', 'GRPC', 'UNKNOWN']),
  TCPRoute: new Set(['TCP', 'TLS']),
  TLSRoute: new Set(['TLS']),
};
/** On a port that says nothing of itself, a route that names the port says it. */
const TAKES_NAMED: Readonly<Record<RouteKind, ReadonlySet<AppProtocol>>> = {
  HTTPRoute: TAKES.HTTPRoute,
  GRPCRoute: new Set([...TAKES.GRPCRoute, 'HTTP11']),
  TCPRoute: new Set([...TAKES.TCPRoute, 'UNKNOWN']),
  TLSRoute: new Set([...TAKES.TLSRoute, 'TCP', 'UNKNOWN']),
};

/** Whether a route of that kind attaches to a port by that parent. */
export function takes(kind: RouteKind, parent: ParentFacts, port: number, protocol: AppProtocol): boolean {
  if (parent.port === undefined) return TAKES[kind].has(protocol);
  return parent.port === port && TAKES_NAMED[kind].has(protocol);
}

/** Routes of the service's own namespace are for everybody (''), others for clients of theirs. */
function byClients(
  service: RoutedService,
  routes: readonly RouteFacts[],
): readonly (readonly [string, RouteFacts[]])[] {
  const found = new Map<string, RouteFacts[]>();
  for (const route of routes) {
    const clients = route.namespace === service.namespace ? '' : route.namespace;
    const same = found.get(clients);
    if (same === undefined) found.set(clients, [route]);
    else same.push(route);
  }
  return [...found].sort(([a], [b]) => compareText(a, b));
}

type Ranked = HttpRouteEntry & { readonly route: RouteFacts; readonly rank: readonly number[]; readonly place: number };

function httpTable(clientNamespace: string, routes: readonly RouteFacts[], around: Surroundings): HttpRouteTable {
  const actions: HttpAction[] = [];
  const ranked: Ranked[] = [];
  // Actions have their numbers whatever the order in which routes became known: else the same table is sent as another.
  for (const route of [...routes].sort((a, b) => compareText(a.kind, b.kind) || byAge(a, b))) {
    for (const rule of route.rules) {
      if (rule.matches.length === 0) continue;
      const add = actionsOf(actionOf(route, rule, around), actions);
      for (const { match, rank } of rule.matches) {
        ranked.push({ match, action: add(match.path), route, rank, place: ranked.length });
      }
    }
  }
  ranked.sort(byPrecedence);
  return { clientNamespace, entries: ranked.map(({ match, action }) => ({ match, action })), actions };
}

/** Adds an action and gives its number for what matches by a path: all share one, but for sessions, which are bound to paths. */
function actionsOf(action: HttpAction, actions: HttpAction[]): (path: PathMatch | undefined) => number {
  const { session } = action;
  const places = new Map<string, number>();
  return (path) => {
    const here = session && sessionAt(session, path);
    const key = here?.cookieAttributes ?? '';
    let place = places.get(key);
    if (place === undefined) {
      place = actions.push(here === undefined ? action : { ...action, session: here }) - 1;
      places.set(key, place);
    }
    return place;
  };
}

/** gRPC's own routes first; the more specific match; the older route; by name; as written. */
function byPrecedence(a: Ranked, b: Ranked): number {
  if (a.route.kind !== b.route.kind) return a.route.kind === 'GRPCRoute' ? -1 : 1;
  for (const [index, rank] of a.rank.entries()) {
    const difference = (b.rank[index] ?? 0) - rank;
    if (difference !== 0) return difference;
  }
  return byAge(a.route, b.route) || a.place - b.place;
}

function byAge(a: RouteFacts, b: RouteFacts): number {
  return compareText(a.created, b.created) || compareText(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What can not be had: a filter must not be skipped, and a backend must not be replaced by another. */
const FAILURE = 500;
const NOT_CARRIED_OUT = 'this rule of the route can not be carried out; the status of the route says why';

function actionOf(route: RouteFacts, rule: RuleFacts, around: Surroundings): HttpAction {
  const { name } = rule;
  const none = { name, backends: [], mirrors: [], requestTimeoutMs: 0, backendTimeoutMs: 0 };
  if (rule.problems.some(({ effect }) => effect === 'failed')) {
    return { ...none, directResponse: { status: FAILURE, body: NOT_CARRIED_OUT } };
  }
  return {
    ...none,
    ...present(rule.filters),
    backends: rule.backends.map((backend) => httpBackend(route, backend, around)),
    mirrors: rule.mirrors.flatMap(({ ref, numerator, denominator }): readonly Mirror[] => {
      const resolved = resolveBackend(route, ref, around);
      return resolved.kind === 'service'
        ? [{ service: resolved.service, port: resolved.port, numerator, denominator }]
        : [];
    }),
  };
}

function httpBackend(route: RouteFacts, { ref, weight, filters }: BackendFacts, around: Surroundings): HttpBackend {
  const resolved = resolveBackend(route, ref, around);
  if (resolved.kind === 'invalid') return { service: '', port: 0, weight, invalidStatus: FAILURE };
  const { service, port } = resolved;
  return { service, port, weight, invalidStatus: 0, ...present(filters) };
}

/** Without modifiers that do nothing. */
function present(filters: Filters): Filters {
  const { requestHeaders, responseHeaders, ...rest } = filters;
  const isEmpty = (modifier: Filters['requestHeaders']) => isEqual(modifier, { set: [], add: [], remove: [] });
  return {
    ...rest,
    ...(requestHeaders && !isEmpty(requestHeaders) && { requestHeaders }),
    ...(responseHeaders && !isEmpty(responseHeaders) && { responseHeaders }),
  };
}

/** Names before connections without one, exact names before wildcards, longer ones first; the older route; by name. */
function tcpTable(clientNamespace: string, routes: readonly RouteFacts[], around: Surroundings): TcpRouteTable {
  const rules: { readonly rule: TcpRule; readonly route: RouteFacts; readonly name: string }[] = [];
  for (const route of routes) {
    for (const rule of route.rules) {
      if (route.kind === 'TLSRoute' && rule.sni.length === 0) continue;
      const { name } = rule;
      const isFailed = rule.problems.some(({ effect }) => effect === 'failed');
      const backends = rule.backends.map(({ ref, weight }) => {
        const resolved = isFailed ? undefined : resolveBackend(route, ref, around);
        return resolved?.kind === 'service'
          ? { service: resolved.service, port: resolved.port, weight, isInvalid: false }
          : { service: '', port: 0, weight, isInvalid: true };
      });
      if (route.kind === 'TCPRoute') rules.push({ rule: { name, sni: [], backends }, route, name: '' });
      for (const sni of rule.sni) rules.push({ rule: { name, sni: [sni], backends }, route, name: sni });
    }
  }
  const isExact = (name: string) => Number(name !== '' && !name.startsWith('*'));
  rules.sort((a, b) => isExact(b.name) - isExact(a.name) || b.name.length - a.name.length || byAge(a.route, b.route));
  return { clientNamespace, rules: rules.map(({ rule }) => rule) };
}
