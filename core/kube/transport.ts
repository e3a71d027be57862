/** HTTP towards the API server: one pool, credentials on each request, polite retries. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, errors } from 'undici';
import type { Connection, ConnectionSource } from './connection.ts';
import { errorFromAnswer, KubeError } from './kube-error.ts';
import type { TlsSettings } from './kubeconfig.ts';

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path with encoded segments, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence within the answer, ms. Default 60 s. */
  readonly bodyTimeoutMs?: number;
};

export type HttpAnswer = { readonly status: number; readonly body: Dispatcher.ResponseData['body'] };

const CONNECT_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 60_000;
const MAX_ATTEMPTS = 5;
const MAX_RETRY_AFTER_S = 10;

export class Transport implements AsyncDisposable {
  readonly #source: ConnectionSource;
  readonly #userAgent: string;
  #agent: { readonly tls: TlsSettings; readonly dispatcher: Agent } | undefined;

  constructor(source: ConnectionSource, userAgent: string) {
    this.#source = source;
    this.#userAgent = userAgent;
  }

  /** For streams that need a socket of their own (exec, port-forward). */
  connection(): Promise<Connection> {
    return this.#source.current();
  }

  /**
   * Sends and resolves with a 2xx answer whose body is still to be read. Everything else throws KubeError. 429 and 503
   * with Retry-After are repeated (up to five times), 401 once with credentials read anew, and a GET once when a kept
   * connection turned out to be dead.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#once(request, attempt);
      if (answer === 'again') continue;
      if (answer.statusCode >= 200 && answer.statusCode < 300) return { status: answer.statusCode, body: answer.body };
      const text = await answer.body.text();
      if (answer.statusCode === 401 && !renewed) {
        renewed = true;
        this.#source.expire();
        continue;
      }
      const pauseS = retryAfterSeconds(answer);
      if (pauseS === undefined || attempt >= MAX_ATTEMPTS) {
        throw errorFromAnswer(answer.statusCode, text, `${request.method} ${request.path}`);
      }
      await sleep(Math.min(pauseS, MAX_RETRY_AFTER_S) * 1000, undefined, { signal: request.signal });
    }
  }

  /** Sends and reads the whole answer as JSON. */
  async json(request: HttpRequest): Promise<unknown> {
    const { body } = await this.send(request);
    return body.json();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.dispatcher.destroy();
    this.#agent = undefined;
  }

  async #once(request: HttpRequest, attempt: number): Promise<Dispatcher.ResponseData | 'again'> {
    const connection = await this.#source.current();
    try {
      return await this.#dispatcher(connection.tls).request({
        origin: new URL(connection.server).origin,
        path: basePath(connection.server) + request.path + queryString(request.query),
        method: request.method,
        headers: {
          accept: request.accept ?? 'application/json',
          'user-agent': this.#userAgent,
          ...(connection.authorization === undefined ? {} : { authorization: connection.authorization }),
          ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        headersTimeout: HEADERS_TIMEOUT_MS,
        bodyTimeout: request.bodyTimeoutMs ?? HEADERS_TIMEOUT_MS,
      });
    } catch (error) {
      request.signal?.throwIfAborted();
      if (error instanceof errors.SocketError && request.method === 'GET' && attempt === 1) return 'again';
      throw unreachable(error, connection.server);
    }
  }

  #dispatcher(tls: TlsSettings): Agent {
    if (this.#agent?.tls === tls) return this.#agent.dispatcher;
    const old = this.#agent?.dispatcher;
    // New trust or client certificate: new connections use it, running requests end on the old pool.
    void old?.close();
    const dispatcher = new Agent({
      connect: { ...tls, timeout: CONNECT_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelay: 30_000 },
      allowH2: false, // a watch per connection is fine, and upgrades need HTTP/1.1 anyway
    });
    this.#agent = { tls, dispatcher };
    return dispatcher;
  }
}

export function queryString(query: HttpRequest['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    if (Array.isArray(value)) for (const item of value) parameters.append(name, item);
    else parameters.append(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}

/** Some clusters are reached below a path (proxies such as Rancher's). */
export function basePath(server: string): string {
  return new URL(server).pathname.replace(/\/+$/, '');
}

function retryAfterSeconds(answer: Dispatcher.ResponseData): number | undefined {
  if (answer.statusCode !== 429 && answer.statusCode !== 503) return undefined;
  const given = Number(answer.headers['retry-after']);
  return Number.isFinite(given) && given >= 0 ? given : undefined;
}

function unreachable(error: unknown, server: string): KubeError {
  const timeout =
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError;
  const why = error instanceof Error ? error.message : String(error);
  return new KubeError(0, timeout ? 'Timeout' : 'Unreachable', `API server ${server}: ${why}`, {}, { cause: error });
}
