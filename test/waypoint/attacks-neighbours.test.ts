/** Whatever one caller or one application does with a connection, the next request and other callers get the answers that are theirs. */
import assert from 'node:assert/strict';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { eventually } from '../support/netns.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';

async function shop(t: Parameters<typeof WaypointWorld.start>[0]) {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  const seen: string[] = [];
  for (const n of [1, 2]) {
    await world.http(n, 8080, async (req, res) => {
      seen.push(`${req.method} ${req.url}`);
      await text(req).catch(() => '');
      res.end(`to ${req.url}`);
    });
  }
  return { world, seen };
}

const get = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();

const SMUGGLED: readonly (readonly [what: string, bytes: string])[] = [
  ['a length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n'],
  ['two lengths', 'Content-Length: 0\r\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a length with a sign', 'Content-Length: +0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['chunks that are misspelt', 'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['chunks before a blank', 'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a bare line feed', 'X: a\nContent-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a folded field', 'X: a\r\n Content-Length: 40\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a chunk too short', 'Transfer-Encoding: chunked\r\n\r\n1\r\nabGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a chunk with a huge size', 'Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nGET /smuggled HTTP/1.1\r\n\r\n'],
];

test('a request within a request reaches no application, and the next callers get their own answers', async (t) => {
  const { world, seen } = await shop(t);
  const [bad, good] = [
    await world.through('web/client', `${CART}:80`),
    await world.through('web/client', `${CART}:80`),
  ];
  for (const [what, bytes] of SMUGGLED) {
    const socket = connect({ port: bad, host: '127.0.0.1' });
    socket.end(`POST /outer HTTP/1.1\r\nHost: shop\r\n${bytes}`);
    const answer = await text(socket).catch(() => '');
    assert.doesNotMatch(answer, /smuggled/, what);
    for (const path of ['/a', '/b']) assert.equal(await get(good, path), `to ${path}`, what);
  }
  assert.deepEqual(
    seen.filter((line) => line.includes('smuggled')),
    [],
  );
});

const OK = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const POISON: readonly (readonly [what: string, answer: string])[] = [
  ['two answers', OK('first') + OK('poison')],
  ['more than its length', `${OK('first')}poison`],
  ['an answer after the last chunk', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${OK('poison')}`],
  ['content of 204', `HTTP/1.1 204 No Content\r\n\r\n${OK('poison')}`],
  [
    'a length and chunks',
    `HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${OK('poison')}`,
  ],
];

for (const [what, answer] of POISON) {
  test(`an application that sends ${what} poisons no later answer`, async (t) => {
    const world = await WaypointWorld.start(t, { yaml: SHOP });
    for (const n of [1, 2]) {
      await world.tcp(n, 8080, (socket: Socket) => {
        socket.on('data', (data) => socket.write(String(data).startsWith('GET /bad') ? answer : OK('good')));
      });
    }
    const port = await world.through('web/client', `${CART}:80`);
    for (let i = 0; i < 6; i += 1) {
      await get(port, '/bad').catch(() => '');
      const response = await fetch(`http://127.0.0.1:${port}/good`);
      const body = await response.text();
      // 503 where the poisoned connection was taken before its bytes were seen; never somebody else's answer.
      assert.ok(body === 'good' || response.status >= 500, `${response.status} ${body}`);
      assert.doesNotMatch(body, /poison/);
    }
  });
}

test('an upgrade that the application declines leaves nothing behind for the next request', async (t) => {
  const { world, seen } = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const socket = connect({ port, host: '127.0.0.1' });
  const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket';
  socket.end(`GET /ws HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n`);
  await text(socket).catch(() => '');
  assert.equal(await get(port, '/after'), 'to /after');
  assert.ok(seen.every((line) => /^GET \/(ws|second|after)$/.test(line)));
});

test('a caller who opens and resets streams without end is cut off, and others are served', async (t) => {
  const { world } = await shop(t);
  const [bad, good] = [
    await world.through('web/bad', `${CART}:80`, 201),
    await world.through('web/client', `${CART}:80`),
  ];
  const session = connectHttp2(`http://127.0.0.1:${bad}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  for (let i = 0; i < 5_000 && !session.destroyed && !session.closed; i += 1) {
    const stream = session.request({ ':path': '/flood' });
    stream.on('error', () => {});
    stream.close(constants.NGHTTP2_CANCEL);
    if (i % 250 === 0) assert.equal(await get(good, `/${i}`), `to /${i}`);
  }
  await eventually('the flood is cut off', () => session.destroyed || session.closed);
  assert.equal(await get(good, '/after'), 'to /after');
});
