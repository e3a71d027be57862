/** Peers that mean harm, or only take their time: each class ends, and costs no more than it may. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeHeaders, FLAG, FRAME, frame, H2, numberFrame, SETTING, settingsFrame } from '../../h2/index.ts';
import { memoryLegs } from '../../hbone/index.ts';
import { FakeClock } from '../../time/index.ts';
import {
  bodyOf,
  DEFAULT_LIMITS,
  Deadlines,
  type Handler,
  HeaderFields,
  type HttpError,
  type HttpLimits,
  NO_BODY,
  readBody,
} from '../index.ts';
import { connectHttp2, serveHttp2 } from './index.ts';
import { PREFACE, RawPeer } from './raw-peer.ts';
import { answer, failure, requestOf } from './stand.ts';

const DONE = FLAG.END_HEADERS;
const LAST = FLAG.END_HEADERS | FLAG.END_STREAM;
const fields = (method: string, ...more: readonly (readonly [string, string])[]) =>
  encodeHeaders([[':method', method], [':scheme', 'http'], [':authority', 'a.b'], [':path', '/'], ...more]);
const GET = fields('GET');
const get = (id: number) => frame(FRAME.HEADERS, LAST, id, GET);
const post = (id: number) => frame(FRAME.HEADERS, DONE, id, fields('POST'));
const rst = (id: number) => numberFrame(FRAME.RST_STREAM, id, H2.CANCEL);
const ids = (n: number) => Array.from({ length: n }, (_, i) => 2 * i + 1);

function serve(handler: Handler = () => new Promise(() => {}), limits: Partial<HttpLimits> = {}, clock?: FakeClock) {
  const [ours, theirs] = memoryLegs();
  const more = clock === undefined ? {} : { deadlines: new Deadlines(clock) };
  const options = { handler, limits: { ...DEFAULT_LIMITS, ...limits }, onRefused: () => {} };
  const server = serveHttp2(ours, options, undefined, more);
  return { server, theirs, peer: new RawPeer(theirs, 'client') };
}

const { ENHANCE_YOUR_CALM } = H2;
/** Each ends the connection, by this code. */
const floods: readonly (readonly [what: string, bytes: () => readonly Buffer[], handler?: Handler])[] = [
  ['resets of requests that were never answered', () => ids(1_500).flatMap((id) => [get(id), rst(id)])],
  ['PING after PING', () => Array.from({ length: 11_000 }, () => frame(FRAME.PING, 0, 0, Buffer.alloc(8)))],
  ['SETTINGS after SETTINGS', () => Array.from({ length: 11_000 }, () => settingsFrame([]))],
  ['SETTINGS with a thousand values', () => [settingsFrame(Array.from({ length: 1_000 }, () => [4, 1] as const))]],
  ['PRIORITY after PRIORITY', () => Array.from({ length: 11_000 }, () => frame(FRAME.PRIORITY, 0, 1, Buffer.alloc(5)))],
  ['DATA without a byte', () => [post(1), ...Array.from({ length: 11_000 }, () => frame(FRAME.DATA, 0, 1))]],
  ['frames that nobody knows', () => Array.from({ length: 11_000 }, () => frame(99, 0, 0))],
  [
    'CONTINUATION without an end',
    () => [frame(FRAME.HEADERS, 0, 1, GET), ...Array.from({ length: 200 }, () => frame(FRAME.CONTINUATION, 0, 1))],
  ],
  [
    'CONTINUATION with ever more fields',
    () => [
      frame(FRAME.HEADERS, 0, 1, GET),
      ...Array.from({ length: 30 }, () => frame(FRAME.CONTINUATION, 0, 1, Buffer.alloc(16_000))),
    ],
  ],
  [
    'a header list that unpacks to many times its size',
    () => [
      frame(FRAME.HEADERS, LAST, 1, Buffer.concat([Buffer.from('4001610162', 'hex'), Buffer.alloc(50_000, 0xbe)])),
    ],
  ],
  ['requests that are malformed', () => ids(300).map((id) => frame(FRAME.HEADERS, LAST, id, fields('')))],
  [
    'requests whose heads are too large',
    () =>
      ids(300).map((id) =>
        frame(FRAME.HEADERS, LAST, id, fields('GET', ...ids(120).map((i) => [`a${i}`, 'b'] as const))),
      ),
  ],
  [
    'requests whose trailers are malformed',
    () => ids(300).flatMap((id) => [post(id), frame(FRAME.HEADERS, LAST, id, encodeHeaders([['X', 'y']]))]),
  ],
  ['streams beyond the limit', () => ids(300).map(get)],
];

describe('a server that is flooded with', () => {
  for (const [what, bytes, handler] of floods) {
    it(`${what} ends the connection`, async () => {
      const { server, peer } = serve(handler);
      const all = bytes();
      const isMany = all.length > 100 && !what.startsWith('CONTINUATION');
      if (isMany) {
        await peer.say(...all.slice(0, 20)).settled();
        assert.equal(peer.isOver, false); // a few are no flood
      } else await peer.settled();
      await peer.say(...all.slice(isMany ? 20 : 0)).settled();
      assert.deepEqual([peer.goaway(), peer.isOver], [ENHANCE_YOUR_CALM, true]);
      peer.end();
      await server.closed;
      assert.equal(server.active, 0);
    });
  }

  it('requests, whose answers are not read, ends the connection', async () => {
    const { server, peer } = serve(() => answer(200, { 'x-long': 'v'.repeat(2_000) }));
    await peer.settled();
    peer.pause();
    for (let i = 0; i < 1_000 && peer.hasRoom; i++) {
      peer.say(get(2 * i + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
    peer.resume();
    await peer.until(() => peer.isOver);
    assert.equal(peer.goaway(), ENHANCE_YOUR_CALM);
    peer.end();
    await server.closed;
  });
});

it('bodies that nobody reads hold no more than their windows, and other requests go on', async () => {
  const { server, peer } = serve(async (request) => {
    if (request.method === 'POST') await new Promise(() => {});
    return answer(200);
  });
  await peer.settled();
  const window = 64 * 1024;
  for (let id = 1; id < 80; id += 2) {
    peer.say(
      post(id),
      frame(FRAME.DATA, 0, id, Buffer.alloc(window / 2)),
      frame(FRAME.DATA, 0, id, Buffer.alloc(window / 2)),
    );
  }
  await peer.settled();
  assert.deepEqual(
    [peer.goaway(), peer.of(FRAME.WINDOW_UPDATE).filter((f) => f.streamId !== 0).length],
    [undefined, 0],
  );
  await peer.say(get(101)).settled();
  assert.equal(peer.statusOf(101), '200');
  peer.say(frame(FRAME.DATA, 0, 1, Buffer.alloc(1)));
  await peer.settled();
  assert.equal(peer.resetOf(1), H2.FLOW_CONTROL_ERROR);
  server.cut();
});

it('a client is not flooded by interim responses, nor by resets of its streams', async () => {
  const [ours, theirs] = memoryLegs();
  const client = connectHttp2(ours, { limits: DEFAULT_LIMITS, onChange: () => {} });
  const peer = new RawPeer(theirs, 'server');
  const call = client.send(requestOf());
  await peer.until(() => peer.blocks.length === 1);
  const interim = frame(FRAME.HEADERS, DONE, 1, encodeHeaders([[':status', '103']]));
  await peer.say(...Array.from({ length: 11_000 }, () => interim)).settled();
  assert.deepEqual([peer.goaway(), peer.isOver], [ENHANCE_YOUR_CALM, true]);
  assert.equal((await failure(call.response)).kind, 'closed');
  peer.end();
  await client.closed;
});

describe('by its limits in time, a server', () => {
  it('ends a connection that never says what it wants, after headMs', async () => {
    const clock = new FakeClock();
    const [ours, theirs] = memoryLegs();
    const options = { handler: () => answer(200), limits: { ...DEFAULT_LIMITS, headMs: 5_000 }, onRefused: () => {} };
    serveHttp2(ours, options, undefined, { deadlines: new Deadlines(clock) });
    const peer = new RawPeer(theirs, 'silent');
    peer.say(PREFACE.subarray(0, 10));
    await clock.advance(4_900);
    assert.equal(peer.isOver, false);
    await clock.advance(200);
    await peer.until(() => peer.isOver);
  });

  it('ends a connection whose header block does not end, after headMs', async () => {
    const clock = new FakeClock();
    const { peer } = serve(() => answer(200), { headMs: 5_000 }, clock);
    await peer.say(get(1)).settled();
    await clock.advance(60_000);
    assert.equal(peer.isOver, false);
    peer.say(frame(FRAME.HEADERS, 0, 3, GET));
    await clock.advance(3_000);
    peer.say(frame(FRAME.CONTINUATION, 0, 3));
    await clock.advance(1_900);
    assert.equal(peer.isOver, false);
    await clock.advance(200);
    await peer.until(() => peer.isOver);
  });

  it('drains a connection without requests after idleMs, and one that is old after connectionMs', async () => {
    for (const limits of [{ idleMs: 10_000 }, { connectionMs: 10_000 }]) {
      const clock = new FakeClock();
      const late = Promise.withResolvers<void>();
      const { peer } = serve(
        async () => {
          await late.promise;
          return answer(200);
        },
        limits,
        clock,
      );
      await peer.say(get(1)).settled();
      await clock.advance(9_000);
      assert.equal(peer.of(FRAME.GOAWAY).length, 0);
      await clock.advance(1_500);
      assert.equal(peer.of(FRAME.GOAWAY).length, 'idleMs' in limits ? 0 : 1);
      late.resolve();
      await peer.until(() => peer.statusOf(1) !== undefined);
      await clock.advance(12_000);
      await peer.until(() => peer.isOver);
    }
  });

  for (const [what, limits, detail] of [
    ['streamIdleMs', { streamIdleMs: 5_000 }, 'stream_idle_timeout'],
    ['exchangeMs', { exchangeMs: 5_000 }, 'max_duration_timeout'],
  ] as const) {
    it(`answers 408 to what takes longer than ${what}, and resets what is answered`, async () => {
      const clock = new FakeClock();
      const errors: HttpError[] = [];
      const { server, peer } = serve(
        (request) => {
          request.onAbort((error) => void errors.push(error));
          if (request.method === 'GET') return new Promise(() => {});
          return {
            status: 200,
            headers: new HeaderFields(),
            body: { ...NO_BODY, length: undefined, deliver: () => {} },
          };
        },
        limits,
        clock,
      );
      await peer.say(get(1), post(3)).settled();
      await clock.advance(4_900);
      assert.equal(peer.statusOf(1), undefined);
      await clock.advance(200);
      await peer.settled();
      assert.deepEqual([peer.statusOf(1), peer.resetOf(3), server.active], ['408', H2.CANCEL, 0]);
      assert.deepEqual(
        errors.map((error) => [error.kind, error.detail]),
        [
          ['timeout', detail],
          ['timeout', detail],
        ],
      );
      server.cut();
    });
  }

  it('lets a stream live that moves, beyond streamIdleMs', async () => {
    const clock = new FakeClock();
    const { server, peer } = serve(
      async (request) => answer(200, { 'x-length': String((await readBody(request.body, 99)).length) }),
      { streamIdleMs: 5_000 },
      clock,
    );
    peer.say(post(1));
    for (let i = 0; i < 5; i++) {
      await peer.say(frame(FRAME.DATA, 0, 1, Buffer.from('x'))).settled();
      await clock.advance(4_000);
    }
    await peer.say(frame(FRAME.DATA, FLAG.END_STREAM, 1)).settled();
    assert.equal(peer.statusOf(1), '200');
    server.cut();
  });

  it('cuts a peer that does not close once everything is said', async () => {
    const clock = new FakeClock();
    const { server, peer } = serve(undefined, {}, clock);
    await peer.settled();
    server.cut();
    await peer.until(() => peer.isOver); // and says nothing
    await clock.advance(2_000);
    await server.closed;
  });

  it('gives a peer that reads slowly the time for what is left, once it drains', async () => {
    const clock = new FakeClock();
    const { server, peer } = serve(() => answer(200, {}, bodyOf('x'.repeat(50_000))), {}, clock);
    await peer.settled();
    peer.pause();
    peer.say(get(1));
    await clock.advance(100);
    server.drain();
    await clock.advance(20_000);
    peer.resume();
    await peer.until(() => peer.hasEnded(1));
    assert.equal(peer.dataOf(1).length, 50_000);
    await clock.advance(60_000); // and then it has to close
    await server.closed;
  });

  it('drains although the peer never answers its PING', async () => {
    const clock = new FakeClock();
    const { server, peer } = serve(() => answer(200), {}, clock);
    await peer.settled();
    server.drain();
    await peer.until(() => peer.of(FRAME.GOAWAY).length === 1);
    await clock.advance(2_000);
    await peer.until(() => peer.isOver);
    assert.equal(peer.of(FRAME.GOAWAY).length, 2);
  });
});

it('a client gives up what takes longer than its limits, and ends when it is idle', async () => {
  const clock = new FakeClock();
  const [ours, theirs] = memoryLegs();
  const limits = { ...DEFAULT_LIMITS, exchangeMs: 5_000, idleMs: 10_000 };
  const client = connectHttp2(ours, { limits, onChange: () => {} }, { deadlines: new Deadlines(clock) });
  const peer = new RawPeer(theirs, 'server', [[SETTING.MAX_CONCURRENT_STREAMS, 5]]);
  const call = client.send(requestOf());
  await peer.settled();
  await clock.advance(5_100);
  assert.deepEqual([(await failure(call.response)).kind, client.active], ['timeout', 0]);
  await peer.settled();
  assert.equal(peer.resetOf(1), H2.CANCEL);
  await clock.advance(10_100);
  assert.equal(client.isOver, true);
  await peer.until(() => peer.isOver);
});
