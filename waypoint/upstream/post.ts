/** Small requests of the waypoint's own, to services of the mesh: spans go out this way. */
import { bodyOf, HeaderFields, HttpError, type HttpVersion, readBody } from '../../core/http/index.ts';
import type { Source } from '../source.ts';
import type { Endpoints } from './endpoints.ts';
import type { Pool } from './pool.ts';

export type PostParts = {
  readonly endpoints: Endpoints;
  readonly pool: Pool;
  /** Ourselves, as who calls. */
  readonly source: Source;
};

export type PostTo = {
  /** `namespace/hostname`. */
  readonly service: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
};

const VERSION: HttpVersion = 'HTTP/1.1';
/** An answer that is longer is nobody's business. */
const MOST_ANSWER = 64 * 1024;

/** The status of the answer. Rejects with HttpError, `cancelled` when the signal fired. */
export async function post(parts: PostParts, to: PostTo, content: string, signal: AbortSignal): Promise<number> {
  const { endpoints, pool, source } = parts;
  const chosen = endpoints.choose({ kind: 'service', service: to.service, port: to.port }, { source, sent: [] });
  const withdrawn = new HttpError('cancelled', 'it took too long');
  try {
    const taken = pool.take(chosen, source, VERSION);
    const connection = taken instanceof Promise ? await unlessAborted(taken, signal, withdrawn) : taken;
    const body = bodyOf(content);
    const headers = HeaderFields.of({ ...to.headers, 'content-length': String(body.length) });
    const authority = `${to.service.slice(to.service.indexOf('/') + 1)}:${to.port}`;
    const request = { method: 'POST', target: to.path, authority, scheme: 'http', headers, body, upgrade: undefined };
    const call = connection.send(request);
    const cancel = () => call.cancel(withdrawn);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      if (signal.aborted) cancel();
      const response = await call.response;
      await readBody(response.body, MOST_ANSWER);
      return response.status;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  } finally {
    endpoints.done(chosen);
  }
}

/** The connection that comes too late is kept by the pool, for the next. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, error: Error): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(error);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', abort));
}
