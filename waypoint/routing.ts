/** HTTP routes of a port, made ready once, when they arrive. */
import {
  type CorsCheck,
  compileCors,
  DEFAULT_RETRY,
  type HttpAction,
  matchRoute,
  type PortRoutes,
  type RetryPolicy,
  RouteTables,
  Sessions,
  type RouteTables as Tables,
} from '../mesh/index.ts';
import type { Exchange } from './exchange.ts';

/** What a rule does, with all of it prepared that can be. */
export type Rule = {
  readonly action: HttpAction;
  readonly cors: CorsCheck | undefined;
  readonly retry: RetryPolicy;
  readonly sessions: Sessions | undefined;
};

/** `default`: no route has anything to say, and the request goes where it was going. */
export type Choice = Rule | 'default' | 'not-found';

export class Routing {
  readonly hasCors: boolean;
  readonly #tables: Tables;
  readonly #rules = new Map<HttpAction, Rule>();

  constructor(http: PortRoutes['http']) {
    this.#tables = new RouteTables(http);
    const actions = http.flatMap((table) => table.actions);
    for (const action of actions) {
      const cors = action.cors === undefined ? undefined : compileCors(action.cors);
      const sessions = action.session && new Sessions(action.session, action.backends);
      this.#rules.set(action, { action, cors, retry: action.retry ?? DEFAULT_RETRY, sessions });
    }
    this.hasCors = actions.some(({ cors }) => cors !== undefined);
  }

  /** Asked once for each request, by its normalised path. */
  choose(x: Exchange): Choice {
    const { request, path, source } = x;
    const sourceNamespace = source.parts.namespace;
    const table = this.#tables.of(sourceNamespace);
    if (table === undefined) return 'default';
    const { method, authority, scheme, headers } = request;
    const facts = { method, path, query: queryOf(request.target), authority, scheme, headers, sourceNamespace };
    const action = matchRoute(table, facts);
    return (action && this.#rules.get(action)) ?? 'not-found';
  }
}

/** Without its `?`. */
export function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? '' : target.slice(mark + 1);
}
