/** HTTPRoute: rules with matches, filters, timeouts, retries and backends (crds.md section 15). */
import { type Fields, fields, list, text } from '../../derive/read.ts';
import type { KubeObject } from '../../kube-object.ts';
import { compileRegex } from '../../regex/regex.ts';
import type { HttpMatch, PathMatch, RetryPolicy } from '../model.ts';
import type { BackendFacts, Filters, MatchFacts, RouteFacts, RuleFacts, RuleProblem } from './facts.ts';
import { type FilterProblem, readFilters } from './filters.ts';
import { backendRef, durationMs, namedMatches, routeFacts, weightOf } from './parts.ts';
import { readSession, sessionIn } from './session.ts';

/** `id`: tells the rule from all others. */
export type RuleNames = { readonly name: string; readonly id: string; readonly namespace: string };

export function readHttpRoute(object: KubeObject): RouteFacts {
  const namespace = object.metadata.namespace ?? '';
  const { spec } = object;
  // An object of the API server always has rules: the CRD puts this one in.
  const rules = fields(spec)['rules'] ?? [{ matches: [{ path: {} }] }];
  return routeFacts('HTTPRoute', { ...object, spec: { ...fields(spec), rules } }, (rule, name, id) =>
    readRule(rule, { name, id, namespace }),
  );
}

function readRule(rule: Fields, { name, id, namespace }: RuleNames): RuleFacts {
  const problems: RuleProblem[] = [];
  const written = list(rule['matches']);
  const matches: MatchFacts[] = [];
  for (const [index, entry] of (written.length === 0 ? [{}] : written).entries()) {
    const match = readMatch(fields(entry));
    if (typeof match === 'string') problems.push({ effect: 'dropped', message: `matches[${index}].${match}` });
    else matches.push({ match, rank: rankOf(match) });
  }
  const path = written.length > 1 ? undefined : fields(written[0])['path'];
  const prefix = (fields(path)['type'] ?? 'PathPrefix') === 'PathPrefix' && written.length <= 1;
  const around = { namespace, prefix: prefix ? text(fields(path)['value']) || '/' : undefined };
  const ofRule = readFilters(rule['filters'], '', { ...around, on: 'rule' });
  const timing = readTiming(rule);
  const sessions = readSession(rule['sessionPersistence'], id);
  const backends = list(rule['backendRefs']).map((entry, index) => readBackend(fields(entry), index, around));
  for (const problem of [
    ...ofRule.problems,
    ...timing.problems,
    ...sessions.problems,
    ...backends.flatMap((one) => one.problems),
  ]) {
    problems.push({ effect: 'failed', ...problem });
  }
  return {
    name,
    matches,
    filters: { ...ofRule.filters, ...timing.filters, ...sessionIn(sessions) },
    backends: backends.map(({ facts }) => facts),
    mirrors: ofRule.mirrors,
    problems,
    sni: [],
  };
}

export function readBackend(
  written: Fields,
  index: number,
  around: { readonly namespace: string; readonly prefix: string | undefined },
): { readonly facts: BackendFacts; readonly problems: readonly FilterProblem[] } {
  const read = readFilters(written['filters'], `backendRefs[${index}].`, { ...around, on: 'backend' });
  const ref = backendRef(written, around.namespace);
  return { facts: { ref, weight: weightOf(written['weight']), filters: read.filters }, problems: read.problems };
}

/** Text says why it can not be had, from its field on. */
function readMatch(written: Fields): HttpMatch | string {
  const path = readPath(fields(written['path']));
  if (typeof path === 'string') return path;
  const headers = namedMatches(written['headers'], 'headers', (name) => name.toLowerCase());
  if (typeof headers === 'string') return headers;
  const queryParams = namedMatches(written['queryParams'], 'queryParams', (name) => name);
  if (typeof queryParams === 'string') return queryParams;
  const method = text(written['method']);
  return {
    path,
    ...(method !== '' && { method: { kind: 'EXACT' as const, value: method, ignoreCase: false } }),
    headers,
    queryParams,
    sourceNamespace: '',
  };
}

const PATH_KINDS: ReadonlyMap<unknown, PathMatch['kind']> = new Map([
  ['Exact', 'EXACT'],
  ['PathPrefix', 'SEGMENTS'],
  ['RegularExpression', 'REGEX'],
]);

function readPath({ type = 'PathPrefix', value = '/' }: Fields): PathMatch | string {
  const kind = PATH_KINDS.get(type);
  if (kind === undefined) return `path.type: ${JSON.stringify(type)} is none of Exact, PathPrefix, RegularExpression`;
  if (kind === 'REGEX') {
    const compiled = compileRegex(text(value));
    if (compiled.kind === 'invalid') return `path.value: ${JSON.stringify(value)} is ${compiled.problem}`;
  } else if (!text(value).startsWith('/')) return `path.value: ${JSON.stringify(value)} does not begin with a slash`;
  return { kind, value: text(value), ignoreCase: false };
}

const PATH_RANK: Readonly<Record<PathMatch['kind'], number>> = { EXACT: 3, SEGMENTS: 2, PREFIX: 2, REGEX: 1 };

/** Exact paths, then prefixes by length, then patterns by length; then a method, headers, query parameters. */
function rankOf({ path, method, headers, queryParams }: HttpMatch): readonly number[] {
  const length =
    path === undefined ? 0 : path.value.length - (path.kind === 'SEGMENTS' && path.value.endsWith('/') ? 1 : 0);
  return [path ? PATH_RANK[path.kind] : 0, length, method ? 1 : 0, headers.length, queryParams.length];
}

function readTiming(rule: Fields): { readonly filters: Filters; readonly problems: readonly FilterProblem[] } {
  const problems: FilterProblem[] = [];
  const duration = (of: Fields, field: string, at: string): number => {
    const ms = of[field] === undefined ? 0 : durationMs(of[field]);
    if (ms === undefined) problems.push({ message: `${at}.${field}: ${JSON.stringify(of[field])} is no duration` });
    return ms ?? 0;
  };
  const timeouts = fields(rule['timeouts']);
  const requestTimeoutMs = duration(timeouts, 'request', 'timeouts');
  const backendTimeoutMs = duration(timeouts, 'backendRequest', 'timeouts');
  if (rule['retry'] === undefined) {
    // There is one try: its time is that of the request, also while the response is on its way.
    const both = [requestTimeoutMs, backendTimeoutMs].filter((ms) => ms > 0);
    const filters = { requestTimeoutMs: both.length === 0 ? 0 : Math.min(...both), backendTimeoutMs: 0 };
    return { filters, problems };
  }
  const filters = { requestTimeoutMs, backendTimeoutMs };
  const written = fields(rule['retry']);
  const { attempts } = written;
  const retry: RetryPolicy = {
    attempts:
      typeof attempts === 'number' && Number.isInteger(attempts) && attempts >= 0
        ? Math.min(attempts, MAX_ATTEMPTS)
        : 2,
    on: ROUTE_RETRY,
    codes: list(written['codes']).filter(
      (code): code is number => typeof code === 'number' && code >= 400 && code <= 599,
    ),
    backoffMs: duration(written, 'backoff', 'retry'),
  };
  return { filters: { ...filters, retry }, problems };
}

/** Nobody waits for more; who asks for more is told by `mesh/validate`. */
export const MAX_ATTEMPTS = 100;
/** GEP-1731: who asks for retries has them for connection errors and tries that took too long, too. */
const ROUTE_RETRY: RetryPolicy['on'] = [
  'CONNECT_FAILURE',
  'REFUSED_STREAM',
  'RESET',
  'TRY_TIMEOUT',
  'GRPC_UNAVAILABLE',
  'GRPC_CANCELLED',
];
