/** Ready-made routes that every process of the mesh offers. */
import { chooseCoding, compress } from './compress.ts';
import type { HttpHandler, Route } from './http.ts';
import type { LogFilter } from './log-filter.ts';
import { describeError } from './log-format.ts';
import type { Readiness } from './readiness.ts';
import type { Registry } from './registry.ts';

/** The text of a registry; content type by `Accept`, compressed by `Accept-Encoding`. `collect` brings in what other threads count. */
export function metricsRoute(registry: Registry, collect: () => void | Promise<void> = () => {}): HttpHandler {
  return async (request) => {
    await collect();
    const { accept, 'accept-encoding': acceptEncoding } = request.headers;
    const { contentType, body } = registry.render(String(accept ?? ''));
    const coding = chooseCoding(acceptEncoding === undefined ? undefined : String(acceptEncoding));
    if (coding === undefined) return { contentType, headers: { vary: 'accept-encoding' }, body };
    return {
      contentType,
      headers: { 'content-encoding': coding, vary: 'accept-encoding' },
      body: await compress(Buffer.from(body), coding),
    };
  };
}

const LOGGING_HELP = `usage: POST /logging                        the levels in force
       POST /logging?level=<level>            changes all scopes
       POST /logging?level=<scope>=<level>,.. changes single scopes
       POST /logging?reset[&level=...]        goes back to the start-up levels first
levels: off, error, warn, info, debug, trace
`;

/** Shows and changes log levels while the process runs. */
export function loggingRoute(filter: LogFilter): Route {
  return {
    methods: ['POST'],
    handle: ({ query }) => {
      const level = query.get('level');
      try {
        if (query.has('reset')) filter.reset();
        if (level !== null) filter.add(level);
      } catch (error) {
        return { status: 400, body: `${describeError(error)}\n${LOGGING_HELP}` };
      }
      return { body: `current log level is ${filter}\n` };
    },
  };
}

/** 200 `ready`, or 500 with the names of what is still missing. */
export function readinessRoute(readiness: Readiness): Route {
  return {
    methods: ['GET'],
    handle: () => {
      const pending = readiness.pending();
      if (pending.length === 0) return { body: 'ready\n' };
      return { status: 500, body: `not ready, pending: ${pending.join(', ')}\n` };
    },
  };
}
