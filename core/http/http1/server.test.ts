/** What our server does with clients that are slow, hasty, rude or wrong: bytes in memory, time by hand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryLegs } from '../../hbone/index.ts';
import { FakeClock, settle } from '../../time/index.ts';
import { bodyOf, NO_BODY, readBody } from '../body.ts';
import { Deadlines } from '../deadlines.ts';
import { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import { DEFAULT_LIMITS, type Handler, type HttpRequest, type HttpResponse } from '../message.ts';
import { serveHttp1 } from './server.ts';
import { echo, HandBody, limitsWith, ok, RawPeer, rawClient } from './stand.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
const get = (target: string, ...lines: string[]): string =>
  `GET ${target} HTTP/1.1\r\nHost: a.test\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (content: string, ...lines: string[]): string =>
  `POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${content.length}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${content}`;

const answer = (body: HttpResponse['body'], fields: Record<string, string> = {}, status = 200): HttpResponse => ({
  status,
  headers: HeaderFields.of(fields),
  body,
});

/** A handler whose answers are given by hand, in any order. */
function byHand() {
  const requests: HttpRequest[] = [];
  const answers: ((response: HttpResponse) => void)[] = [];
  const handler: Handler = (request) => {
    const { promise, resolve } = Promise.withResolvers<HttpResponse>();
    requests.push(request);
    answers.push(resolve);
    return promise;
  };
  return { requests, answers, handler };
}

const count = (text: string, part: string): number => text.split(part).length - 1;

test('requests that come without waiting are answered one after another, in order', async () => {
  const { requests, answers, handler } = byHand();
  const { peer } = rawClient(handler);
  peer.write(get('/1') + get('/2') + get('/3'));
  await settle();
  assert.deepEqual(
    requests.map((r) => r.target),
    ['/1'],
  );
  answers[0]?.(answer(bodyOf('one')));
  await peer.has('one');
  await settle();
  assert.deepEqual(
    requests.map((r) => r.target),
    ['/1', '/2'],
  );
  answers[1]?.(answer(bodyOf('two')));
  await peer.has('two');
  await settle();
  answers[2]?.(answer(bodyOf('three')));
  await peer.has('three');
  assert.match(peer.text, /one.*two.*three/s);
});

test('a client that sends requests without end is stopped, not held in memory', async () => {
  const { handler } = byHand();
  const [ours, theirs] = memoryLegs();
  serveHttp1(ours, { handler, limits: DEFAULT_LIMITS, onRefused: () => {} });
  const peer = new RawPeer(theirs);
  await settle();
  const many = Buffer.from(get('/').repeat(200));
  let taken = 0;
  for (; taken < 1_000; taken += 1) {
    if (!peer.leg.write(many)) break;
    await settle();
  }
  assert.ok(taken * many.length < 256 * 1024, `${taken * many.length} bytes were taken`);
});

test('after a request that is refused nothing is read: what was smuggled behind it reaches nobody', async () => {
  for (const bad of [
    'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a.test\r\nX : y\r\n\r\n',
    'GET / HTTP/1.1\nHost: a.test\n\n',
    'GET / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n',
  ]) {
    const targets: string[] = [];
    const { peer, refusals } = rawClient((request) => {
      targets.push(request.target);
      return answer(NO_BODY);
    });
    peer.write(bad + get('/admin'));
    await peer.over();
    peer.write(get('/admin'));
    await settle();
    assert.deepEqual(targets, [], bad);
    assert.equal(count(peer.text, 'HTTP/1.1 '), 1);
    assert.match(peer.text, /connection: (?:upgrade, )?close\r\n/);
    assert.equal(refusals.length, 1);
  }
});

test('a refusal says what was asked, and HTTP/1.0 learns what to upgrade to', async () => {
  const { peer, refusals } = rawClient(ok);
  peer.write('GET /old HTTP/1.0\r\nHost: a.test\r\n\r\n');
  await peer.over();
  assert.match(peer.text, /^HTTP\/1\.1 426 .*\r\nupgrade: HTTP\/1\.1\r\n/);
  const [refusal] = refusals;
  assert.equal(refusal?.error.detail, 'low_version');
  assert.deepEqual([refusal?.status, refusal?.method, refusal?.target], [426, 'GET', '/old']);
});

test('a chunked body that breaks the coding fails the body, is answered 400, and ends the connection', async () => {
  const failures: string[] = [];
  const { peer } = rawClient(async (request) => {
    await readBody(request.body, 1_000).catch((error: HttpError) => {
      failures.push(error.detail);
      throw error;
    });
    return answer(NO_BODY);
  });
  peer.write(`POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5 \r\n${GET}`);
  await peer.over();
  assert.deepEqual(failures, ['http1.chunk_size']);
  assert.equal(count(peer.text, 'HTTP/1.1 '), 1);
  assert.match(peer.text, /^HTTP\/1\.1 400 /);
});

test('a conversation is the same wherever its bytes are split', async () => {
  const said =
    post('hello') +
    'PUT /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n' +
    get('/last', 'Connection: close');
  const whole = rawClient(echo).peer.write(said);
  await whole.over();
  assert.equal(count(whole.text, 'HTTP/1.1 200'), 3);
  for (let split = 1; split < said.length; split += 1) {
    const { peer } = rawClient(echo);
    peer.write(said.slice(0, split));
    await settle();
    peer.write(said.slice(split));
    await peer.over();
    assert.equal(peer.text, whole.text, `split at ${split}`);
  }
  const { peer } = rawClient(echo);
  for (const c of said) peer.write(c);
  await peer.over();
  assert.equal(peer.text, whole.text);
});

test('100 is sent when the handler begins to read, and not when bytes are there already', async () => {
  const { requests, answers, handler } = byHand();
  const { peer } = rawClient(handler);
  peer.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
  await settle();
  assert.equal(peer.text, '');
  const [request] = requests as [HttpRequest];
  assert.equal(request.headers.has('expect'), false);
  const read = readBody(request.body, 10);
  await peer.has('HTTP/1.1 100 Continue\r\n\r\n');
  peer.write('hi');
  assert.equal((await read).toString(), 'hi');
  answers[0]?.(answer(bodyOf('ok')));
  await peer.has('ok');
  assert.doesNotMatch(peer.text, /connection: close/);
});

test('a client that waits for 100 and is answered otherwise is closed: nobody knows whether the body follows', async () => {
  const targets: string[] = [];
  const { peer } = rawClient((request) => {
    targets.push(request.target);
    return answer(NO_BODY, {}, 403);
  });
  peer.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200\r\nExpect: 100-continue\r\n\r\n');
  await peer.over();
  peer.write(get('/smuggled'));
  await settle();
  assert.match(peer.text, /^HTTP\/1\.1 403 .*connection: close/s);
  assert.deepEqual(targets, ['/']);
});

test('HEAD, 204 and 304 have no body, and say the length that there would be', async () => {
  const { peer } = rawClient((request) => {
    if (request.target === '/204') return answer(NO_BODY, {}, 204);
    if (request.target === '/304') return answer(NO_BODY, { 'content-length': '7' }, 304);
    return answer(bodyOf('content'));
  });
  peer.write(get('/').replace('GET', 'HEAD') + get('/204') + get('/304') + get('/200'));
  await peer.until(() => peer.text.endsWith('content'));
  await settle();
  assert.equal(
    peer.text,
    'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\n' +
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n' +
      'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncontent',
  );
});

test('trailers of a response go only to a client that said te: trailers', async () => {
  const handler: Handler = () => {
    const body = new HandBody();
    queueMicrotask(() => {
      body.say('x');
      body.to?.end(HeaderFields.of({ 'x-sum': '1' }));
    });
    return answer(body);
  };
  const { peer } = rawClient(handler);
  peer.write(get('/'));
  await peer.has('1\r\nx\r\n0\r\n\r\n');
  peer.write(get('/', 'TE: trailers', 'Connection: te'));
  await peer.has('1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n');
});

test('an upgrade carries bytes both ways after 101, and none of the client before', async () => {
  const { requests, answers, handler } = byHand();
  const { peer } = rawClient(handler);
  peer.write(`${get('/chat', 'Connection: Upgrade', 'Upgrade: WebSocket')}early`);
  await settle();
  const [request] = requests as [HttpRequest];
  assert.equal(request.upgrade, 'websocket');
  let got = '';
  let hasEnded = false;
  request.body.deliver({
    data: (view) => {
      got += Buffer.from(view).toString();
    },
    end: () => {
      hasEnded = true;
    },
    failed: () => {},
  });
  await settle();
  assert.equal(got, '');
  const body = new HandBody();
  answers[0]?.(answer(body, { 'sec-websocket-accept': 'x' }, 101));
  await peer.has('\r\n\r\n');
  assert.equal(
    peer.text,
    'HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  );
  body.say('down');
  await peer.has('down');
  peer.write('GET / HTTP/1.1\r\n\r\n');
  await settle();
  assert.equal(got, 'earlyGET / HTTP/1.1\r\n\r\n');
  peer.leg.end();
  await settle();
  assert.equal(hasEnded, true);
  body.to?.end(undefined);
  await peer.over();
  assert.equal(peer.hasEnded, true);
});

test('an upgrade that is refused goes on in HTTP', async () => {
  const { peer } = rawClient((request) => answer(bodyOf(request.target), {}, request.upgrade ? 401 : 200));
  peer.write(get('/a', 'Connection: Upgrade', 'Upgrade: websocket'));
  await peer.has('/a');
  peer.write(get('/b'));
  await peer.has('/b');
  assert.doesNotMatch(peer.text, /connection: close/);
});

test('an upgrade that is refused to a hasty client ends the connection: its bytes are never read as a request', async () => {
  const targets: string[] = [];
  const { peer } = rawClient((request) => {
    targets.push(request.target);
    return answer(NO_BODY, {}, 403);
  });
  peer.write(get('/chat', 'Connection: Upgrade', 'Upgrade: websocket') + get('/admin'));
  await peer.over();
  assert.deepEqual(targets, ['/chat']);
  assert.match(peer.text, /^HTTP\/1\.1 403 .*connection: close/s);
});

test('an upgrade whose answer can not be sent is answered 500, and is no tunnel', async () => {
  const { peer } = rawClient(() => answer(NO_BODY, { 'x-a': 'b\r\nc' }, 101));
  peer.write(get('/', 'Connection: Upgrade', 'Upgrade: websocket'));
  await peer.over();
  assert.match(peer.text, /^HTTP\/1\.1 500 /);
});

test('an interim response that can not be sent is left out', async () => {
  const { peer } = rawClient((request) => {
    request.inform(103, HeaderFields.of({ link: 'a\r\nb' }));
    return answer(bodyOf('ok'));
  });
  peer.write(GET);
  await peer.has('ok');
  assert.equal(count(peer.text, 'HTTP/1.1'), 1);
});

test('an answer 101 that nobody asked for is an error of ours, not a tunnel', async () => {
  const { peer } = rawClient(() => answer(NO_BODY, {}, 101));
  peer.write(GET);
  await peer.over();
  assert.match(peer.text, /^HTTP\/1\.1 500 /);
});

test('a client that ends its side after its request is answered, and then closed', async () => {
  const { answers, handler } = byHand();
  const { peer, server } = rawClient(handler);
  peer.write(GET).leg.end();
  await settle();
  answers[0]?.(answer(bodyOf('late')));
  await peer.over();
  assert.match(peer.text, /connection: close.*late$/s);
  await server.closed;
});

test('a client that ends within its request has gone', async () => {
  const { requests, handler } = byHand();
  const { peer, server } = rawClient(handler);
  peer.write('POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf');
  await settle();
  const [request] = requests as [HttpRequest];
  const read = readBody(request.body, 100);
  peer.leg.end();
  await assert.rejects(read, { detail: 'http1.incomplete_body' });
  await server.closed;
  assert.equal(request.aborted?.detail, 'downstream_remote_disconnect');
});

test('a client that resets is told to the handler, and its late answer is dropped', async () => {
  const { requests, answers, handler } = byHand();
  const { peer, server } = rawClient(handler);
  peer.write(GET);
  await settle();
  const heard: string[] = [];
  requests[0]?.onAbort((error) => void heard.push(error.detail));
  peer.leg.reset('cancel');
  await server.closed;
  await settle();
  assert.deepEqual(heard, ['downstream_remote_disconnect']);
  const body = new HandBody(5);
  answers[0]?.(answer(body));
  await settle();
  assert.deepEqual(body.calls, ['cancel']);
  assert.equal(server.active, 0);
});

test('a client that resets within the response cancels its body', async () => {
  const body = new HandBody();
  const { peer, server } = rawClient(() => answer(body));
  peer.write(GET);
  await peer.has('chunked');
  peer.leg.reset('cancel');
  await server.closed;
  await settle();
  assert.deepEqual(body.calls, ['cancel']);
});

test('a response whose body fails is cut, never ended well', async () => {
  for (const length of [undefined, 10]) {
    const body = new HandBody(length);
    const { peer } = rawClient(() => answer(body));
    peer.write(GET);
    await peer.has('\r\n\r\n');
    body.say('half').to?.failed(new HttpError('reset', 'the upstream has gone'));
    await peer.over();
    assert.equal(peer.wasReset, true);
    assert.doesNotMatch(peer.text, /\r\n0\r\n/);
  }
});

test('a body of other length than its head says is cut', async () => {
  for (const said of ['abc', 'abcdef']) {
    const body = new HandBody(5);
    const { peer } = rawClient(() => answer(body));
    peer.write(GET + GET);
    await peer.has('\r\n\r\n');
    body.say(said).to?.end(undefined);
    await peer.over();
    assert.equal(peer.wasReset, true);
    assert.equal(count(peer.text, 'HTTP/1.1'), 1);
    assert.doesNotMatch(peer.text, /def/);
  }
});

test('a response before the end of a small request: the rest is dropped, and the next request is answered', async () => {
  const { peer } = rawClient((request) => answer(bodyOf(request.target)));
  peer.write('POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nbegin');
  await peer.has('/early');
  peer.write('x'.repeat(995) + get('/next'));
  await peer.has('/next');
});

test('a response before the end of a large request closes the connection, and nothing of the rest is a request', async () => {
  const targets: string[] = [];
  const { peer, server } = rawClient((request) => {
    targets.push(request.target);
    return answer(NO_BODY);
  });
  peer.write('POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10000000\r\n\r\n');
  await peer.over();
  assert.match(peer.text, /connection: close/);
  peer.write(get('/smuggled')).leg.end();
  await server.closed;
  assert.deepEqual(targets, ['/early']);
});

test('a chunked request that nobody reads is dropped up to a bound, and then the connection closes', async () => {
  const { peer, server } = rawClient(() => answer(NO_BODY));
  peer.write('POST /early HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n');
  await peer.has('\r\n\r\n');
  for (let i = 0; i < 9; i += 1) peer.write(`2000\r\n${'x'.repeat(8192)}\r\n`);
  await peer.over();
  assert.equal(peer.hasEnded, true);
  peer.leg.end();
  await server.closed;
});

test('a body of many tiny chunks reaches the handler in few pieces, in order', async () => {
  let pieces = 0;
  let text = '';
  const { peer } = rawClient((request) => {
    const { promise, resolve } = Promise.withResolvers<HttpResponse>();
    request.body.deliver({
      data: (view) => {
        pieces += 1;
        text += Buffer.from(view).toString();
      },
      end: () => resolve(answer(bodyOf('done'))),
      failed: () => {},
    });
    return promise;
  });
  const letters = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + (i % 26)));
  const large = 'L'.repeat(5_000);
  const chunks = letters.map((c) => `1\r\n${c}\r\n`).join('');
  peer.write(
    `POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}1388\r\n${large}\r\n${chunks}0\r\n\r\n`,
  );
  await peer.has('done');
  assert.ok(text === letters.join('') + large + letters.join(''));
  assert.ok(pieces < 10, `${pieces} pieces`);
});

test('a handler that fails is answered by its status, or by 500 when it is a bug', async () => {
  const table: readonly (readonly [unknown, string])[] = [
    [new HttpError('timeout', 'x', { status: 504 }), 'HTTP/1.1 504 '],
    [new TypeError('a bug'), 'HTTP/1.1 500 '],
  ];
  for (const [error, wanted] of table) {
    for (const handler of [
      () => {
        throw error;
      },
      () => Promise.reject(error),
    ] as Handler[]) {
      const { peer } = rawClient(handler);
      peer.write(GET);
      await peer.over();
      assert.ok(peer.text.startsWith(wanted), peer.text);
    }
  }
});

test('a response whose body throws cuts its connection, and tells the handler why', async () => {
  const heard: unknown[] = [];
  const bug = new TypeError('a bug');
  const { peer } = rawClient(async (request) => {
    request.onAbort((error) => void heard.push(error.cause));
    const body = new HandBody();
    body.deliver = () => {
      throw bug;
    };
    return answer(body);
  });
  peer.write(GET);
  await peer.over();
  assert.deepEqual([peer.wasReset, heard], [true, [bug]]);
});

test('a handler that fails without a status cuts the connection', async () => {
  const { peer } = rawClient(() => Promise.reject(new HttpError('cancelled', 'x')));
  peer.write(GET);
  await peer.over();
  assert.deepEqual([peer.wasReset, peer.text], [true, '']);
});

test('nothing in a header can begin a line of its own, whoever set it', async () => {
  const bad = [
    ['x-a', 'b\r\nx-smuggled: 1'],
    ['x-a', 'b\nx-smuggled: 1'],
    ['x-a', 'b\rx-smuggled: 1'],
    ['x-a', 'b\0c'],
    ['x-a', 'b\u010a\u010dc'], // the low bytes of both are line ends
    ['x-a', 'b\u{1f600}'],
    ['x-a\r\nx-smuggled', '1'],
    ['transfer-encoding: smuggled', 'x'],
    ['transfer-encoding ', 'smuggled'],
    ['', 'smuggled'],
  ] as const;
  for (const [name, value] of bad) {
    const { peer } = rawClient(() => answer(bodyOf('x'), { [name]: value }));
    peer.write(GET);
    await peer.over();
    assert.match(peer.text, /^HTTP\/1\.1 500 /, JSON.stringify(value));
    assert.doesNotMatch(peer.text, /smuggled/);
  }
});

test('fields that only engines may write are not taken from a handler', async () => {
  const { peer } = rawClient(() =>
    answer(bodyOf('xyz'), {
      'content-length': '99',
      'transfer-encoding': 'chunked',
      connection: 'x',
      upgrade: 'y',
      'x-a': '\xe4',
    }),
  );
  peer.write(GET);
  await peer.has('xyz');
  assert.equal(peer.text, 'HTTP/1.1 200 OK\r\nx-a: \xe4\r\ncontent-length: 3\r\n\r\nxyz');
});

test('an interim response goes before the final one, and never after', async () => {
  const { requests, answers, handler } = byHand();
  const { peer } = rawClient(handler);
  peer.write(GET);
  await settle();
  requests[0]?.inform(103, HeaderFields.of({ link: '</a>' }));
  requests[0]?.inform(100, new HeaderFields()); // not waited for
  requests[0]?.inform(101, new HeaderFields()); // would be an upgrade
  answers[0]?.(answer(bodyOf('ok')));
  await peer.has('ok');
  requests[0]?.inform(103, HeaderFields.of({ link: '</late>' }));
  await settle();
  assert.equal(
    peer.text,
    'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  );
});

test('a connection that drains ends at once when idle, else with the response under way', async () => {
  const idle = rawClient(ok);
  idle.server.drain();
  await idle.peer.over();
  assert.deepEqual([idle.peer.text, idle.peer.hasEnded], ['', true]);
  const { answers, handler } = byHand();
  const busy = rawClient(handler);
  busy.peer.write(GET + GET);
  await settle();
  busy.server.drain();
  answers[0]?.(answer(bodyOf('last')));
  await busy.peer.over();
  assert.match(busy.peer.text, /connection: close.*last$/s);
  assert.equal(answers.length, 1);
});

test('a connection that is cut resets, and tells the handler', async () => {
  const { requests, handler } = byHand();
  const { peer, server } = rawClient(handler);
  peer.write(GET);
  await settle();
  assert.equal(server.active, 1);
  server.cut();
  await peer.over();
  await server.closed;
  assert.deepEqual([peer.wasReset, requests[0]?.aborted?.kind, server.active], [true, 'cancelled', 0]);
});

test('bytes that were read to find the protocol are the first of the first request', async () => {
  const [ours, theirs] = memoryLegs();
  serveHttp1(ours, { handler: echo, limits: DEFAULT_LIMITS, onRefused: () => {} }, Buffer.from('GET /fir'));
  const peer = new RawPeer(theirs);
  peer.write('st HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await peer.has('x-target: /first\r\n');
});

test('a client that does not read stops the body of its response', async () => {
  const body = new HandBody();
  const [ours, theirs] = memoryLegs();
  serveHttp1(ours, { handler: () => answer(body), limits: DEFAULT_LIMITS, onRefused: () => {} });
  const peer = new RawPeer(theirs);
  peer.write(GET);
  await peer.has('\r\n\r\n');
  peer.leg.pause();
  for (let i = 0; i < 10 && !body.calls.includes('pause'); i += 1) body.say('x'.repeat(30_000));
  assert.deepEqual(body.calls, ['pause']);
  peer.leg.resume();
  await settle();
  assert.deepEqual(body.calls, ['pause', 'resume']);
});

test('a handler that does not read stops its client, and gets everything in the end', async () => {
  const { requests, answers, handler } = byHand();
  const { peer } = rawClient(handler);
  const content = 'z'.repeat(50_000);
  peer.write(`POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n`);
  await settle();
  let stopped = 0;
  for (let i = 0; i < 20; i += 1) {
    if (!peer.leg.write(Buffer.from(`c350\r\n${content}\r\n`))) stopped += 1;
    await settle();
  }
  peer.write('0\r\n\r\n');
  assert.ok(stopped > 0);
  const [request] = requests as [HttpRequest];
  assert.equal((await readBody(request.body, 1 << 21)).length, 20 * 50_000);
  answers[0]?.(answer(bodyOf('done')));
  await peer.has('done');
});

// Time.

function timed(handler: Handler, changes: Parameters<typeof limitsWith>[0]) {
  const clock = new FakeClock();
  return { clock, ...rawClient(handler, limitsWith(changes), new Deadlines(clock)) };
}

test('a head that comes too slowly is answered 408, however busily it trickles', async () => {
  const { clock, peer, refusals } = timed(ok, { headMs: 10_000, idleMs: 60_000 });
  await clock.advance(30_000); // an idle connection is no slow head
  for (let i = 0; i < 9; i += 1) {
    peer.write(i === 0 ? 'GET / HTTP/1.1\r\n' : `x-${i}: y\r\n`);
    await clock.advance(1_000);
  }
  assert.equal(peer.text, '');
  await clock.advance(1_100);
  await peer.over();
  assert.match(peer.text, /^HTTP\/1\.1 408 /);
  assert.equal(refusals[0]?.error.detail, 'request_header_timeout');
});

test('an idle connection ends after its time, which begins anew with each response', async () => {
  const { clock, peer } = timed(ok, { idleMs: 10_000 });
  await clock.advance(9_000);
  peer.write(GET);
  await peer.has('ok');
  await clock.advance(9_900);
  assert.equal(peer.isOver, false);
  await clock.advance(200);
  assert.equal(peer.hasEnded, true);
});

test('an exchange in which nothing moves is answered 408 within the request, and 504 after it', async () => {
  for (const [said, wanted] of [
    ['POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n', 'HTTP/1.1 408 '],
    [GET, 'HTTP/1.1 504 '],
  ] as const) {
    const { requests, handler } = byHand();
    const { clock, peer } = timed(handler, { streamIdleMs: 5_000 });
    peer.write(said);
    await clock.advance(4_900);
    assert.equal(peer.text, '');
    await clock.advance(200);
    await peer.over();
    assert.ok(peer.text.startsWith(wanted), peer.text);
    assert.equal(requests[0]?.aborted?.detail, 'stream_idle_timeout');
  }
});

test('an exchange in which something moves is not idle; one that stops within its response is cut', async () => {
  const body = new HandBody();
  const { clock, peer } = timed(() => answer(body), { streamIdleMs: 5_000 });
  peer.write(GET);
  await settle();
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(4_000);
    body.say('x');
  }
  assert.equal(peer.isOver, false);
  await clock.advance(5_100);
  await peer.over();
  assert.equal(peer.wasReset, true);
  assert.deepEqual(body.calls, ['cancel']);
});

test('an exchange as a whole has a limit, and the next one begins anew', async () => {
  const { answers, handler } = byHand();
  const { clock, peer } = timed(handler, { exchangeMs: 10_000 });
  peer.write(GET);
  await clock.advance(9_000);
  answers[0]?.(answer(bodyOf('in time')));
  await peer.has('in time');
  await clock.advance(9_000);
  peer.write(GET);
  await clock.advance(9_900);
  assert.equal(count(peer.text, 'HTTP/1.1'), 1);
  await clock.advance(200);
  await peer.over();
  assert.match(peer.text, /HTTP\/1\.1 504 /);
});

test('a connection that has lasted long enough takes no other request', async () => {
  const { answers, handler } = byHand();
  const { clock, peer } = timed(handler, { connectionMs: 10_000 });
  await clock.advance(9_000);
  peer.write(GET);
  await clock.advance(2_000);
  answers[0]?.(answer(bodyOf('last')));
  await peer.over();
  assert.match(peer.text, /connection: close.*last$/s);
});

test('a client that never closes after us is cut, and no deadline is left', async () => {
  const clock = new FakeClock();
  const deadlines = new Deadlines(clock);
  const { peer, server } = rawClient(ok, DEFAULT_LIMITS, deadlines);
  peer.write(get('/', 'Connection: close'));
  await peer.has('ok');
  await clock.advance(9_000);
  assert.equal(peer.wasReset, false);
  await clock.advance(1_100);
  assert.equal(peer.wasReset, true);
  await server.closed;
  await clock.advance(1);
  assert.deepEqual([deadlines.watched, clock.pending], [0, 0]);
});
