import { request } from 'node:http';
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
