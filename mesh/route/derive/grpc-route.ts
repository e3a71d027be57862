/** GRPCRoute: services and methods are paths of HTTP/2 requests (waypoint.md section 2.6). */
import { type Fields, fields, list, text } from '../../derive/read.ts';
import type { KubeObject } from '../../kube-object.ts';
import type { HttpMatch, NamedMatch, PathMatch } from '../model.ts';
import type { MatchFacts, RouteFacts, RuleFacts, RuleProblem } from './facts.ts';
import { readFilters } from './filters.ts';
import { type RuleNames, readBackend } from './http-route.ts';
import { namedMatches, routeFacts, stringMatch } from './parts.ts';
import { readSession, sessionIn } from './session.ts';

export function readGrpcRoute(object: KubeObject): RouteFacts {
  const namespace = object.metadata.namespace ?? '';
  return routeFacts('GRPCRoute', object, (rule, name, id) => readRule(rule, { name, id, namespace }));
}

/** What is no gRPC is not for a GRPCRoute, whatever its path looks like: an HTTPRoute of the same port has it. */
const IS_GRPC: NamedMatch = {
  name: 'content-type',
  match: { kind: 'PREFIX', value: 'application/grpc', ignoreCase: true },
  invert: false,
};

function readRule(rule: Fields, { name, id, namespace }: RuleNames): RuleFacts {
  const problems: RuleProblem[] = [];
  const matches: MatchFacts[] = [];
  const written = list(rule['matches']);
  for (const [index, entry] of (written.length === 0 ? [{}] : written).entries()) {
    const match = readMatch(fields(entry));
    if (typeof match === 'string') problems.push({ effect: 'dropped', message: `matches[${index}].${match}` });
    else matches.push(match);
  }
  const around = { namespace, prefix: undefined };
  const ofRule = readFilters(rule['filters'], '', { ...around, on: 'rule' });
  const sessions = readSession(rule['sessionPersistence'], id);
  const backends = list(rule['backendRefs']).map((entry, index) => readBackend(fields(entry), index, around));
  for (const problem of [...ofRule.problems, ...sessions.problems, ...backends.flatMap((one) => one.problems)]) {
    problems.push({ effect: 'failed', ...problem });
  }
  return {
    name,
    matches,
    filters: { ...ofRule.filters, ...sessionIn(sessions) },
    backends: backends.map(({ facts }) => facts),
    mirrors: ofRule.mirrors,
    problems,
    sni: [],
  };
}

function readMatch(written: Fields): MatchFacts | string {
  const headers = namedMatches(written['headers'], 'headers', (name) => name.toLowerCase());
  if (typeof headers === 'string') return headers;
  const method = fields(written['method']);
  const path = readMethod(method);
  if (typeof path === 'string') return path;
  const match: HttpMatch = { ...path, headers: [...headers, IS_GRPC], queryParams: [], sourceNamespace: '' };
  const isExact = (method['type'] ?? 'Exact') === 'Exact';
  const characters = (value: unknown, exact: boolean) => (isExact === exact ? text(value).length : 0);
  const { service, method: name } = method;
  return {
    match,
    rank: [
      characters(service, true),
      characters(name, true),
      characters(service, false),
      characters(name, false),
      headers.length,
    ],
  };
}

/** `/service/method` with what is not said left open. */
function readMethod({ type, service, method }: Fields): { readonly path?: PathMatch } | string {
  const [serviceName, methodName] = [text(service), text(method)];
  if (serviceName === '' && methodName === '') return {};
  if ((type ?? 'Exact') === 'Exact') {
    const bad = [serviceName, methodName].find((one) => /[^A-Za-z0-9_.]/.test(one));
    if (bad !== undefined) return `method: ${JSON.stringify(bad)} is no name`;
    if (methodName === '') return path('PREFIX', `/${serviceName}/`);
    if (serviceName !== '') return path('EXACT', `/${serviceName}/${methodName}`);
    return path('REGEX', `/[^/]+/${methodName.replaceAll('.', '\\.')}`);
  }
  for (const one of [serviceName, methodName]) {
    const read = stringMatch(type, one);
    if (typeof read === 'string') return `method: ${read}`;
  }
  return path(
    'REGEX',
    `/${serviceName === '' ? '[^/]+' : `(?:${serviceName})`}/${methodName === '' ? '.+' : `(?:${methodName})`}`,
  );
}

function path(kind: PathMatch['kind'], value: string): { readonly path: PathMatch } {
  return { path: { kind, value, ignoreCase: false } };
}
