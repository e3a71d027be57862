/** The small HTTP server behind admin, metrics and readiness ports. Not for traffic of the mesh. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describeError } from './log-format.ts';

// Not imported: an import of this module takes all its exports, and one of them, `WebSocket`, loads 19 MB that nobody needs.
const { createServer } = process.getBuiltinModule('node:http');

export type HttpRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The address of the client. */
  readonly remote: string;
  /** Reads the body; rejects when it is larger than the server allows. */
  text(): Promise<string>;
};
export type HttpReply = {
  /** Default 200. */
  readonly status?: number;
  /** Default `text/plain; charset=utf-8`. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
  /** Instead of the body: called once the head is out; returns what to do when the client has gone or `end` was called. */
  readonly stream?: (to: ReplyStream) => () => void;
};

/** An answer that goes on. */
export interface ReplyStream {
  /** False: the client reads too slowly, and this text is lost. */
  write(text: string): boolean;
  end(): void;
}
export type HttpHandler = (request: HttpRequest) => HttpReply | Promise<HttpReply>;
export type Route = HttpHandler | { readonly methods: readonly string[]; readonly handle: HttpHandler };

export type ServeHttpOptions = {
  /** 0 takes any free one. */
  readonly port: number;
  /** An address, or `localhost` for 127.0.0.1 and, where there is one, ::1. Default: every address of both families. */
  readonly host?: string;
  /** By exact path. A path that is not here is answered with 404. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Largest request body; default 8 KiB. */
  readonly maxBodyBytes?: number;
  /** Open connections of each address; further ones are closed at once. Default 1,024. */
  readonly maxConnections?: number;
  /** Told about a handler that failed; the client gets a 500 with the same text. */
  readonly onError?: (error: unknown, path: string) => void;
};

export interface HttpEndpoint extends AsyncDisposable {
  readonly port: number;
}

const HEADER_TIMEOUT_MS = 2_000; // the reference's admin server waits this long for the head of a request
const TIMEOUT_CHECK_MS = 1_000; // Node looks every 30 s otherwise
/** Of each server; further ones are closed. Without it a neighbour could take all descriptors of the process. */
const MAX_CONNECTIONS = 1_024;

/** What may wait for a client of a stream. */
const STREAM_BYTES = 256 * 1024;

/** Listens, then resolves; rejects when a port is taken. Disposing stops accepting and closes what is open. */
export async function serveHttp(options: ServeHttpOptions): Promise<HttpEndpoint> {
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer));
  };
  let port = options.port;
  try {
    for (const host of hostsOf(options.host)) {
      const server = createServer(
        {
          headersTimeout: HEADER_TIMEOUT_MS,
          connectionsCheckingInterval: TIMEOUT_CHECK_MS,
          requestTimeout: 30_000,
          keepAliveTimeout: 5_000,
          maxHeaderSize: 8_192,
        },
        (request, response) => void respond(options, request, response),
      );
      server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
      try {
        await listen(server, port, host.address);
      } catch (error) {
        if (host.optional && isNoSuchAddress(error)) continue;
        throw error;
      }
      servers.push(server);
      port = (server.address() as AddressInfo).port;
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { port, [Symbol.asyncDispose]: close };
}

function hostsOf(
  host: string | undefined,
): readonly { readonly address: string | undefined; readonly optional: boolean }[] {
  if (host !== 'localhost') return [{ address: host, optional: false }];
  return [
    { address: '127.0.0.1', optional: false },
    { address: '::1', optional: true }, // absent where IPv6 is off on the loopback interface
  ];
}

function isNoSuchAddress(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT';
}

function listen(server: Server, port: number, host: string | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
    server.off('error', reject);
    resolve();
  });
  return promise;
}

function closeServer(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve()); // its only error is that it was not open
  server.closeAllConnections();
  return promise;
}

async function respond(options: ServeHttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The authority of a request to us carries no information; only path and query are read.
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  const method = request.method ?? 'GET';
  let reply: HttpReply;
  try {
    reply = url === null ? { status: 400, body: 'not a request path\n' } : await answer(options, request, method, url);
  } catch (error) {
    options.onError?.(error, url?.pathname ?? '');
    reply = { status: 500, body: `${describeError(error)}\n` };
  }
  if (response.destroyed) return;
  if (reply.stream !== undefined && method !== 'HEAD') {
    stream(response, reply, reply.stream);
    return;
  }
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.contentType ?? 'text/plain; charset=utf-8',
    'content-length': body.byteLength,
    ...reply.headers,
  });
  response.end(method === 'HEAD' ? undefined : body);
}

function stream(response: ServerResponse, reply: HttpReply, begin: NonNullable<HttpReply['stream']>): void {
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.contentType ?? 'text/plain; charset=utf-8',
    ...reply.headers,
  });
  response.flushHeaders();
  const over = begin({
    write(text) {
      if (response.destroyed || response.writableEnded || response.writableLength > STREAM_BYTES) return false;
      response.write(text);
      return true;
    },
    end: () => void response.end(),
  });
  response.once('close', over);
}

async function answer(
  options: ServeHttpOptions,
  request: IncomingMessage,
  method: string,
  url: URL,
): Promise<HttpReply> {
  const route = Object.hasOwn(options.routes, url.pathname) ? options.routes[url.pathname] : undefined;
  if (route === undefined) return { status: 404, body: 'not found\n' };
  const { methods, handle } = typeof route === 'function' ? { methods: undefined, handle: route } : route;
  if (methods !== undefined && !methods.includes(method)) {
    return { status: 405, headers: { allow: methods.join(', ') }, body: `only ${methods.join(' and ')} here\n` };
  }
  return handle({
    method,
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    remote: request.socket.remoteAddress ?? '',
    text: () => readBody(request, options.maxBodyBytes ?? 8_192),
  });
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error(`the request body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
