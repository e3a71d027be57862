/** What servers and clients of ours do with each other, and with peers that leave, refuse or hurry. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  encodeHeaders,
  FLAG,
  FRAME,
  frame,
  goawayFrame,
  H2,
  numberFrame,
  SETTING,
  settingsFrame,
} from '../../h2/index.ts';
import { memoryLegs } from '../../hbone/index.ts';
import {
  type Body,
  type BodyEvents,
  bodyOf,
  DEFAULT_LIMITS,
  type Handler,
  HeaderFields,
  HttpError,
  type HttpLimits,
  type HttpRequest,
  NO_BODY,
  readBody,
} from '../index.ts';
import { connectHttp2, serveHttp2 } from './index.ts';
import { RawPeer } from './raw-peer.ts';
import { answer, failure, inMemory, passingOn, requestOf } from './stand.ts';

const DONE = FLAG.END_HEADERS;
const LAST = FLAG.END_HEADERS | FLAG.END_STREAM;
const head = (
  id: number,
  method: string,
  path: string,
  flags: number,
  ...more: readonly (readonly [string, string])[]
) =>
  frame(
    FRAME.HEADERS,
    flags,
    id,
    encodeHeaders([[':method', method], [':scheme', 'http'], [':authority', 'a.b'], [':path', path], ...more]),
  );
const get = (id: number, path = '/') => head(id, 'GET', path, LAST);
const post = (id: number, ...more: readonly (readonly [string, string])[]) => head(id, 'POST', '/', DONE, ...more);
const data = (id: number, text: string, flags = 0) => frame(FRAME.DATA, flags, id, Buffer.from(text));
const response = (id: number, status: string, flags: number = DONE) =>
  frame(FRAME.HEADERS, flags, id, encodeHeaders([[':status', status]]));

function serve(handler: Handler, limits: Partial<HttpLimits> = {}) {
  const [ours, theirs] = memoryLegs();
  const server = serveHttp2(ours, { handler, limits: { ...DEFAULT_LIMITS, ...limits }, onRefused: () => {} });
  return { server, peer: new RawPeer(theirs, 'client') };
}

function connected(limits: Partial<HttpLimits> = {}, settings: readonly (readonly [number, number])[] = []) {
  const [ours, theirs] = memoryLegs();
  let changes = 0;
  const client = connectHttp2(ours, { limits: { ...DEFAULT_LIMITS, ...limits }, onChange: () => void changes++ });
  return { client, peer: new RawPeer(theirs, 'server', settings), changes: () => changes };
}

/** A body that a test feeds by hand. */
class HandBody implements Body {
  readonly length: number | undefined;
  to: BodyEvents | undefined;
  isPaused = false;
  isCancelled = false;

  constructor(length?: number) {
    this.length = length;
  }

  deliver(to: BodyEvents): void {
    this.to = to;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  cancel(): void {
    this.isCancelled = true;
  }
}

describe('a server of requests', () => {
  it('that drains says so, serves what was on its way, and then ends', async () => {
    const late = Promise.withResolvers<void>();
    const { server, peer } = serve(async (request) => {
      if (request.target === '/late') await late.promise;
      return answer(200);
    });
    await peer.say(get(1, '/late')).settled();
    server.drain();
    server.drain();
    await peer.until(() => peer.of(FRAME.GOAWAY).length === 1);
    assert.equal(peer.of(FRAME.GOAWAY)[0]?.payload.readUInt32BE(0), 2 ** 31 - 1);
    peer.say(get(3)); // it had not read that
    const ping = peer.of(FRAME.PING).find((f) => f.flags === 0);
    peer.say(frame(FRAME.PING, FLAG.ACK, 0, ping?.payload ?? Buffer.alloc(8)));
    await peer.until(() => peer.of(FRAME.GOAWAY).length === 2);
    assert.equal(peer.of(FRAME.GOAWAY)[1]?.payload.readUInt32BE(0), 3);
    peer.say(get(5));
    await peer.settled();
    assert.deepEqual([peer.statusOf(3), peer.statusOf(5), peer.isOver, server.active], ['200', undefined, false, 1]);
    late.resolve();
    await peer.until(() => peer.isOver);
    assert.equal(peer.statusOf(1), '200');
    peer.end();
    await server.closed;
  });

  it('whose caller resets tells the handler, and cancels the response', async () => {
    const body = new HandBody();
    const errors: HttpError[] = [];
    const { server, peer } = serve((request) => {
      request.onAbort((error) => void errors.push(error));
      request.body.deliver({ data: () => {}, end: () => {}, failed: (error) => void errors.push(error) });
      return { status: 200, headers: new HeaderFields(), body };
    });
    await peer.say(post(1), data(1, 'x')).settled();
    await peer.say(numberFrame(FRAME.RST_STREAM, 1, H2.CANCEL)).settled();
    assert.deepEqual(
      errors.map((error) => error.kind),
      ['reset', 'reset'],
    );
    assert.deepEqual([body.isCancelled, server.active], [true, 0]);
    body.to?.data(Buffer.from('late')); // harmless
    body.to?.end(undefined);
    server.cut();
  });

  it('whose caller has gone before the answer cancels the body of the answer', async () => {
    const body = new HandBody();
    const asked = Promise.withResolvers<HttpRequest>();
    const answered = Promise.withResolvers<void>();
    const { server, peer } = serve(async (request) => {
      asked.resolve(request);
      await answered.promise;
      return { status: 200, headers: new HeaderFields(), body };
    });
    peer.say(get(1), numberFrame(FRAME.RST_STREAM, 1, H2.CANCEL));
    const request = await asked.promise;
    await peer.settled();
    assert.equal(request.aborted?.kind, 'reset');
    const told: string[] = [];
    request.onAbort((error) => told.push(error.kind));
    assert.deepEqual(told, ['reset']);
    answered.resolve();
    await peer.until(() => body.isCancelled);
    assert.equal(peer.statusOf(1), undefined);
    server.cut();
  });

  it('that has answered before the request was complete says that the rest is not wanted', async () => {
    const errors: HttpError[] = [];
    const { server, peer } = serve((request) => {
      request.body.deliver({ data: () => {}, end: () => {}, failed: (error) => void errors.push(error) });
      return answer(403, {}, bodyOf('no'));
    });
    await peer.say(post(1), data(1, 'x')).settled();
    assert.deepEqual([peer.statusOf(1), peer.dataOf(1).toString(), peer.hasEnded(1)], ['403', 'no', true]);
    assert.equal(peer.resetOf(1), H2.NO_ERROR);
    assert.equal(errors[0]?.kind, 'cancelled');
    await peer.say(data(1, 'still coming', FLAG.END_STREAM), get(3)).settled();
    assert.deepEqual([peer.goaway(), peer.statusOf(3)], [undefined, '403']);
    server.cut();
  });

  for (const [what, thrown, expected] of [
    ['no HttpError', new Error('a bug'), { status: '500', reset: undefined }],
    [
      'an HttpError with a status',
      new HttpError('timeout', 'late', { status: 504 }),
      { status: '504', reset: undefined },
    ],
    ['an HttpError without', new HttpError('reset', 'gone'), { status: undefined, reset: H2.INTERNAL_ERROR }],
    [
      'a refusal',
      new HttpError('refused', 'no', { isProcessed: false }),
      { status: undefined, reset: H2.REFUSED_STREAM },
    ],
  ] as const) {
    for (const when of ['at once', 'later']) {
      it(`whose handler throws ${what} ${when} answers ${JSON.stringify(expected)}`, async () => {
        const { server, peer } = serve(() => {
          if (when === 'at once') throw thrown;
          return Promise.reject(thrown);
        });
        await peer.say(get(1)).settled();
        assert.deepEqual({ status: peer.statusOf(1), reset: peer.resetOf(1) }, expected);
        server.cut();
      });
    }
  }

  it('resets what was announced with another length than it has', async () => {
    const bodies = [new HandBody(3), new HandBody(3)];
    const { server, peer } = serve((request) => ({
      status: 200,
      headers: new HeaderFields(),
      body: bodies[request.target === '/1' ? 0 : 1] ?? NO_BODY,
    }));
    await peer.say(get(1, '/1'), get(3, '/3')).settled();
    bodies[0]?.to?.data(Buffer.from('1234'));
    bodies[1]?.to?.data(Buffer.from('12'));
    bodies[1]?.to?.end(undefined);
    await peer.settled();
    assert.deepEqual(
      [peer.resetOf(1), peer.resetOf(3), bodies[0]?.isCancelled],
      [H2.INTERNAL_ERROR, H2.INTERNAL_ERROR, true],
    );
    assert.deepEqual([peer.dataOf(1).length, peer.hasEnded(1), peer.hasEnded(3)], [0, false, false]);
    server.cut();
  });

  it('passes the length of what HEAD and 304 would have had, and sends nothing of it', async () => {
    const { server, peer } = serve((request) =>
      answer(request.target === '/304' ? 304 : 200, { 'content-length': '9' }),
    );
    await peer.say(head(1, 'HEAD', '/', LAST), get(3, '/304'), get(5)).settled();
    const lengths = peer.blocks.map(({ fields }) => fields[fields.indexOf('content-length') + 1]);
    assert.deepEqual(lengths, ['9', '9', '0']);
    assert.deepEqual([peer.hasEnded(1), peer.hasEnded(3), peer.of(FRAME.DATA).length], [true, true, 0]);
    server.cut();
  });

  it('ends a response with its last frame, where that has not left', async () => {
    const { server, peer } = serve(() => answer(200, {}, bodyOf('hello')));
    await peer.say(get(1)).settled();
    const [frames] = [peer.heard.filter((f) => f.streamId === 1)];
    assert.deepEqual(
      frames.map(({ type, flags }) => [type, flags]),
      [
        [FRAME.HEADERS, FLAG.END_HEADERS],
        [FRAME.DATA, FLAG.END_STREAM],
      ],
    );
    server.cut();
  });

  it('joins cookies, and leaves out what belongs to a connection', async () => {
    const seen: HeaderFields[] = [];
    const { server, peer } = serve((request) => {
      seen.push(request.headers);
      return answer(200, { connection: 'close', 'transfer-encoding': 'chunked', 'x-a': 'b' });
    });
    await peer
      .say(head(1, 'GET', '/', LAST, ['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2'], ['host', 'a.b']))
      .settled();
    assert.deepEqual(seen[0]?.list, ['cookie', 'a=1; b=2', 'x', 'y']);
    assert.deepEqual(peer.blocks[0]?.fields, [':status', '200', 'x-a', 'b']);
    server.cut();
  });

  it('tells a caller that waits for 100 to go on when its body is wanted, once', async () => {
    const go = Promise.withResolvers<void>();
    const { server, peer } = serve(async (request) => {
      await go.promise;
      const body = await readBody(request.body, 100);
      request.inform(100, new HeaderFields());
      return answer(200, {}, bodyOf(body));
    });
    await peer.say(post(1, ['expect', '100-continue'])).settled();
    assert.equal(peer.blocks.length, 0);
    go.resolve();
    await peer.until(() => peer.blocks.length === 1);
    assert.deepEqual(peer.blocks[0]?.fields, [':status', '100']);
    await peer.say(data(1, 'go on', FLAG.END_STREAM)).settled();
    await peer.until(() => peer.hasEnded(1));
    assert.deepEqual([peer.dataOf(1).toString(), peer.blocks.length], ['go on', 2]);
    server.cut();
  });

  it('refuses streams beyond its limit, unprocessed, and goes on with the others', async () => {
    const { server, peer } = serve(() => new Promise(() => {}), { streams: 2 });
    await peer.say(get(1), get(3), get(5)).settled();
    assert.deepEqual([peer.resetOf(5), server.active, peer.isOver], [H2.REFUSED_STREAM, 2, false]);
    server.cut();
    await peer.until(() => peer.isOver);
    assert.equal(peer.resetOf(1), H2.CANCEL);
  });

  for (const cutAt of [1, 10, 24, 30, 1_000]) {
    it(`takes over what was read before it, up to byte ${cutAt}`, async () => {
      const [ours, theirs] = memoryLegs();
      const all = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settingsFrame([]), get(1)]);
      const first = Uint8Array.from(all.subarray(0, cutAt));
      const server = serveHttp2(
        ours,
        { handler: () => answer(200), limits: DEFAULT_LIMITS, onRefused: () => {} },
        first,
      );
      first.fill(0);
      const peer = new RawPeer(theirs, 'silent');
      peer.say(all.subarray(cutAt));
      await peer.settled();
      assert.equal(peer.statusOf(1), '200');
      server.cut();
    });
  }
});

describe('a client of requests', () => {
  it('takes as many as the peer permits, and says when there is room again', async () => {
    const { client, peer, changes } = connected({}, [[SETTING.MAX_CONCURRENT_STREAMS, 2]]);
    assert.equal(client.capacity, 100);
    await peer.settled();
    assert.deepEqual([client.capacity, changes()], [2, 1]);
    const calls = [client.send(requestOf()), client.send(requestOf())];
    assert.equal(client.capacity, 0);
    const error = await failure(client.send(requestOf()).response);
    assert.deepEqual([error.kind, error.isProcessed], ['refused', false]);
    await peer.say(response(1, '200', LAST)).settled();
    assert.equal((await calls[0]?.response)?.status, 200);
    assert.deepEqual([client.capacity, client.active, changes()], [1, 1, 2]);
    calls[1]?.response.catch(() => {});
    client.cut();
    assert.deepEqual([client.capacity, client.isOver], [0, true]);
  });

  it('counts answers that nobody reads as under way, so that they never hold up those of others', async () => {
    const { client, peer, changes } = connected({ streams: 3 });
    const calls = [1, 3, 5].map(() => client.send(requestOf()));
    await peer.until(() => peer.blocks.length === 3);
    peer.say(response(1, '200'), data(1, 'a', FLAG.END_STREAM), response(3, '200'), data(3, 'b', FLAG.END_STREAM));
    await peer.settled();
    assert.deepEqual([client.active, client.capacity], [1, 0]);
    const before = changes();
    assert.equal((await readBody((await calls[0]?.response)?.body ?? NO_BODY, 10)).toString(), 'a');
    assert.deepEqual([client.capacity, changes() > before], [1, true]);
    (await calls[1]?.response)?.body.cancel();
    assert.equal(client.capacity, 2);
    calls[2]?.response.catch(() => {});
    client.cut();
  });

  it('knows which requests a leaving server has not processed; those may go elsewhere', async () => {
    const { client, peer } = connected();
    const calls = [1, 3, 5].map(() => client.send(requestOf({ body: new HandBody() })));
    await peer.until(() => peer.blocks.length === 3);
    await peer.say(goawayFrame(2 ** 31 - 1, 0)).settled();
    assert.deepEqual([client.isOver, client.capacity, client.active], [true, 0, 3]);
    await peer.say(goawayFrame(3, 0)).settled();
    const error = await failure(calls[2]?.response ?? Promise.resolve());
    assert.deepEqual([error.kind, error.isProcessed], ['refused', false]);
    await peer
      .say(
        response(1, '200', LAST),
        numberFrame(FRAME.RST_STREAM, 1, 0),
        response(3, '201', LAST),
        numberFrame(FRAME.RST_STREAM, 3, 0),
      )
      .settled();
    assert.deepEqual([(await calls[0]?.response)?.status, (await calls[1]?.response)?.status], [200, 201]);
    await peer.until(() => peer.isOver); // nothing is left
    peer.end();
    await client.closed;
  });

  it('that drains takes no more, and ends with what is under way', async () => {
    const { client, peer } = connected();
    const call = client.send(requestOf());
    await peer.settled();
    client.drain();
    assert.deepEqual([client.isOver, client.active], [true, 1]);
    await peer.settled();
    assert.equal(peer.isOver, false);
    await peer.say(response(1, '200'), data(1, 'x', FLAG.END_STREAM)).settled();
    assert.equal((await readBody((await call.response).body, 10)).toString(), 'x');
    await peer.until(() => peer.isOver);
    peer.end();
    await client.closed;
  });

  it('whose connection breaks fails what is under way, and keeps what was complete', async () => {
    const { client, peer } = connected();
    const calls = [1, 3, 5].map(() => client.send(requestOf()));
    await peer.until(() => peer.blocks.length === 3);
    peer.say(response(1, '200'), data(1, 'whole', FLAG.END_STREAM), response(3, '200'), data(3, 'half'));
    const [whole, half] = [await calls[0]?.response, await calls[1]?.response];
    peer.end();
    await client.closed;
    assert.equal((await readBody(whole?.body ?? NO_BODY, 10)).toString(), 'whole');
    assert.equal((await failure(readBody(half?.body ?? NO_BODY, 10))).kind, 'closed');
    assert.equal((await failure(calls[2]?.response ?? Promise.resolve())).kind, 'closed');
  });

  it('that withdraws a call resets it, and takes nothing of it any more', async () => {
    const { client, peer } = connected();
    const body = new HandBody();
    const call = client.send(requestOf({ method: 'POST', body }));
    await peer.until(() => peer.blocks.length === 1);
    call.cancel(new HttpError('cancelled', 'not wanted'));
    assert.equal((await failure(call.response)).kind, 'cancelled');
    await peer.say(response(1, '200'), data(1, 'x')).settled();
    assert.deepEqual(
      [peer.resetOf(1), body.isCancelled, client.active, peer.goaway()],
      [H2.CANCEL, true, 0, undefined],
    );
    call.cancel(new HttpError('cancelled', 'again')); // harmless
    client.cut();
  });

  it('whose reader wants no more resets the stream', async () => {
    const { client, peer } = connected();
    const call = client.send(requestOf());
    await peer.until(() => peer.blocks.length === 1);
    peer.say(response(1, '200'), data(1, 'x'));
    (await call.response).body.cancel();
    await peer.settled();
    assert.deepEqual([peer.resetOf(1), client.active], [H2.CANCEL, 0]);
    client.cut();
  });

  it('that is answered before it has said everything stops, and keeps the answer', async () => {
    const { client, peer } = connected();
    const body = new HandBody();
    const call = client.send(requestOf({ method: 'POST', body }));
    await peer.until(() => peer.blocks.length === 1);
    await peer
      .say(response(1, '413'), data(1, 'too much', FLAG.END_STREAM), numberFrame(FRAME.RST_STREAM, 1, 0))
      .settled();
    const { status, body: reason } = await call.response;
    assert.deepEqual([status, (await readBody(reason, 100)).toString()], [413, 'too much']);
    assert.deepEqual([body.isCancelled, client.active], [true, 0]);
    client.cut();
  });

  it('whose body fails resets the stream', async () => {
    const { client, peer } = connected();
    const body = new HandBody();
    const call = client.send(requestOf({ method: 'POST', body }));
    body.to?.data(Buffer.from('half'));
    body.to?.failed(new HttpError('closed', 'the caller has gone'));
    assert.equal((await failure(call.response)).kind, 'closed');
    await peer.settled();
    assert.deepEqual([peer.dataOf(1).toString(), peer.hasEnded(1), peer.resetOf(1)], ['half', false, H2.CANCEL]);
    client.cut();
  });

  it('hears interim responses, and trailers after the content', async () => {
    const { client, peer } = connected();
    const informed: number[] = [];
    const call = client.send(requestOf(), (status) => informed.push(status));
    await peer.until(() => peer.blocks.length === 1);
    const trailers = frame(
      FRAME.HEADERS,
      LAST,
      1,
      encodeHeaders([
        ['grpc-status', '0'],
        ['content-length', '5'],
      ]),
    );
    peer.say(response(1, '103'), response(1, '103'), response(1, '200'), data(1, 'x'), trailers);
    const ended = Promise.withResolvers<HeaderFields | undefined>();
    (await call.response).body.deliver({ data: () => {}, end: ended.resolve, failed: ended.reject });
    assert.deepEqual((await ended.promise)?.list, ['grpc-status', '0']);
    assert.deepEqual(informed, [103, 103]);
    client.cut();
  });

  it('sends the pseudo-header fields first, and neither host nor what belongs to a connection', async () => {
    const { client, peer } = connected();
    const headers = HeaderFields.of({
      host: 'c.d',
      connection: 'x',
      te: 'gzip',
      'content-length': '7',
      'x-a': 'b\r\nc: d',
    });
    client.send(requestOf({ method: 'PUT', target: '/p?q', headers, body: bodyOf('hello') })).response.catch(() => {});
    await peer.until(() => peer.hasEnded(1));
    const [method, scheme, authority, path] = [
      ':method',
      'PUT',
      ':scheme',
      'http',
      ':authority',
      'web.shop',
      ':path',
      '/p?q',
    ].flatMap((text, i, all) => (i % 2 === 0 ? [`${text} ${all[i + 1]}`] : []));
    const said = peer.blocks[0]?.fields ?? [];
    const lines = said.flatMap((text, i) => (i % 2 === 0 ? [`${text} ${said[i + 1]}`] : []));
    assert.deepEqual(lines, [method, scheme, authority, path, 'x-a b??c: d', 'content-length 5']);
    client.cut();
  });
});

describe('a WebSocket', () => {
  it('goes through servers and clients of ours, both ways, until one side ends', async () => {
    const { client: upstream } = inMemory((request) => {
      assert.deepEqual([request.upgrade, request.method], ['websocket', 'GET']);
      return { status: 101, headers: new HeaderFields(), body: request.body }; // an echo
    });
    const { client } = inMemory(passingOn(() => upstream));
    const body = new HandBody();
    const headers = HeaderFields.of({ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version': '13' });
    const call = client.send(requestOf({ upgrade: 'websocket', body, headers })); // before the peer's SETTINGS came
    const { status, headers: answered, body: echo } = await call.response;
    assert.equal(status, 101);
    assert.equal(answered.get('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='); // RFC 6455 section 1.3
    const heard: string[] = [];
    const over = Promise.withResolvers<unknown>();
    echo.deliver({
      data: (view) => void heard.push(Buffer.from(view).toString()),
      end: over.resolve,
      failed: over.reject,
    });
    body.to?.data(Buffer.from('ping'));
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(heard, ['ping']);
    body.to?.end(undefined);
    await over.promise;
    client.cut();
    upstream.cut();
  });

  it('is refused by a server that has not said that it takes them, unprocessed', async () => {
    const { client, peer } = connected();
    const early = client.send(requestOf({ upgrade: 'websocket' }));
    await peer.settled();
    const late = client.send(requestOf({ upgrade: 'websocket' }));
    for (const call of [early, late]) {
      const error = await failure(call.response);
      assert.deepEqual([error.kind, error.isProcessed], ['unsupported', false]);
    }
    client.cut();
  });

  it('that is refused is an ordinary response', async () => {
    const { client } = inMemory(() => answer(403, {}, bodyOf('no')));
    const body = new HandBody();
    const { status, body: reason } = await client.send(requestOf({ upgrade: 'websocket', body })).response;
    assert.deepEqual([status, (await readBody(reason, 10)).toString(), body.isCancelled], [403, 'no', true]);
    client.cut();
  });
});
