/** A small HTTP server on a UNIX socket, for the plugin. */
import { chmodSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { peerOfSocket } from '../../core/net/index.ts';
import { privateFolder } from './private-folder.ts';

// Not imported: an import of this module takes all its exports, and one of them, `WebSocket`, loads 19 MB that nobody needs.
const { createServer } = process.getBuiltinModule('node:http');

export type UnixReply = { readonly status: number; readonly body: string };
export type UnixRoute = (body: string) => Promise<UnixReply>;

const MAX_BODY_BYTES = 1 << 20;
/** Plugins at once: a node starts a few pods at a time. */
const MAX_CONNECTIONS = 256;

/**
 * Serves POST requests by path on a socket file, in place of whatever was left there. The folder is 0700 and the socket
 * 0600, and who connects is asked for, as a descriptor may be passed on: only root's processes, such as the container
 * runtime's, get in. `onStranger` hears of the uid of anybody else.
 */
export async function serveUnix(
  path: string,
  routes: Readonly<Record<string, UnixRoute>>,
  onStranger: (uid: number) => void = () => {},
): Promise<AsyncDisposable> {
  privateFolder(dirname(path));
  rmSync(path, { force: true });
  const server = createServer({ headersTimeout: 2_000, requestTimeout: 10_000 }, (request, response) => {
    void respond(routes, request, response);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.prependListener('connection', (socket: Socket) => {
    const uid = peerOfSocket(socket)?.uid;
    if (uid === 0) return;
    if (uid !== undefined) onStranger(uid);
    socket.destroy();
  });
  await listen(server, path);
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await closed;
      rmSync(path, { force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // The umask holds for the whole process, and binding is synchronous: nobody else's file gets it.
  const before = process.umask(0o177);
  server.listen(path, () => {
    server.off('error', reject);
    resolve();
  });
  process.umask(before);
  return promise.then(() => chmodSync(path, 0o600));
}

async function respond(
  routes: Readonly<Record<string, UnixRoute>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let reply: UnixReply;
  try {
    const route = Object.hasOwn(routes, request.url ?? '') ? routes[request.url ?? ''] : undefined;
    if (route === undefined) reply = { status: 404, body: 'not found' };
    else if (request.method !== 'POST') reply = { status: 405, body: 'only POST' };
    else reply = await route(await bodyOf(request));
  } catch (error) {
    reply = { status: 500, body: error instanceof Error ? error.message : String(error) };
  }
  if (response.destroyed) return;
  response
    .writeHead(reply.status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
    .end(reply.body);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error(`a request of more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
