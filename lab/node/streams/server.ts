/**
 * The kubelet's HTTP server: what the API server calls for logs, exec, attach and port-forward. Plain HTTP inside the
 * underlay; every request carries the lab's secret.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ContainerAccess, KubeletAccess, PodAccess } from './access.ts';
import { chooseProtocol } from './channels.ts';
import { serveExec } from './exec.ts';
import { parseLogQuery } from './log-query.ts';
import { readLog } from './log-reader.ts';
import { servePortForward } from './port-forward.ts';

export type StreamServerOptions = {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
  readonly access: KubeletAccess;
  readonly failed: (error: unknown) => void;
};

/** A refusal, as a Kubernetes Status. */
class Refusal extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Listens; resolves with a handle that ends every session when disposed. Rejects when the port is taken. */
export async function startStreamServer(
  options: StreamServerOptions,
): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) => chooseProtocol(offered) ?? false,
  });
  const server = createServer((request, response) => {
    serveLog(request, response, options).catch((error: unknown) => refuseHttp(response, error, options.failed));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    try {
      const session = planSession(request, options);
      sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('error', () => client.terminate());
        session(client).catch((error: unknown) => {
          options.failed(error);
          client.close(1011);
        });
      });
    } catch (error) {
      refuseUpgrade(socket, error);
    }
  });
  await listen(server, options);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    [Symbol.asyncDispose]: async () => {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, { host, port }: StreamServerOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  return promise;
}

type Call = {
  readonly verb: string;
  readonly pod: PodAccess;
  readonly container: string | undefined;
  readonly query: URLSearchParams;
};

/** `/VERB/NAMESPACE/POD[/CONTAINER]?…`, once the secret has been checked. */
function readCall(request: IncomingMessage, { secret, access }: StreamServerOptions): Call {
  const given = Buffer.from(String(request.headers['x-lab-token'] ?? ''));
  const wanted = Buffer.from(secret);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new Refusal(401, 'not the API server of this lab');
  const url = new URL(request.url ?? '/', 'http://kubelet');
  const [, verb = '', namespace = '', name = '', container] = url.pathname.split('/').map(decodeURIComponent);
  const pod = access.pod(namespace, name);
  if (pod === undefined) throw new Refusal(404, `pod ${namespace}/${name} does not run on this node`);
  return { verb, pod, container, query: url.searchParams };
}

function containerOf({ pod, container }: Call): ContainerAccess {
  const found = container === undefined ? undefined : pod.container(container);
  if (found !== undefined) return found;
  throw new Refusal(
    400,
    `container ${container ?? '(none named)'} is not running; this pod has ${pod.containerNames.join(', ')}`,
  );
}

async function serveLog(
  request: IncomingMessage,
  response: ServerResponse,
  options: StreamServerOptions,
): Promise<void> {
  const call = readCall(request, options);
  if (call.verb !== 'containerLogs') throw new Refusal(404, `the kubelet of the lab does not serve /${call.verb}`);
  const container = containerOf(call);
  const query = read(() => parseLogQuery(call.query, new Date()));
  const path = container.logFile(query.previous);
  if (path === undefined) {
    throw new Refusal(
      400,
      `${query.previous ? 'previous terminated container' : 'container'} ${call.container} has no log`,
    );
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  for await (const text of readLog(path, query, container.ended, gone.signal)) {
    if (!response.write(text)) await new Promise<void>((resolve) => onceEither(response, resolve));
  }
  response.end();
}

function onceEither(response: ServerResponse, resolve: () => void): void {
  response.once('drain', resolve);
  response.once('close', resolve);
}

function read<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Refusal(400, error instanceof Error ? error.message : String(error));
  }
}

/** Decides before the handshake, so that a refusal is an ordinary answer that clients print. */
function planSession(request: IncomingMessage, options: StreamServerOptions): (socket: WebSocket) => Promise<void> {
  const call = readCall(request, options);
  const { query } = call;
  if (String(request.headers.upgrade).toLowerCase() !== 'websocket') {
    throw new Refusal(501, 'the lab speaks WebSocket here, not SPDY: use a kubectl of 1.31 or newer');
  }
  const offered = String(request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((name) => name.trim());
  if (chooseProtocol(offered) === undefined) {
    throw new Refusal(
      501,
      offered.some((name) => name.startsWith('SPDY/3.1+'))
        ? "the lab does not speak kubectl's port-forward yet; `ambit` and client-node have a form of their own that it does"
        : `none of the protocols offered is known: ${offered.join(', ')}`,
    );
  }
  switch (call.verb) {
    case 'exec': {
      const container = containerOf(call);
      const [first, ...rest] = query.getAll('command');
      if (first === undefined || first === '') throw new Refusal(400, 'exec: no command was given');
      if (query.get('tty') === 'true') throw new Refusal(501, 'exec: the lab has no terminals yet; leave out -t');
      return (socket) =>
        serveExec(socket, container, { command: [first, ...rest], stdin: query.get('stdin') === 'true' });
    }
    case 'portForward': {
      const ports = query
        .getAll('ports')
        .flatMap((text) => text.split(','))
        .map(Number);
      if (ports.length === 0 || ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535)) {
        throw new Refusal(400, `ports: not port numbers: ${query.getAll('ports').join(',')}`);
      }
      return (socket) => servePortForward(socket, call.pod, ports);
    }
    case 'attach':
      throw new Refusal(501, 'attach: the lab keeps no terminal of a running container; read its log, or use exec');
    default:
      throw new Refusal(404, `the kubelet of the lab does not serve /${call.verb}`);
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  404: 'NotFound',
  501: 'NotImplemented',
};

function statusOf(error: unknown): { readonly code: number; readonly body: string } {
  const code = error instanceof Refusal ? error.code : 500;
  const message = error instanceof Error ? error.message : String(error);
  const reason = REASONS[code] ?? 'InternalError';
  return {
    code,
    body: JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }),
  };
}

function refuseHttp(response: ServerResponse, error: unknown, failed: (error: unknown) => void): void {
  if (!(error instanceof Refusal)) failed(error);
  if (response.headersSent) {
    response.destroy(); // a log that broke off in the middle must not look complete
    return;
  }
  const { code, body } = statusOf(error);
  response.writeHead(code, { 'content-type': 'application/json' }).end(body);
}

function refuseUpgrade(socket: Duplex, error: unknown): void {
  const { code, body } = statusOf(error);
  socket.end(
    `HTTP/1.1 ${code} ${REASONS[code] ?? 'Internal Server Error'}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
