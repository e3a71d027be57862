/** One request over HTTP/1.1, on a connection of its own. */
import { type IncomingMessage, request } from 'node:http';

export type HttpOptions = {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Whether status and headers are part of what is answered. */
  readonly isHeadShown: boolean;
};

/** An answer whose status says that it is none. */
export class HttpFailure extends Error {
  readonly answer: string;

  constructor(status: string, answer: string) {
    super(status);
    this.answer = answer;
  }
}

/** Resolves with the answer. Rejects with `HttpFailure` for a status of 400 and above, and when there is no answer. */
export function callHttp(url: URL, { method, headers, timeoutMs, isHeadShown }: HttpOptions): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // A kept-alive connection would hide what a new one meets.
  const options = { agent: false, method, timeout: timeoutMs, headers: { ...headers, connection: 'close' } };
  const call = request(url, options, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8').trimEnd();
      const answer = isHeadShown ? `${headOf(response)}\n${body}` : body;
      const { statusCode = 0, statusMessage = '' } = response;
      if (statusCode < 400) resolve(answer);
      else reject(new HttpFailure(`${statusCode} ${statusMessage}`, answer));
    });
  });
  call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  call.on('error', reject);
  call.end();
  return promise;
}

function headOf({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  let head = `${statusCode} ${statusMessage}\n`;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\n`;
  return head;
}
