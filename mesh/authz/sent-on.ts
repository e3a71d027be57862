/** Where routes may have led requests that were seen: the ledger of a waypoint keeps neither headers nor queries, by which they choose. */
import type { ServiceConfig } from '../l7/model.ts';
import type { HttpAction, HttpBackend, HttpRouteTable, PortRoutes } from '../route/model.ts';
import type { RequestFacts } from '../route/request-facts.ts';
import { rewritePath } from '../route/rewrite.ts';
import { type CompiledTable, compileTable, match } from '../route/table.ts';

/** A service, and what it is asked. */
export type Sent = {
  /** `namespace/hostname`. */
  readonly service: string;
  readonly port: number;
  readonly path: string;
  /** A path template. */
  readonly paths: string;
  readonly host: string;
};

/** What was asked, as policies of the called service have judged it. */
export type Judged = {
  readonly method: string;
  readonly path: string;
  readonly paths: string;
  readonly host: string;
  readonly sourceNamespace: string;
};

/** Every service that it may have been sent on to; undefined stands for the one that was called, or for no service at all. */
export function sentOn(service: ServiceConfig, port: number, asked: Judged): readonly (Sent | undefined)[] {
  const routes = service.ports.find((one) => one.port === port)?.routes;
  const found = new Map<string, Sent | undefined>();
  for (const { action, isChanged } of actionsFor(routes, asked)) {
    const backends = action?.backends.filter(({ weight, invalidStatus }) => weight > 0 && invalidStatus === 0) ?? [];
    const answers = action === undefined || action.redirect !== undefined || action.directResponse !== undefined;
    if (answers || backends.length === 0) found.set('', undefined);
    else
      for (const backend of backends) {
        const sent = sentTo(action, backend, asked, isChanged);
        if (sent.service === `${service.namespace}/${service.hostname}`) found.set('', undefined);
        else found.set(JSON.stringify(sent), sent);
      }
  }
  return [...found.values()];
}

type Chosen = {
  readonly action: HttpAction | undefined;
  /** What was judged is what the route has made of it. */
  readonly isChanged: boolean;
};

function actionsFor(routes: PortRoutes | undefined, asked: Judged): readonly Chosen[] {
  const tables = routes?.http ?? [];
  const own = tables.find(({ clientNamespace }) => clientNamespace !== '' && clientNamespace === asked.sourceNamespace);
  // By what these have chosen is not known: it was judged after them.
  if (own !== undefined) return own.actions.map((action) => ({ action, isChanged: true }));
  const table = tables.find(({ clientNamespace }) => clientNamespace === '');
  if (table === undefined) return [{ action: undefined, isChanged: false }];
  const request: RequestFacts = { ...asked, authority: asked.host, query: '', scheme: 'http', headers: NO_HEADERS };
  const chosen: Chosen[] = [];
  for (const { compiled, isSure } of entriesOf(table)) {
    const action = match(compiled, request);
    if (action === undefined) continue;
    chosen.push({ action, isChanged: false });
    if (isSure) return chosen;
  }
  return [...chosen, { action: undefined, isChanged: false }];
}

type Entry = {
  readonly compiled: CompiledTable;
  /** It asks for nothing that is not kept. */
  readonly isSure: boolean;
};

const ENTRIES = new WeakMap<HttpRouteTable, readonly Entry[]>();

/** Each as a table of its own, without what is not kept. */
function entriesOf(table: HttpRouteTable): readonly Entry[] {
  let entries = ENTRIES.get(table);
  if (entries === undefined) {
    entries = table.entries.map(({ match: asks, action }) => ({
      compiled: compileTable({ ...table, entries: [{ match: { ...asks, headers: [], queryParams: [] }, action }] }),
      isSure: asks.headers.length === 0 && asks.queryParams.length === 0,
    }));
    ENTRIES.set(table, entries);
  }
  return entries;
}

function sentTo(action: HttpAction, { service, port, rewrite }: HttpBackend, asked: Judged, isChanged: boolean): Sent {
  const { path, paths, host } = asked;
  if (isChanged) return { service, port, path, paths, host };
  const change = rewrite?.path ?? action.rewrite?.path;
  const hostname = rewrite?.hostname || action.rewrite?.hostname || host;
  if (change === undefined) return { service, port, path, paths, host: hostname };
  const made = rewritePath(change, path);
  // Where the prefix is within what stands for many, only the one that is known can be told.
  const isWhole = change.kind === 'FULL' || paths.startsWith(change.prefix);
  return { service, port, path: made, paths: isWhole ? rewritePath(change, paths) : made, host: hostname };
}

const NO_HEADERS = { get: () => undefined };
