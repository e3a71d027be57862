/** What is asked in one version of HTTP and passed on in another means the same: Node's HTTP/1.1 and `ws` at the far ends, HTTP/2 of ours between. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request, type Server } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { memoryLegs, tcpLeg } from '../hbone/index.ts';
import { connectTcp, listenTcp, localAddress, TcpListener } from '../net/index.ts';
import {
  type ClientConnection,
  connectHttp1,
  connectHttp2,
  DEFAULT_LIMITS,
  type Handler,
  serveHttp1,
  serveHttp2,
} from './index.ts';

const HOST = '127.0.0.1';
const client = { limits: DEFAULT_LIMITS, onChange: () => {} };
const server = (handler: Handler) => ({ handler, limits: DEFAULT_LIMITS, onRefused: () => {} });

function passing(send: () => Promise<ClientConnection> | ClientConnection): Handler {
  return async (incoming) => {
    const to = await send();
    const call = to.send(incoming, (status, headers) => incoming.inform(status, headers));
    incoming.onAbort((error) => call.cancel(error));
    return call.response;
  };
}

describe('HTTP/1.1, through a connection of HTTP/2, to HTTP/1.1', () => {
  const open: { reset(): void }[] = [];
  let origin: Server;
  let sockets: WebSocketServer;
  let listener: TcpListener;
  let inner: ClientConnection;
  let port = 0;

  before(async () => {
    origin = createServer((incoming, outgoing) => answer(incoming, outgoing));
    origin.on('checkContinue', (incoming, outgoing) => {
      outgoing.writeContinue();
      answer(incoming, outgoing);
    });
    sockets = new WebSocketServer({ server: origin });
    sockets.on('connection', (socket) =>
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
    );
    origin.listen(0, HOST);
    await once(origin, 'listening');
    const address = origin.address();
    const originPort = typeof address === 'object' && address !== null ? address.port : 0;
    const upstream = async () => {
      const leg = tcpLeg(await connectTcp({ to: { ip: HOST, port: originPort } }));
      open.push({ reset: () => leg.reset('cancel') });
      return connectHttp1(leg, client);
    };
    const [a, b] = memoryLegs();
    serveHttp2(a, server(passing(upstream)));
    inner = connectHttp2(b, client);
    const fd = listenTcp({ ip: HOST, port: 0 });
    port = localAddress(fd)?.port ?? 0;
    const serve = (leg: ReturnType<typeof tcpLeg>) => {
      open.push({ reset: () => leg.reset('cancel') });
      serveHttp1(leg, server(passing(() => inner)));
    };
    listener = new TcpListener(fd, (connection) => serve(tcpLeg(connection)), {
      perTurn: 16,
      onError: (error) => {
        throw error;
      },
    });
  });

  after(async () => {
    listener[Symbol.dispose]();
    inner.cut();
    for (const one of open) one.reset();
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    origin.closeAllConnections();
    origin.close();
    await inner.closed;
  });

  function answer(incoming: IncomingMessage, outgoing: import('node:http').ServerResponse): void {
    let body = '';
    incoming.on('data', (piece) => {
      body += String(piece);
    });
    incoming.on('end', () => {
      outgoing.setHeader(
        'x-seen',
        `${incoming.method} ${incoming.url} ${incoming.headers.host} ${JSON.stringify(incoming.trailers)}`,
      );
      if (incoming.method === 'HEAD') {
        outgoing.setHeader('content-length', '5');
        outgoing.end();
        return;
      }
      if (incoming.url === '/chunks') {
        outgoing.writeHead(200, { trailer: 'x-sum' });
        outgoing.write(body);
        outgoing.addTrailers({ 'x-sum': String(body.length) });
        outgoing.end();
        return;
      }
      outgoing.end(body.toUpperCase());
    });
  }

  async function ask(
    options: { readonly method?: string; readonly path?: string; readonly headers?: Record<string, string> },
    send: (to: ClientRequest) => void = (to) => to.end(),
  ): Promise<{ incoming: IncomingMessage; body: string }> {
    const to = request({
      host: HOST,
      port,
      ...options,
      headers: { host: 'web.shop', connection: 'close', ...options.headers },
    });
    send(to);
    const [incoming] = (await once(to, 'response')) as [IncomingMessage];
    let body = '';
    for await (const piece of incoming) body += String(piece);
    return { incoming, body };
  }

  it('a GET keeps its target and its host', async () => {
    const { incoming } = await ask({ path: '/a?b=c' });
    assert.deepEqual([incoming.statusCode, incoming.headers['x-seen']], [200, 'GET /a?b=c web.shop {}']);
  });

  it('a POST keeps its length, and its answer has one', async () => {
    const { incoming, body } = await ask({ method: 'POST', headers: { 'content-length': '5' } }, (to) =>
      to.end('hello'),
    );
    assert.deepEqual([body, incoming.headers['content-length']], ['HELLO', '5']);
  });

  it('chunks without a length, and trailers, go both ways', async () => {
    const { incoming, body } = await ask(
      { method: 'POST', path: '/chunks', headers: { te: 'trailers', trailer: 'x-check' } },
      (to) => {
        to.write('hel');
        to.addTrailers({ 'x-check': '1' });
        to.end('lo');
      },
    );
    assert.equal(body, 'hello');
    assert.equal(incoming.trailers['x-sum'], '5');
  });

  it('HEAD has the length and no content', async () => {
    const { incoming, body } = await ask({ method: 'HEAD' });
    assert.deepEqual([incoming.headers['content-length'], body], ['5', '']);
  });

  it('a caller that expects 100 is told to go on', async () => {
    let isContinued = false;
    const { body } = await ask({ method: 'POST', headers: { expect: '100-continue', 'content-length': '2' } }, (to) => {
      to.on('continue', () => {
        isContinued = true;
        to.end('go');
      });
      to.flushHeaders();
    });
    assert.deepEqual([isContinued, body], [true, 'GO']);
  });

  it('a WebSocket opens, echoes and closes: each side proves that it has read the key', async () => {
    const socket = new WebSocket(`ws://${HOST}:${port}/socket`);
    await once(socket, 'open');
    const large = Buffer.alloc(300_000, 'w');
    socket.send('hello');
    socket.send(large);
    const heard: Buffer[] = [];
    socket.on('message', (data) => void heard.push(data as Buffer));
    while (heard.length < 2) await once(socket, 'message');
    assert.deepEqual([heard[0]?.toString(), heard[1]?.equals(large)], ['hello', true]);
    socket.close(1000, 'done');
    const [code] = await once(socket, 'close');
    assert.equal(code, 1000);
  });
});
