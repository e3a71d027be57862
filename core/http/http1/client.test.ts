/** What our client does with servers that are slow, hasty, rude or wrong: bytes in memory, time by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLegs } from '../../hbone/index.ts';
import { FakeClock, settle } from '../../time/index.ts';
import { bodyOf, readBody } from '../body.ts';
import { Deadlines } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import { type ClientCall, type ClientConnection, DEFAULT_LIMITS } from '../message.ts';
import { connectHttp1 } from './client.ts';
import { get, HandBody, limitsWith, RawPeer, rawServer } from './stand.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

async function textOf(call: ClientCall): Promise<string> {
  const response = await call.response;
  return (await readBody(response.body, 1 << 20)).toString('latin1');
}

const errorOf = async (call: ClientCall): Promise<HttpError> =>
  await textOf(call).then(
    () => assert.fail('it went well'),
    (error: HttpError) => error,
  );

test('a request is written in small letters, with the host first and its length last', async () => {
  const { client, peer } = rawServer();
  const call = client.send(
    get('/a?b', {
      method: 'POST',
      body: bodyOf('xyz'),
      headers: HeaderFields.of({ 'X-A': '1', 'content-length': '99' }),
    }),
  );
  await peer.has('xyz');
  assert.equal(peer.text, 'POST /a?b HTTP/1.1\r\nhost: upstream.test\r\nx-a: 1\r\ncontent-length: 3\r\n\r\nxyz');
  peer.write(OK);
  assert.equal(await textOf(call), 'ok');
});

test('a method that has a body by nature says when it has none', async () => {
  for (const [method, has] of [
    ['POST', true],
    ['PUT', true],
    ['PATCH', true],
    ['GET', false],
    ['DELETE', false],
  ] as const) {
    const { client, peer } = rawServer();
    client.send(get('/', { method })).response.catch(() => {});
    await peer.has('\r\n\r\n');
    assert.equal(peer.text.includes('content-length: 0'), has, method);
    client.cut();
  }
});

test('a body of unknown length goes in chunks; its trailers only where te: trailers is said', async () => {
  for (const says of [true, false]) {
    const { client, peer } = rawServer();
    const body = new HandBody();
    const headers = says ? HeaderFields.of({ te: 'trailers' }) : new HeaderFields();
    const call = client.send(get('/', { method: 'POST', body, headers }));
    body
      .say('abc')
      .say('')
      .say('0123456789')
      .to?.end(HeaderFields.of({ 'x-sum': '1' }));
    await peer.has('0\r\n');
    await settle();
    const [head, rest] = peer.text.split('\r\n\r\n3\r\n') as [string, string];
    assert.equal(head.includes('te: trailers\r\nconnection: te\r\n'), says);
    assert.equal(rest, `abc\r\na\r\n0123456789\r\n0\r\n${says ? 'x-sum: 1\r\n' : ''}\r\n`);
    peer.write(OK);
    assert.equal(await textOf(call), 'ok');
  }
});

test('a response is the same wherever its bytes are split: by length, in chunks, until the end', async () => {
  const responses: readonly (readonly [string, string, boolean])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello', 'hello', true],
    [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n',
      'hello',
      true,
    ],
    ['HTTP/1.1 103 X\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', true],
    ['HTTP/1.1 204 No Content\r\nX: y\r\n\r\n', '', true],
    ['HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello', 'hello', false],
    ['HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello', 'hello', false],
  ];
  for (const [said, wanted, isKept] of responses) {
    for (let split = 1; split <= said.length; split += 1) {
      const { client, peer } = rawServer();
      const call = client.send(get());
      const text = textOf(call);
      peer.write(said.slice(0, split));
      await settle();
      peer.write(said.slice(split));
      if (!isKept) peer.leg.end();
      assert.equal(await text, wanted, `split at ${split} of ${JSON.stringify(said)}`);
      await settle();
      assert.equal(client.capacity, isKept ? 1 : 0);
      if (isKept) client.cut();
      await client.closed;
    }
  }
});

test('interim responses are told before the final one, up to a bound', async () => {
  const { client, peer } = rawServer();
  const told: string[] = [];
  const call = client.send(get(), (status, headers) => void told.push(`${status} ${headers.get('link')}`));
  peer.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${OK}`);
  assert.equal(await textOf(call), 'ok');
  assert.deepEqual(told, ['100 undefined', '103 a']);
  const endless = client.send(get());
  peer.write('HTTP/1.1 103 X\r\n\r\n'.repeat(40));
  assert.equal((await errorOf(endless)).detail, 'http1.interim_responses');
});

const MALFORMED: readonly (readonly [string, string, string])[] = [
  ['no HTTP', 'SSH-2.0-OpenSSH_9.7\r\n\r\n', 'http1.status_line'],
  ['lines that end with LF', 'HTTP/1.1 200 OK\n\n', 'http1.bare_lf'],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'http1.length_and_chunked',
  ],
  [
    '101 that nobody asked for',
    'HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    'http1.unrequested_upgrade',
  ],
  ['too many fields', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(101)}\r\n`, 'request_headers_too_large'],
  ['a head without end', `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(70_000)}`, 'request_headers_too_large'],
];

for (const [name, said, detail] of MALFORMED) {
  test(`a server that answers with ${name} is a bad gateway`, async () => {
    const { client, peer } = rawServer();
    const call = client.send(get());
    peer.write(said);
    const error = await errorOf(call);
    assert.deepEqual([error.detail, error.status, error.isProcessed], [detail, 502, true]);
    await client.closed;
    assert.equal(client.isOver, true);
  });
}

test('a response that breaks off fails its body', async () => {
  for (const said of [
    'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n',
  ]) {
    const { client, peer } = rawServer();
    const call = client.send(get());
    peer.write(said);
    const response = await call.response;
    const read = readBody(response.body, 100);
    peer.leg.end();
    await assert.rejects(read, { kind: 'closed' });
    await client.closed;
  }
});

test('a response whose chunks break the coding fails its body as malformed', async () => {
  const { client, peer } = rawServer();
  const call = client.send(get());
  peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfXX');
  assert.equal((await errorOf(call)).detail, 'http1.chunk_end');
  await client.closed;
});

test('a server that goes before it answers may have done the request: the error says so, and on which connection', async () => {
  for (const isReused of [false, true]) {
    for (const how of ['end', 'reset'] as const) {
      const { client, peer } = rawServer();
      if (isReused) {
        const first = client.send(get());
        peer.write(OK);
        await textOf(first);
      }
      const call = client.send(get());
      await settle();
      if (how === 'end') peer.leg.end();
      else peer.leg.reset('connect-error');
      const error = await errorOf(call);
      assert.deepEqual(
        [error.kind, error.status, error.isProcessed, error.detail],
        ['closed', 503, true, isReused ? 'upstream_reset_reused_connection' : 'upstream_reset_before_response_started'],
      );
      await client.closed;
    }
  }
});

test('a tunnel that is refused under a request has certainly not served it', async () => {
  const { client, peer } = rawServer();
  const call = client.send(get());
  peer.leg.reset('refused');
  const error = await errorOf(call);
  assert.deepEqual([error.kind, error.isProcessed], ['refused', false]);
});

test('a connection that takes no request refuses it untouched', async () => {
  const { client, peer } = rawServer();
  const first = client.send(get());
  assert.deepEqual([client.capacity, client.active], [0, 1]);
  const body = new HandBody();
  const second = client.send(get('/', { body }));
  const error = await errorOf(second);
  assert.deepEqual([error.kind, error.isProcessed, body.to], ['refused', false, undefined]);
  peer.write(OK);
  assert.equal(await textOf(first), 'ok');
  peer.leg.end();
  await client.closed;
  assert.equal((await errorOf(client.send(get()))).isProcessed, false);
});

test('an idle connection that the server ends is over, and says so', async () => {
  const [ours, theirs] = memoryLegs();
  const seen: boolean[] = [];
  const client: ClientConnection = connectHttp1(ours, {
    limits: DEFAULT_LIMITS,
    onChange: () => void seen.push(client.isOver),
  });
  const peer = new RawPeer(theirs);
  await settle();
  peer.leg.end();
  await client.closed;
  assert.deepEqual([seen, client.isOver, client.capacity], [[true], true, 0]);
});

test('bytes behind a response are never the response to the next request', async () => {
  const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
  for (const said of [OK, 'HTTP/1.1 204 X\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n']) {
    const [ours, theirs] = memoryLegs();
    const calls: ClientCall[] = [];
    const client: ClientConnection = connectHttp1(ours, {
      limits: DEFAULT_LIMITS,
      onChange: () => {
        if (client.capacity > 0) calls.push(client.send(get('/next'))); // as a pool does that has somebody waiting
      },
    });
    const peer = new RawPeer(theirs);
    const call = client.send(get('/first'));
    peer.write(said + poison);
    assert.doesNotMatch(await textOf(call), /poison/);
    await settle();
    assert.deepEqual([calls.length, client.isOver], [0, true]);
    assert.doesNotMatch(peer.text, /next/);
  }
});

test('bytes that come while nothing is asked cut the connection', async () => {
  const { client, peer } = rawServer();
  await settle();
  peer.write(OK);
  await client.closed;
  assert.deepEqual([client.isOver, peer.wasReset], [true, true]);
});

test('a response before the end of the request ends both, and the connection', async () => {
  const { client, peer } = rawServer();
  const body = new HandBody();
  const call = client.send(get('/', { method: 'POST', body }));
  body.say('begin');
  await peer.has('begin');
  peer.write('HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\nno');
  assert.equal(await textOf(call), 'no');
  await settle();
  assert.deepEqual([body.calls, client.isOver], [['cancel'], true]);
  assert.doesNotMatch(peer.text, /\r\n0\r\n/);
});

test('a response that begins before the request has ended does not stop it', async () => {
  const { client, peer } = rawServer();
  const body = new HandBody();
  const call = client.send(get('/', { method: 'POST', body }));
  peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  const response = await call.response;
  const text = readBody(response.body, 100);
  body.say('ping');
  await peer.has('ping');
  peer.write('4\r\npong\r\n');
  body.to?.end(undefined);
  await peer.has('0\r\n\r\n');
  peer.write('0\r\n\r\n');
  assert.equal((await text).toString(), 'pong');
  assert.equal(client.capacity, 1);
});

test('a request whose body fails is cut, so that the server never takes it for whole', async () => {
  for (const length of [undefined, 10]) {
    const { client, peer } = rawServer();
    const body = new HandBody(length);
    const call = client.send(get('/', { method: 'POST', body }));
    body.say('half').to?.failed(new HttpError('closed', 'the caller has gone', { detail: 'gone' }));
    assert.equal((await errorOf(call)).detail, 'gone');
    await peer.over();
    assert.equal(peer.wasReset, true);
    assert.doesNotMatch(peer.text, /\r\n0\r\n/);
  }
});

test('a request that is cancelled closes the connection; cancelling what is complete does nothing', async () => {
  const { client, peer } = rawServer();
  const done = client.send(get());
  peer.write(OK);
  await textOf(done);
  done.cancel(new HttpError('cancelled', 'too late'));
  assert.equal(client.capacity, 1);
  const call = client.send(get());
  await settle();
  call.cancel(new HttpError('timeout', 'too slow', { detail: 'upstream_per_try_timeout' }));
  assert.equal((await errorOf(call)).detail, 'upstream_per_try_timeout');
  await client.closed;
});

test('a call that fails when nobody looks at it any more crashes nothing', async () => {
  const { client, peer } = rawServer();
  client.send(get());
  client.send(get()); // refused
  peer.leg.reset('connect-error');
  await client.closed;
  await settle(); // an unhandled rejection would fail this test
});

test('the rest of a response that nobody wants is read when it is small, and cut when it is large', async () => {
  for (const [length, isKept] of [
    [1_000, true],
    [10_000_000, false],
  ] as const) {
    const { client, peer } = rawServer();
    const call = client.send(get());
    peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\nbegin`);
    const { body } = await call.response;
    body.cancel();
    if (isKept) peer.write('x'.repeat(length - 5));
    await settle();
    assert.equal(client.capacity, isKept ? 1 : 0);
    assert.equal(client.isOver, !isKept);
  }
});

test('an upgrade carries bytes both ways after 101', async () => {
  const { client, peer } = rawServer();
  const body = new HandBody();
  const call = client.send(
    get('/chat', { upgrade: 'websocket', body, headers: HeaderFields.of({ 'sec-websocket-key': 'k' }) }),
  );
  await peer.has('\r\n\r\n');
  assert.equal(
    peer.text,
    'GET /chat HTTP/1.1\r\nhost: upstream.test\r\nsec-websocket-key: k\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  );
  assert.equal(body.isDelivered, false);
  peer.write('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nX-A: b\r\n\r\nfirst');
  const response = await call.response;
  assert.deepEqual([response.status, response.headers.list], [101, ['x-a', 'b']]);
  const text = readBody(response.body, 100);
  body.say('up');
  await peer.has('up');
  peer.write('HTTP/1.1 200 OK\r\n\r\n').leg.end();
  assert.equal((await text).toString(), 'firstHTTP/1.1 200 OK\r\n\r\n');
  body.to?.end(undefined);
  await client.closed;
  assert.equal(peer.hasEnded, true);
});

test('an upgrade that the server refuses leaves the body untouched and the connection open', async () => {
  const { client, peer } = rawServer();
  const body = new HandBody();
  const call = client.send(get('/', { upgrade: 'websocket', body }));
  peer.write(OK);
  assert.equal(await textOf(call), 'ok');
  assert.equal(client.capacity, 1);
  assert.equal(body.isDelivered, false);
});

test('an upgrade to another protocol than was asked is a bad gateway', async () => {
  const { client, peer } = rawServer();
  const call = client.send(get('/', { upgrade: 'websocket', body: new HandBody() }));
  peer.write('HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n');
  assert.equal((await errorOf(call)).detail, 'http1.unrequested_upgrade');
});

test('nothing in a request can begin a line of its own, and a request that can not be sent is untouched', async () => {
  const bad = [
    get('/', { headers: HeaderFields.of({ 'x-a': 'b\r\nx-smuggled: 1' }) }),
    get('/', { headers: HeaderFields.of({ 'x-a': 'b\u010ax-smuggled: 1' }) }),
    get('/', { authority: 'a\r\nx-smuggled: 1' }),
    get('/ HTTP/1.1\r\nx-smuggled: 1\r\n\r\n'),
    get('/a b'),
    get('/\u0120HTTP/1.1'),
    get(''),
    get('/', { method: 'GET /x HTTP/1.1\r\nx-smuggled: 1\r\n\r\nGET' }),
    get('/', { upgrade: 'x\r\nx-smuggled: 1' }),
  ];
  for (const request of bad) {
    const { client, peer } = rawServer();
    const body = new HandBody();
    const error = await errorOf(client.send({ ...request, body }));
    assert.deepEqual([error.isProcessed, error.detail, body.to], [false, 'http1.unsendable_head', undefined]);
    assert.equal(peer.text, '');
    assert.equal(client.capacity, 1);
  }
});

test('a server that does not read stops the body of the request', async () => {
  const { client, peer } = rawServer();
  const body = new HandBody();
  client.send(get('/', { method: 'POST', body })).response.catch(() => {});
  await peer.has('\r\n\r\n');
  peer.leg.pause();
  for (let i = 0; i < 10 && !body.calls.includes('pause'); i += 1) body.say('x'.repeat(30_000));
  assert.deepEqual(body.calls, ['pause']);
  peer.leg.resume();
  await settle();
  assert.deepEqual(body.calls, ['pause', 'resume']);
  client.cut();
});

test('a reader that does not read stops the server', async () => {
  const { client, peer } = rawServer();
  const call = client.send(get());
  peer.write('HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n');
  const { body } = await call.response;
  let stopped = 0;
  for (let i = 0; i < 30; i += 1) {
    if (!peer.leg.write(Buffer.alloc(100_000, 'x'))) stopped += 1;
    await settle();
  }
  assert.ok(stopped > 0);
  assert.equal((await readBody(body, 1 << 22)).length, 3_000_000);
});

// Time.

function timed(changes: Parameters<typeof limitsWith>[0]) {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  return { clock, deadlines, ...rawServer(limitsWith(changes), deadlines) };
}

test('an idle connection ends after its time', async () => {
  const { clock, deadlines, client, peer } = timed({ idleMs: 10_000 });
  await clock.advance(9_900);
  assert.equal(client.capacity, 1);
  await clock.advance(200);
  assert.deepEqual([client.isOver, peer.hasEnded], [true, true]);
  peer.leg.end();
  await client.closed;
  await clock.advance(1);
  assert.equal(deadlines.watched, 0);
});

test('a response that does not come in time fails the exchange, by each of the limits', async () => {
  for (const [changes, detail] of [
    [{ exchangeMs: 5_000 }, 'max_duration_timeout'],
    [{ streamIdleMs: 5_000 }, 'stream_idle_timeout'],
  ] as const) {
    const { clock, client, peer } = timed(changes);
    const call = client.send(get());
    const error = errorOf(call);
    await clock.advance(4_900);
    assert.equal(client.active, 1);
    await clock.advance(200);
    assert.equal((await error).detail, detail);
    assert.equal(peer.wasReset, true);
    await client.closed;
  }
});

test('a connection that has lasted long enough takes no other request, and finishes the one under way', async () => {
  const { clock, client, peer } = timed({ connectionMs: 10_000 });
  const call = client.send(get());
  await clock.advance(10_100);
  assert.equal(client.isOver, true);
  peer.write(OK);
  assert.equal(await textOf(call), 'ok');
  await settle();
  assert.equal(peer.hasEnded, true);
});
