/** Our server with Node's client, our client with Node's server, and both together: over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as nodeRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import { Client } from 'undici';
import { WebSocket, WebSocketServer } from 'ws';
import { settle } from '../../time/index.ts';
import { bodyOf, readBody } from '../body.ts';
import { Deadlines } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import type { HttpError } from '../http-error.ts';
import { type ClientConnection, DEFAULT_LIMITS, type Handler, type ServerConnection } from '../message.ts';
import { connectHttp1 } from './client.ts';
import { serveHttp1 } from './server.ts';
import { dial, echo, get, listen, listening, RawPeer } from './stand.ts';

const options = (handler: Handler) => ({ handler, limits: DEFAULT_LIMITS, onRefused: () => {} });

async function textOf(message: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of message.setEncoding('latin1')) text += piece;
  return text;
}

test("Node's client is answered by our server, many times on one connection", async (t) => {
  const port = await listen(t, (leg) => void serveHttp1(leg, options(echo)));
  const client = new Client(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  for (let i = 0; i < 20; i += 1) {
    const answer = await client.request({ method: 'POST', path: `/a?n=${i}`, body: 'x'.repeat(i * 5_000) });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['x-target'], `/a?n=${i}`);
    assert.equal((await answer.body.text()).length, i * 5_000);
  }
});

test('a chunked request of Node comes whole, with its trailers', async (t) => {
  const seen: (HeaderFields | undefined)[] = [];
  const handler: Handler = (request) => {
    const { promise, resolve } = Promise.withResolvers<{
      status: number;
      headers: HeaderFields;
      body: ReturnType<typeof bodyOf>;
    }>();
    let bytes = 0;
    request.body.deliver({
      data: (view) => {
        bytes += view.length;
      },
      end: (trailers) => {
        seen.push(trailers);
        resolve({ status: 200, headers: new HeaderFields(), body: bodyOf(String(bytes)) });
      },
      failed: () => {},
    });
    return promise;
  };
  const port = await listen(t, (leg) => void serveHttp1(leg, options(handler)));
  const request = nodeRequest({ port, method: 'PUT', agent: false, headers: { trailer: 'x-sum' } });
  request.write('a'.repeat(100_000));
  request.write('b'.repeat(7));
  request.addTrailers({ 'x-sum': '7', authorization: 'x' });
  request.end();
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(await textOf(message), '100007');
  assert.deepEqual(seen[0]?.list, ['x-sum', '7']);
});

test("our client is answered by Node's server, many times on one connection", async (t) => {
  let connections = 0;
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      response.setHeader('x-target', request.url ?? '');
      response.end(text + request.method);
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  const port = await listening(t, server);
  const client = connectHttp1(await dial(port), { limits: DEFAULT_LIMITS, onChange: () => {} });
  for (let i = 0; i < 20; i += 1) {
    const call = client.send(get(`/b?n=${i}`, { method: 'POST', body: bodyOf('y'.repeat(i * 5_000)) }));
    const response = await call.response;
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('x-target'), `/b?n=${i}`);
    assert.equal((await readBody(response.body, 1 << 20)).length, i * 5_000 + 4);
    assert.equal(client.capacity, 1);
  }
  assert.equal(connections, 1);
  client.drain();
  await client.closed;
});

test('a proxy of our server and our client passes 32 MB in both directions byte by byte', async (t) => {
  const upstream = createServer((request, response) => void request.pipe(response));
  const upstreamPort = await listening(t, upstream);
  const port = await listen(t, (leg) => {
    serveHttp1(
      leg,
      options(async (request) => {
        const client = connectHttp1(await dial(upstreamPort), { limits: DEFAULT_LIMITS, onChange: () => {} });
        return await client.send(request).response;
      }),
    );
  });
  const client = new Client(`http://127.0.0.1:${port}`);
  t.after(() => client.destroy());
  const sent = Buffer.alloc(32 << 20);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  const answer = await client.request({ method: 'POST', path: '/', body: sent });
  const got = Buffer.from(await answer.body.arrayBuffer());
  assert.ok(got.equals(sent));
});

/** A proxy as a waypoint is one: our server, and our client to an upstream; each request on a connection of its own. */
async function proxyTo(
  t: TestContext,
  upstreamPort: number,
): Promise<{ readonly port: number; readonly failures: HttpError[] }> {
  const failures: HttpError[] = [];
  const port = await listen(t, (leg) => {
    serveHttp1(
      leg,
      options(async (request) => {
        const client = connectHttp1(await dial(upstreamPort), { limits: DEFAULT_LIMITS, onChange: () => {} });
        const call = client.send(request, (status, headers) => request.inform(status, headers));
        request.onAbort((error) => {
          failures.push(error);
          call.cancel(error);
        });
        return await call.response;
      }),
    );
  });
  return { port, failures };
}

test('a WebSocket goes through a proxy of both, in both directions, and closes in order', async (t) => {
  const upstream = createServer();
  const sockets = new WebSocketServer({ server: upstream });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)));
  const { port } = await proxyTo(t, await listening(t, upstream));
  const client = new WebSocket(`ws://127.0.0.1:${port}/chat`);
  await once(client, 'open');
  for (const content of ['a', 'b'.repeat(200_000)]) {
    client.send(content);
    const [data] = (await once(client, 'message')) as [Buffer];
    assert.equal(data.toString(), `echo ${content}`);
  }
  client.close(1000, 'enough');
  const [code] = (await once(client, 'close')) as [number];
  assert.equal(code, 1000);
  sockets.close();
});

test("an upgrade that Node's server refuses is answered through the proxy, and the connection goes on", async (t) => {
  const upstream = createServer((request, response) => response.end(request.url));
  upstream.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno'));
  const { port } = await proxyTo(t, await listening(t, upstream));
  const peer = new RawPeer(await dial(port));
  peer.write('GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await peer.has('\r\n\r\nno');
  peer.write('GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await peer.has('/next');
  peer.leg.end();
  await peer.over();
});

test("Node's client that waits for 100 gets it through the proxy, and sends its body once", async (t) => {
  const upstream = createServer((request, response) => void textOf(request).then((text) => response.end(text)));
  const { port } = await proxyTo(t, await listening(t, upstream));
  const request = nodeRequest({ port, method: 'POST', agent: false, headers: { expect: '100-continue' } });
  request.flushHeaders();
  await once(request, 'continue');
  request.end('after');
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(await textOf(message), 'after');
});

test('interim responses and trailers of Node pass the proxy', async (t) => {
  const upstream = createServer((_request, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' });
    response.writeHead(200, { trailer: 'x-sum' });
    response.write('content');
    response.addTrailers({ 'x-sum': '7' });
    response.end();
  });
  const { port } = await proxyTo(t, await listening(t, upstream));
  const request = nodeRequest({ port, agent: false, headers: { te: 'trailers' } });
  const hints: unknown[] = [];
  request.on('information', (info) => hints.push(info.statusCode));
  request.end();
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(await textOf(message), 'content');
  assert.deepEqual([hints, message.trailers], [[103], { 'x-sum': '7' }]);
});

test('an upstream that dies within its response cuts the client off: no half content looks whole', async (t) => {
  for (const head of ['Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'Content-Length: 10\r\n\r\nhalf']) {
    const upstreamPort = await listen(t, (leg) => {
      const peer = new RawPeer(leg);
      void peer.has('\r\n\r\n').then(() => {
        peer.write(`HTTP/1.1 200 OK\r\n${head}`);
        leg.end();
      });
    });
    const { port } = await proxyTo(t, upstreamPort);
    const client = new Client(`http://127.0.0.1:${port}`);
    const answer = await client.request({ method: 'GET', path: '/' });
    await assert.rejects(answer.body.text());
    await client.destroy();
  }
});

test('a client that goes away ends its request at the upstream', async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const upstream = createServer((_request, response) => {
    response.write('begin');
    response.on('close', resolve);
  });
  const { port, failures } = await proxyTo(t, await listening(t, upstream));
  const peer = new RawPeer(await dial(port));
  peer.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await peer.has('begin');
  peer.leg.reset('cancel');
  await gone;
  assert.deepEqual(
    failures.map((error) => error.detail),
    ['downstream_remote_disconnect'],
  );
});

test('requests that undici sends without waiting are answered in order', async (t) => {
  const port = await listen(t, (leg) => void serveHttp1(leg, options(echo)));
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 8 });
  t.after(() => client.destroy());
  const targets = Array.from({ length: 40 }, (_, i) => `/n/${i}`);
  const answers = await Promise.all(
    targets.map(async (path) => {
      const answer = await client.request({ method: 'GET', path });
      await answer.body.dump();
      return answer.headers['x-target'];
    }),
  );
  assert.deepEqual(answers, targets);
});

test('a slow reader of a large response holds the upstream back, and gets every byte', async (t) => {
  const total = 24 << 20;
  let sent = 0;
  const upstream = createServer((_request, response) => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    const more = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const { port } = await proxyTo(t, await listening(t, upstream));
  const request = nodeRequest({ port, agent: false });
  request.end();
  const [message] = (await once(request, 'response')) as [IncomingMessage];
  let before = -1;
  for (let still = 0; still < 30; still = before === sent ? still + 1 : 0) {
    before = sent; // until the sockets are full and nothing moves any more
    await settle();
  }
  assert.ok(sent < total, `${sent} bytes were taken for a client that reads nothing`);
  let got = 0;
  for await (const piece of message) got += (piece as Buffer).length;
  assert.equal(got, total);
});

test('connections that break off at any byte leave nothing behind, on either side of a proxy', async (t) => {
  const upstream = createServer((request, response) => void request.pipe(response));
  const upstreamPort = await listening(t, upstream);
  const connections: (ServerConnection | ClientConnection)[] = [];
  const deadlines = new Deadlines();
  const port = await listen(t, (leg) => {
    const handler: Handler = async (request) => {
      const client = connectHttp1(await dial(upstreamPort), { limits: DEFAULT_LIMITS, onChange: () => {} }, deadlines);
      connections.push(client);
      const call = client.send(request);
      request.onAbort((error) => call.cancel(error));
      const response = await call.response;
      client.drain();
      return response;
    };
    connections.push(serveHttp1(leg, options(handler), undefined, deadlines));
  });
  const said =
    `POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 20\r\n\r\n${'x'.repeat(20)}` +
    `PUT /b HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n${'y'.repeat(20)}\r\n0\r\n\r\n`;
  await Promise.all(
    Array.from({ length: said.length }, async (_, bytes) => {
      const peer = new RawPeer(await dial(port)).write(said.slice(0, bytes + 1));
      if (bytes > 100 && bytes % 3 === 0) await peer.has('HTTP'); // the first request is whole by then
      if (bytes % 2 === 0) peer.leg.reset('cancel');
      else peer.leg.end();
      await peer.over();
    }),
  );
  await Promise.all(connections.map((connection) => connection.closed));
  assert.deepEqual(
    connections.filter((connection) => connection.active > 0),
    [],
  );
  assert.equal(deadlines.watched, 0);
});
