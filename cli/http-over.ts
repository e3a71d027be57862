import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { CliError } from './errors.ts';

/** The other side answered, and not with a 2xx. */
export class HttpStatusError extends CliError {
  override readonly name = 'HttpStatusError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One HTTP/1.1 request over a stream that is already connected. Resolves with the body of a 2xx; rejects with HttpStatusError otherwise. */
export function requestOver(
  stream: Duplex,
  o: { readonly method: 'GET' | 'POST'; readonly path: string; readonly signal: AbortSignal },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const call = request(
    {
      createConnection: () => stream,
      method: o.method,
      path: o.path,
      host: 'localhost',
      headers: { connection: 'close' },
      signal: o.signal,
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        const code = response.statusCode ?? 0;
        if (code >= 200 && code < 300) resolve(body);
        else reject(new HttpStatusError(code, `${o.method} ${o.path}: HTTP ${code}: ${body.trim()}`));
      });
    },
  );
  call.on('error', reject);
  call.end();
  return promise;
}

/** Longer lines are not what anybody of ours sends. */
const MAX_LINE_BYTES = 256 * 1024;
/** For the head of the answer; what follows may take as long as it likes. */
const ANSWER_DEADLINE_MS = 15_000;

/**
 * The lines of an answer that goes on, over a stream that is already connected; blank ones are left out. Ends with the answer, or
 * when `signal` aborts. Throws HttpStatusError for anything but a 2xx, CliError for a line beyond all bounds.
 */
export async function* linesOver(
  stream: Duplex,
  o: { readonly path: string; readonly signal: AbortSignal },
): AsyncGenerator<string> {
  try {
    const response = await headOf(stream, o);
    const status = response.statusCode ?? 0;
    const isGood = status >= 200 && status < 300;
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_BYTES)
        throw new CliError(`GET ${o.path}: a line of more than ${MAX_LINE_BYTES} bytes`);
      if (!isGood) break; // what it has said so far is reason enough
      yield* lines.filter((line) => line.trim() !== '');
    }
    if (!isGood) throw new HttpStatusError(status, `GET ${o.path}: HTTP ${status}: ${rest.trim()}`);
    if (rest.trim() !== '') yield rest;
  } catch (error) {
    if (!o.signal.aborted) throw error;
  } finally {
    stream.destroy();
  }
}

function headOf(stream: Duplex, { path, signal }: { readonly path: string; readonly signal: AbortSignal }) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { connection: 'close' };
  const call = request({ createConnection: () => stream, path, host: 'localhost', headers, signal }, resolve);
  call.on('error', reject);
  const late = setTimeout(() => call.destroy(new CliError(`GET ${path}: no answer`)), ANSWER_DEADLINE_MS);
  call.end();
  return promise.finally(() => clearTimeout(late));
}
