/** Ties what callers and endpoints do into one trace: continues the caller's, or begins one for a share of the requests. */
import { newSpanId, newTraceId } from '../../core/hbone/index.ts';
import type { Layer } from '../exchange.ts';
import { formatTraceContext, parseTraceparent, readTracestate } from '../trace/context.ts';

const PARENT = 'traceparent';
const STATE = 'tracestate';

export type TraceLayer = {
  /** Share of the traces that begin here: from 0 to 1. A caller's decision stands. */
  readonly share: number;
  /** In [0, 1). */
  readonly random: () => number;
};

export function trace({ share, random }: TraceLayer): Layer {
  return (next) => (x) => {
    const { headers } = x.request;
    const caller = parseTraceparent(headers.all(PARENT));
    // State belongs to a context: without one nobody can read it.
    const tracestate = caller === undefined ? undefined : readTracestate(headers.get(STATE));
    const traceId = caller?.traceId ?? newTraceId();
    const isSampled = caller?.isSampled ?? random() < share;
    const spanId = newSpanId();
    x.trace = { traceId, spanId, parentId: caller?.parentId, isSampled, tracestate };
    headers.set(PARENT, formatTraceContext(traceId, spanId, isSampled));
    if (tracestate === undefined) headers.remove(STATE);
    else headers.set(STATE, tracestate);
    return next(x);
  };
}
