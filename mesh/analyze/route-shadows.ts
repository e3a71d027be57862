/** Rules of a table that no request reaches, because an earlier one takes all that they match. */
import { isEqual } from '../derive/equal.ts';
import type { HttpMatch, HttpRouteTable, NamedMatch, PathMatch, PortRoutes, TcpRouteTable } from '../route/model.ts';

export type Shadow = {
  /** Names, as in the table. */
  readonly rule: string;
  readonly by: string;
  /** False: it has other matches that are reached. */
  readonly isWhole: boolean;
};

/** Comparisons for each table: of a larger one, less is told. */
const MAX_COMPARISONS = 1_000_000;

export function shadowsOf({ http, tcp }: PortRoutes): readonly Shadow[] {
  return [...http.flatMap(httpShadows), ...tcp.flatMap(tcpShadows)];
}

function httpShadows({ entries, actions }: HttpRouteTable): readonly Shadow[] {
  const reached = new Set<number>();
  const covered = new Map<number, number>();
  let left = MAX_COMPARISONS;
  for (const [at, { action }] of entries.entries()) {
    left -= at;
    if (left < 0) return [];
    const by = coveringBefore(entries, at);
    if (by === undefined) reached.add(action);
    else if (!covered.has(action)) covered.set(action, by);
  }
  return [...covered].map(([action, by]) => ({
    rule: actions[action]?.name ?? '',
    by: actions[by]?.name ?? '',
    isWhole: !reached.has(action),
  }));
}

/** The action of an earlier entry that takes all of this one. Alternatives of one rule do not take anything from each other. */
function coveringBefore(entries: HttpRouteTable['entries'], at: number): number | undefined {
  const own = entries[at];
  for (const [index, { match, action }] of entries.entries()) {
    if (own === undefined || index === at) return undefined;
    if (action !== own.action && covers(match, own.match)) return action;
  }
  return undefined;
}

function tcpShadows({ rules }: TcpRouteTable): readonly Shadow[] {
  return rules.flatMap(({ name, sni }, at) => {
    const by = rules.slice(0, at).find((earlier) => earlier.name !== name && takesAll(earlier.sni, sni));
    return by === undefined ? [] : [{ rule: name, by: by.name, isWhole: true }];
  });
}

function takesAll(wide: readonly string[], narrow: readonly string[]): boolean {
  if (wide.length === 0) return true;
  return (
    narrow.length > 0 &&
    narrow.every((name) => wide.some((one) => one === name || (one.startsWith('*.') && name.endsWith(one.slice(1)))))
  );
}

/** Whether every request that `narrow` matches is one that `wide` matches. Says no where that is not plain. */
export function covers(wide: HttpMatch, narrow: HttpMatch): boolean {
  return (
    (wide.path === undefined || (narrow.path !== undefined && pathCovers(wide.path, narrow.path))) &&
    (wide.method === undefined || isEqual(wide.method, narrow.method)) &&
    (wide.authority === undefined || isEqual(wide.authority, narrow.authority)) &&
    (wide.scheme === undefined || isEqual(wide.scheme, narrow.scheme)) &&
    (wide.sourceNamespace === '' || wide.sourceNamespace === narrow.sourceNamespace) &&
    allAmong(wide.headers, narrow.headers) &&
    allAmong(wide.queryParams, narrow.queryParams)
  );
}

const allAmong = (wanted: readonly NamedMatch[], held: readonly NamedMatch[]) =>
  wanted.every((one) => held.some((other) => isEqual(one, other)));

function pathCovers(wide: PathMatch, narrow: PathMatch): boolean {
  if (isEverything(wide)) return true;
  if (wide.kind === 'REGEX' || narrow.kind === 'REGEX') return isEqual(wide, narrow);
  if (narrow.ignoreCase && !wide.ignoreCase) return false;
  const fold = (value: string) => (wide.ignoreCase ? value.toLowerCase() : value);
  const [outer, inner] = [fold(wide.value), fold(narrow.value)];
  switch (wide.kind) {
    case 'EXACT':
      return narrow.kind === 'EXACT' && outer === inner;
    case 'PREFIX':
      return narrow.kind === 'SEGMENTS' ? segments(inner).startsWith(outer) : inner.startsWith(outer);
    case 'SEGMENTS': {
      const [whole, below] = [segments(outer), `${segments(outer)}/`];
      if (narrow.kind === 'PREFIX') return inner.startsWith(below);
      const path = narrow.kind === 'SEGMENTS' ? segments(inner) : inner;
      return path === whole || path.startsWith(below);
    }
    default:
      return wide.kind satisfies never;
  }
}

const segments = (value: string) => (value.endsWith('/') ? value.slice(0, -1) : value);
const isEverything = ({ kind, value }: PathMatch) =>
  (kind === 'SEGMENTS' || kind === 'PREFIX') && (value === '/' || value === '');
