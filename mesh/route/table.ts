/**
 * A table of routes compiled when it arrives, so that a request costs the same with one route and with a thousand. Which of
 * several matching entries counts was decided by whoever wrote the table: the first.
 */
import { compileRegex } from '../regex/regex.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import { conditionsOf } from './conditions.ts';
import type { HttpAction, HttpRouteTable, PathMatch } from './model.ts';
import { PathTree, type Stop } from './path-tree.ts';
import type { RequestFacts } from './request-facts.ts';

export type CompiledTable = {
  readonly table: HttpRouteTable;
  readonly paths: PathTree;
  /** Over paths in lower case; absent when no entry asks for it. */
  readonly lowered: PathTree | undefined;
};

/** Does not throw: an entry that asks for something which can not be run never matches; derivation refuses it before. */
export function compileTable(table: HttpRouteTable): CompiledTable {
  const exactly: Gathered = new Map();
  const lowered: Gathered = new Map();
  for (const [order, { match }] of table.entries.entries()) {
    const conditions = conditionsOf(match);
    const { stop, text, test } = stopOf(match.path);
    const into = match.path?.ignoreCase === true && match.path.kind !== 'REGEX' ? lowered : exactly;
    gather(into, stop, into === lowered ? text.toLowerCase() : text, { order, conditions, path: test });
  }
  return { table, paths: treeOf(exactly), lowered: lowered.size > 0 ? treeOf(lowered) : undefined };
}

/** What is to be done with the request; undefined: no route matches (404). */
export function match(compiled: CompiledTable, request: RequestFacts): HttpAction | undefined {
  const { actions, entries } = compiled.table;
  let found = compiled.paths.first(request.path, request, entries.length);
  if (compiled.lowered !== undefined) found = compiled.lowered.first(request.path.toLowerCase(), request, found);
  const entry = entries[found];
  return entry && actions[entry.action];
}

type Gathered = Map<Stop, Map<string, Candidate[]>>;

function gather(into: Gathered, stop: Stop, text: string, candidate: Candidate): void {
  const byText = into.get(stop) ?? new Map<string, Candidate[]>();
  into.set(stop, byText);
  const same = byText.get(text);
  if (same === undefined) byText.set(text, [candidate]);
  else same.push(candidate);
}

function treeOf(gathered: Gathered): PathTree {
  const compiled = [...gathered].map(([stop, byText]) => {
    const byTextCompiled = [...byText].map(([text, candidates]) => [text, candidatesOf(candidates)] as const);
    return [stop, new Map(byTextCompiled)] as const;
  });
  return new PathTree(new Map(compiled));
}

/** Where a path match hangs in the tree, and what is to be tested there beyond that. */
function stopOf(path: PathMatch | undefined): {
  readonly stop: Stop;
  readonly text: string;
  readonly test: Candidate['path'];
} {
  if (path === undefined) return EVERYWHERE;
  switch (path.kind) {
    case 'EXACT':
      return { stop: 'exact', text: path.value, test: undefined };
    case 'PREFIX':
      return { stop: 'prefix', text: path.value, test: undefined };
    case 'SEGMENTS': {
      const text = path.value.endsWith('/') ? path.value.slice(0, -1) : path.value;
      return text === '' ? EVERYWHERE : { stop: 'segments', text, test: undefined };
    }
    case 'REGEX': {
      const compiled = compileRegex(path.value, path.ignoreCase);
      if (compiled.kind === 'invalid') return { ...EVERYWHERE, test: () => false };
      const { regex } = compiled;
      return { stop: 'prefix', text: regex.prefix, test: (request) => regex.matches(request.path) };
    }
    default:
      return path.kind satisfies never;
  }
}

const EVERYWHERE = { stop: 'prefix', text: '', test: undefined } as const;

/** The tables of one port, compiled: which of them a client meets depends on its namespace. */
export class RouteTables {
  readonly #byNamespace: ReadonlyMap<string, CompiledTable>;

  constructor(tables: readonly HttpRouteTable[]) {
    this.#byNamespace = new Map(tables.map((table) => [table.clientNamespace, compileTable(table)]));
  }

  /** Undefined: nobody routes what this client sends, and it goes to the service as it is. */
  of(clientNamespace: string): CompiledTable | undefined {
    return this.#byNamespace.get(clientNamespace) ?? this.#byNamespace.get('');
  }
}
