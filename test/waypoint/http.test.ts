import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as nodeRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';

async function shop(t: Parameters<typeof WaypointWorld.start>[0]): Promise<WaypointWorld> {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) {
    await world.http(n, 8080, async (req, res) => {
      const body = await text(req);
      res.setHeader('x-pod', String(n));
      res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body }));
    });
  }
  return world;
}

type Echo = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

async function call(port: number, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

test('a request goes through, with a header of the true caller that it can not forge', async (t) => {
  const world = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const {
    status,
    headers,
    text: answer,
  } = await call(port, '/items?x=1', {
    headers: { 'ambit-source': 'spiffe://cluster.local/ns/a/sa/admin;1.2.3.4', 'x-forwarded-client-cert': 'By=me' },
  });
  assert.equal(status, 200);
  assert.equal(headers.get('server'), 'ambit');
  const echo = JSON.parse(answer) as Echo;
  assert.equal(echo.url, '/items?x=1');
  assert.equal(echo.headers['ambit-source'], `spiffe://cluster.local/ns/web/sa/client;${world.ip(200)}`);
  assert.equal(echo.headers['x-forwarded-client-cert'], undefined);
  assert.equal(echo.headers['x-forwarded-for'], world.ip(200));
  assert.match(echo.headers['x-request-id'] ?? '', /^[0-9a-f-]{36}$/);
});

test('bodies pass both ways, as long as they are, without being held', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http(n, 8080, (req, res) => void req.pipe(res));
  const port = await world.through('web/client', `${CART}:80`);
  const big = Buffer.alloc(8 << 20, 'ambit');
  const { status, text: answer } = await call(port, '/', { method: 'POST', body: big });
  assert.equal(status, 200);
  assert.equal(answer, big.toString());
});

test('requests of one kept-alive connection are spread over the endpoints', async (t) => {
  const world = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const pods = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const req = nodeRequest({ port, host: '127.0.0.1', agent });
    req.end();
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    pods.add(String(res.headers['x-pod']));
    await text(res);
  }
  agent.destroy();
  assert.deepEqual([...pods].sort(), ['1', '2']);
});

test('another caller never uses a connection that was opened in the name of the first', async (t) => {
  const world = await shop(t);
  const [one, two] = [
    await world.through('web/client', `${CART}:80`),
    await world.through('web/other', `${CART}:80`, 201),
  ];
  for (let i = 0; i < 6; i++) for (const port of [one, two]) assert.equal((await call(port, '/')).status, 200);
  for (const { headers } of world.arrivals) {
    assert.match(headers.get('ambit-source') ?? '', /web\/sa\/(client;.*\.200|other;.*\.201)$/);
  }
});

test('an endpoint that is not there is 503 with the flag of a failed connection', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  const port = await world.through('web/client', `${CART}:80`);
  const { status, text: answer } = await call(port, '/');
  assert.equal(status, 503);
  assert.match(answer, /^upstream connect error or disconnect\/reset before headers. reset reason: connection failure/);
  await world.logged(/"response_code":503,"response_flags":"UF"/);
});

test('a service without endpoints is 503, no healthy upstream', async (t) => {
  const world = await shop(t);
  for (const pod of ['cart-1', 'cart-2']) world.remove('Pod', `shop/${pod}`);
  const { status, text: answer } = await call(await world.through('web/client', `${CART}:80`), '/');
  assert.deepEqual([status, answer], [503, 'no healthy upstream']);
});

test('HTTP/2 is spoken to a port that declares it, and taken from a caller that begins with it', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http2(n, 8082, (req, res) => res.end(`${req.httpVersion} ${req.url}`));
  const port = await world.through('web/client', `${CART}:82`);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({ ':path': '/two' });
  assert.equal(await text(stream), '2.0 /two');
  assert.equal((await call(port, '/one')).text, '2.0 /one');
});

test('a protocol upgrade joins caller and endpoint', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) {
    const server = await world.http(n, 8080, (_req, res) => res.end('no'));
    server.on('upgrade', (_req, socket) => {
      socket.on('error', () => {}); // the caller leaves without a word
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
  }
  const port = await world.through('web/client', `${CART}:80`);
  const req = nodeRequest({ port, host: '127.0.0.1', headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  req.end();
  const [, socket] = await once(req, 'upgrade');
  socket.write('ping');
  const [data] = await once(socket, 'data');
  assert.equal(String(data), 'ping');
  socket.destroy();
});

test('what is no request is answered with 400 and read no further', async (t) => {
  const world = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n');
  assert.match(await text(socket), /^HTTP\/1.1 400 /);
  await world.logged(/a malformed request/);
});
