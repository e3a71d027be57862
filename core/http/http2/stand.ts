/** Servers, clients and a proxy over loopback sockets, for tests and measurements. */
import { memoryLegs, tcpLeg } from '../../hbone/index.ts';
import { connectTcp, listenTcp, localAddress, TcpListener } from '../../net/index.ts';
import {
  type ClientConnection,
  type ClientRequest,
  DEFAULT_LIMITS,
  type Handler,
  HeaderFields,
  HttpError,
  type HttpLimits,
  type HttpResponse,
  NO_BODY,
  type Refusal,
  type ServerConnection,
} from '../index.ts';
import { connectHttp2, serveHttp2 } from './index.ts';

export const HOST = '127.0.0.1';

/** A listener on loopback that serves HTTP/2 by a handler. */
export class TestServer implements AsyncDisposable {
  readonly port: number;
  readonly connections = new Set<ServerConnection>();
  readonly refusals: Refusal[] = [];
  readonly #listener: TcpListener;

  constructor(handler: Handler, limits: Partial<HttpLimits> = {}) {
    const fd = listenTcp({ ip: HOST, port: 0 });
    this.port = localAddress(fd)?.port ?? 0;
    const serve = (leg: ReturnType<typeof tcpLeg>) => {
      const options = {
        handler,
        limits: { ...DEFAULT_LIMITS, ...limits },
        onRefused: (refusal: Refusal) => void this.refusals.push(refusal),
      };
      const connection = serveHttp2(leg, options);
      this.connections.add(connection);
      void connection.closed.then(() => this.connections.delete(connection));
    };
    this.#listener = new TcpListener(fd, (connection) => serve(tcpLeg(connection)), {
      perTurn: 16,
      onError: (error) => {
        throw error;
      },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener[Symbol.dispose]();
    const all = [...this.connections];
    for (const connection of all) connection.cut();
    await Promise.all(all.map((connection) => connection.closed));
  }
}

export async function connectTo(
  port: number,
  limits: Partial<HttpLimits> = {},
  onChange = () => {},
): Promise<ClientConnection & AsyncDisposable> {
  const leg = tcpLeg(await connectTcp({ to: { ip: HOST, port } }));
  return disposable(connectHttp2(leg, { limits: { ...DEFAULT_LIMITS, ...limits }, onChange }));
}

function disposable(client: ClientConnection): ClientConnection & AsyncDisposable {
  return Object.assign(client, {
    async [Symbol.asyncDispose]() {
      client.cut();
      await client.closed;
    },
  });
}

/** A client and a server of ours, back to back in memory. */
export function inMemory(
  handler: Handler,
  limits: Partial<HttpLimits> = {},
): { client: ClientConnection & AsyncDisposable; server: ServerConnection; refusals: Refusal[] } {
  const [a, b] = memoryLegs();
  const refusals: Refusal[] = [];
  const all = { ...DEFAULT_LIMITS, ...limits };
  const server = serveHttp2(a, { handler, limits: all, onRefused: (refusal) => void refusals.push(refusal) });
  return { client: disposable(connectHttp2(b, { limits: all, onChange: () => {} })), server, refusals };
}

/** A handler that passes everything on over one connection, both ways, as a proxy without opinions does. */
export function passingOn(upstream: () => ClientConnection): Handler {
  return (request) => {
    const call = upstream().send(request, (status, headers) => request.inform(status, headers));
    request.onAbort((error) => call.cancel(error));
    return call.response;
  };
}

/** What a client says; the rest as a GET of `/` would. */
export function requestOf(o: Partial<ClientRequest> = {}): ClientRequest {
  return {
    method: 'GET',
    target: '/',
    authority: 'web.shop',
    scheme: 'http',
    headers: new HeaderFields(),
    body: NO_BODY,
    upgrade: undefined,
    ...o,
  };
}

export function answer(status: number, headers: Record<string, string> = {}, body = NO_BODY): HttpResponse {
  return { status, headers: HeaderFields.of(headers), body };
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<HttpError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HttpError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
