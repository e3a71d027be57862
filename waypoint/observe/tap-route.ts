/** `/tap` of the admin port: requests as they end, one JSON object a line. */
import type { HttpReply, Route } from '../../core/telemetry/index.ts';
import type { TapFilter, Taps } from './taps.ts';

/** Opens a tap; undefined: there are too many. */
export type OpenTap = Taps['open'];

const HELP = `usage: GET /tap[?service=SERVICE][&status=5xx][&path=/prefix][&method=GET][&max=N]
one JSON object a line for each request that ends; {"lost":N} where the reader was too slow
`;
const MOST_LINES = 1_000_000;
const KNOWN = new Set(['service', 'status', 'path', 'method', 'max']);

type Asked = { readonly filter: TapFilter; readonly max: number };

export function tapRoute(open: OpenTap): Route {
  return {
    methods: ['GET'],
    handle: ({ query }) => {
      const asked = read(query);
      if (typeof asked === 'string') return { status: 400, body: `${asked}\n${HELP}` };
      return stream(open, asked);
    },
  };
}

function stream(open: OpenTap, { filter, max }: Asked): HttpReply {
  return {
    contentType: 'application/x-ndjson',
    body: '',
    stream: (to) => {
      const tap = open(filter, max, to);
      if (tap === undefined) {
        to.write('{"error":"too many taps already"}\n');
        to.end();
      }
      return () => tap?.[Symbol.dispose]();
    },
  };
}

/** What is wrong with it, in words. */
function read(query: URLSearchParams): Asked | string {
  for (const name of query.keys()) if (!KNOWN.has(name)) return `${name}: no such parameter`;
  const text = (name: string) => query.get(name) || undefined;
  const status = text('status');
  if (status !== undefined && !/^(\d{1,3}|[1-5]xx)$/i.test(status))
    return 'status: a code, such as 503, or a class, such as 5xx';
  const max = text('max') ?? String(MOST_LINES);
  if (!/^\d{1,7}$/.test(max) || Number(max) < 1 || Number(max) > MOST_LINES) return `max: from 1 to ${MOST_LINES}`;
  const filter = { service: text('service'), status, path: text('path'), method: text('method')?.toUpperCase() };
  return { filter, max: Number(max) };
}
