/** Around what judges: from `pass` on, a request is judged again only when policies change, and by what `remember` has kept of it. */
import type { HttpAction, HttpRouteTable } from '../../mesh/index.ts';
import type { Exchange, Layer } from '../exchange.ts';
import { denialOf } from '../policy/cut.ts';
import { requestFacts } from '../policy/facts.ts';
import type { Denial } from '../policy/standing.ts';
import type { PolicyWatch } from '../policy/watch.ts';

/** Before routes make another request of it. */
export function remember(tables: readonly HttpRouteTable[]): Layer {
  const actions = tables.flatMap((table) => table.actions);
  if (!actions.some(changesRequest)) return (next) => next;
  const changesHeaders = actions.some(editsHeaders);
  return (next) => (x) => {
    const facts = requestFacts(x);
    const { request } = facts;
    x.judged = changesHeaders ? { ...facts, request: { ...request, headers: request.headers.clone() } } : facts;
    return next(x);
  };
}

function changesRequest(action: HttpAction): boolean {
  return editsHeaders(action) || [action, ...action.backends].some(({ rewrite }) => rewrite !== undefined);
}

function editsHeaders(action: HttpAction): boolean {
  return [action, ...action.backends].some(({ requestHeaders }) => requestHeaders !== undefined);
}

export type PassParts = {
  /** By policies of now. */
  readonly standing: (x: Exchange) => Denial | undefined;
  readonly watch: PolicyWatch;
};

/** Policies may have changed while it was waited for tokens and authorizers: then those of now have the last word. */
export function pass({ standing, watch }: PassParts): Layer {
  return (next) => (x) => {
    const isOutdated = x.standing === 'outdated';
    x.standing = 'passed';
    const denial = isOutdated ? standing(x) : undefined;
    if (denial !== undefined) throw denialOf(x, denial, watch);
    return next(x);
  };
}
