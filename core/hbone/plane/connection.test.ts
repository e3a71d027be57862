import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  DEFAULT_H2_LIMITS,
  encodeHeaders,
  FLAG,
  type FloodKind,
  FRAME,
  frame,
  goawayFrame,
  H2,
  type HeaderField,
  numberFrame,
  SETTING,
  settingsFrame,
} from '../../h2/index.ts';
import { Recorder } from '../leg-contract.ts';
import { DEFAULT_SETTINGS } from '../types.ts';
import { type ConnectionEvents, PlaneConnection } from './connection.ts';
import { Bench, CONNECT } from './connection-bench.ts';
import { plainFields } from './fields.ts';

describe('a connection ends with GOAWAY when the peer breaks the rules', () => {
  const overflow = numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 31 - 1);
  const rules: readonly (readonly [string, number, (bench: Bench) => void])[] = [
    ['DATA on stream 0', H2.PROTOCOL_ERROR, (b) => b.feed(frame(FRAME.DATA, 0, 0, Buffer.alloc(1)))],
    ['DATA on an idle stream', H2.PROTOCOL_ERROR, (b) => b.feed(frame(FRAME.DATA, 0, 5, Buffer.alloc(1)))],
    ['a stream with an even number', H2.PROTOCOL_ERROR, (b) => b.connect(2)],
    ['SETTINGS on a stream', H2.PROTOCOL_ERROR, (b) => b.feed(frame(FRAME.SETTINGS, 0, 1))],
    [
      'SETTINGS that acknowledge and set',
      H2.FRAME_SIZE_ERROR,
      (b) => b.feed(frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(6))),
    ],
    ['PUSH_PROMISE', H2.PROTOCOL_ERROR, (b) => b.feed(frame(FRAME.PUSH_PROMISE, 0, 1, Buffer.alloc(8)))],
    ['CONTINUATION out of nowhere', H2.PROTOCOL_ERROR, (b) => b.feed(frame(FRAME.CONTINUATION, 0, 1))],
    [
      'another frame inside a header block',
      H2.PROTOCOL_ERROR,
      (b) => b.feed(frame(FRAME.HEADERS, 0, 1, CONNECT), frame(FRAME.PING, 0, 0, Buffer.alloc(8))),
    ],
    ['a window that overflows', H2.FLOW_CONTROL_ERROR, (b) => b.feed(overflow)],
    ['a window update by nothing', H2.PROTOCOL_ERROR, (b) => b.feed(numberFrame(FRAME.WINDOW_UPDATE, 0, 0))],
    ['RST_STREAM on an idle stream', H2.PROTOCOL_ERROR, (b) => b.feed(numberFrame(FRAME.RST_STREAM, 7, 0))],
    [
      'a header block that is no HPACK',
      H2.COMPRESSION_ERROR,
      (b) => b.feed(frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Buffer.from('ff80808001', 'hex'))),
    ],
    [
      'fields on a stream that is over',
      H2.STREAM_CLOSED,
      (b) =>
        b
          .connect(1)
          .feed(numberFrame(FRAME.RST_STREAM, 1, 8))
          .connect(1),
    ],
    [
      'an initial window that overflows',
      H2.FLOW_CONTROL_ERROR,
      (b) => b.feed(settingsFrame([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]])),
    ],
    ['a frame size below the least', H2.PROTOCOL_ERROR, (b) => b.feed(settingsFrame([[SETTING.MAX_FRAME_SIZE, 100]]))],
  ];
  for (const [what, code, act] of rules) {
    it(what, () => {
      using bench = Bench.ready();
      act(bench);
      assert.equal(bench.goaway(), code);
      assert.equal(bench.fault?.code, code);
    });
  }

  it('anything before SETTINGS', () => {
    using bench = new Bench().feed(frame(FRAME.PING, 0, 0, Buffer.alloc(8)));
    assert.equal(bench.goaway(), H2.PROTOCOL_ERROR);
  });

  it('more DATA than the connection was granted', () => {
    using bench = Bench.ready('server', DEFAULT_H2_LIMITS, { ...DEFAULT_SETTINGS, connectionWindowBytes: 65_535 });
    bench.connect(1).feed(frame(FRAME.DATA, 0, 1, Buffer.alloc(65_536)));
    assert.equal(bench.goaway(), H2.FLOW_CONTROL_ERROR);
  });
});

describe('a stream is reset when the peer breaks its rules, and the connection lives', () => {
  const rules: readonly (readonly [string, number, (bench: Bench) => void])[] = [
    ['DATA after its end', H2.STREAM_CLOSED, (b) => b.connect(1, true).feed(frame(FRAME.DATA, 0, 1, Buffer.alloc(1)))],
    ['fields in the middle', H2.PROTOCOL_ERROR, (b) => b.connect(1).connect(1)],
    [
      'more DATA than its window',
      H2.FLOW_CONTROL_ERROR,
      (b) => b.connect(1).feed(frame(FRAME.DATA, 0, 1, Buffer.alloc(300_000))),
    ],
    [
      'a window that overflows',
      H2.FLOW_CONTROL_ERROR,
      (b) => b.connect(1).feed(numberFrame(FRAME.WINDOW_UPDATE, 1, 2 ** 31 - 1)),
    ],
    ['a window update by nothing', H2.PROTOCOL_ERROR, (b) => b.connect(1).feed(numberFrame(FRAME.WINDOW_UPDATE, 1, 0))],
    [
      'CONNECT with a path',
      H2.PROTOCOL_ERROR,
      (b) =>
        b.feed(
          frame(
            FRAME.HEADERS,
            FLAG.END_HEADERS,
            1,
            encodeHeaders([
              [':method', 'CONNECT'],
              [':authority', 'a:1'],
              [':path', '/'],
            ]),
          ),
        ),
    ],
  ];
  for (const [what, code, act] of rules) {
    it(what, () => {
      using bench = Bench.ready();
      act(bench);
      assert.equal(bench.resetOf(1), code);
      assert.equal(bench.isOver, false);
    });
  }

  it('more streams than we said', () => {
    using bench = Bench.ready();
    for (let i = 0; i <= DEFAULT_SETTINGS.maxConcurrentStreams; i++) bench.connect(2 * i + 1);
    assert.equal(bench.streams.length, DEFAULT_SETTINGS.maxConcurrentStreams);
    assert.equal(bench.resetOf(2 * DEFAULT_SETTINGS.maxConcurrentStreams + 1), H2.REFUSED_STREAM);
  });
});

describe('a flood ends the connection, and says which it was', () => {
  const ping = frame(FRAME.PING, 0, 0, Buffer.alloc(8));
  const floods: readonly (readonly [string, FloodKind, (bench: Bench, i: number) => void])[] = [
    [
      'streams opened and reset at once',
      'rapid-reset',
      (b, i) => b.connect(2 * i + 1).feed(numberFrame(FRAME.RST_STREAM, 2 * i + 1, 8)),
    ],
    ['PING', 'ping-flood', (b) => b.feed(ping)],
    ['SETTINGS', 'settings-flood', (b) => b.feed(settingsFrame([]))],
    ['PRIORITY', 'control-flood', (b) => b.feed(frame(FRAME.PRIORITY, 0, 1, Buffer.alloc(5)))],
    ['frames of an unknown type', 'control-flood', (b) => b.feed(frame(77, 0, 1))],
    ['DATA with nothing in it', 'control-flood', (b, i) => (i === 0 ? b.connect(1) : b.feed(frame(FRAME.DATA, 0, 1)))],
    [
      'CONTINUATION',
      'continuation-flood',
      (b, i) => b.feed(frame(i === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, 0, 1, Buffer.alloc(1))),
    ],
    [
      'a header block without end',
      'header-flood',
      (b, i) => b.feed(frame(i === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, 0, 1, Buffer.alloc(16_000))),
    ],
    ['GOAWAY', 'control-flood', (b, i) => (i === 0 ? b.connect(1) : b.feed(goawayFrame(0, 0)))],
    ['SETTINGS without end', 'settings-flood', (b) => b.feed(frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(6 * 65)))],
    [
      'a header list that swells',
      'hpack-bomb',
      (b) => b.feed(frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Buffer.alloc(60_000, 0x82))),
    ],
    [
      'malformed requests',
      'malformed-streams',
      (b, i) => b.feed(frame(FRAME.HEADERS, FLAG.END_HEADERS, 2 * i + 1, encodeHeaders([['x', '']]))),
    ],
  ];
  for (const [what, kind, act] of floods) {
    it(`${what}: ${kind}`, () => {
      using bench = Bench.ready();
      let i = 0;
      for (; i < 2_000 && !bench.isOver; i++) act(bench, i);
      assert.deepEqual(bench.floods, [kind]);
      assert.equal(bench.goaway(), H2.ENHANCE_YOUR_CALM);
    });
  }

  it('refusals that a client learns and lets go of, as many as come, are no flood', () => {
    using bench = Bench.ready('client');
    for (let i = 0; i < 5_000; i++) {
      const stream = bench.connection.open([
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ]);
      assert.ok(stream);
      bench.feed(
        frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, stream.id, encodeHeaders([[':status', '401']])),
      );
      stream.reset('cancel'); // crosses the one that follows the refusal
      bench.feed(numberFrame(FRAME.RST_STREAM, stream.id, H2.NO_ERROR));
    }
    assert.equal(bench.isOver, false);
  });

  it('a frame larger than we said: oversized-frame', () => {
    using bench = Bench.ready();
    bench.feed(frame(77, 0, 0, Buffer.alloc(DEFAULT_SETTINGS.frameBytes + 1)));
    assert.deepEqual(bench.floods, ['oversized-frame']);
  });

  it('more DATA than a stream was granted, and then than its connection: window-overflow, each time', () => {
    using bench = Bench.ready();
    bench.connect(1).feed(frame(FRAME.DATA, 0, 1, Buffer.alloc(300_000)));
    assert.equal(bench.isOver, false);
    bench.feed(numberFrame(FRAME.WINDOW_UPDATE, 0, 2 ** 31 - 1));
    assert.deepEqual(bench.floods, ['window-overflow', 'window-overflow']);
  });

  it('answers that the peer does not read: unread-answers', () => {
    using bench = Bench.ready();
    bench.isBlocked = true;
    for (let i = 0; i < 100_000 && !bench.isOver; i++) {
      bench.nowMs += 100; // slowly, so that only the answers pile up
      bench.feed(ping);
    }
    assert.equal(bench.fault?.flood, 'unread-answers');
  });

  it('refusals that the peer does not read, whoever decides late: unread-answers', async () => {
    using bench = Bench.ready();
    bench.isBlocked = true;
    for (let i = 0; i < 100_000 && !bench.isOver; i++) {
      bench.connect(2 * i + 1);
      const stream = bench.streams.at(-1);
      await Promise.resolve();
      if (stream) bench.connection.respond(stream, [[':status', '401']], true);
    }
    assert.equal(bench.fault?.flood, 'unread-answers');
  });

  it('answers to PINGs that we never sent: ping-flood', () => {
    using bench = Bench.ready();
    for (let i = 0; i < 2_000; i++) bench.feed(frame(FRAME.PING, FLAG.ACK, 0, Buffer.alloc(8)));
    assert.equal(bench.fault?.flood, 'ping-flood');
  });

  it('streams that both sides reset, as many as come, are no flood', () => {
    using bench = Bench.ready();
    for (let i = 0; i < 5_000; i++) {
      bench.connect(2 * i + 1);
      const stream = bench.streams.at(-1);
      assert.ok(stream);
      bench.connection.respond(stream, [[':status', '401']], true); // and RST_STREAM, since the peer has not ended
      bench.feed(numberFrame(FRAME.RST_STREAM, 2 * i + 1, H2.CANCEL));
    }
    assert.equal(bench.isOver, false);
  });

  it('the same at a decent pace is no flood', () => {
    using bench = Bench.ready();
    for (let i = 0; i < 3_000; i++) {
      bench.nowMs += 20;
      bench.feed(ping);
    }
    assert.equal(bench.isOver, false);
  });
});

describe('flow control', () => {
  it('a reader that keeps up is granted ever more, one that does not read is granted nothing', () => {
    using bench = Bench.ready();
    bench.connect(1).connect(3);
    const seen = new Recorder();
    bench.streams[0]?.deliver(seen);
    const grants = (id: number) => bench.sent.filter((f) => f.type === FRAME.WINDOW_UPDATE && f.streamId === id);
    for (let i = 0; i < 16; i++) bench.feed(frame(FRAME.DATA, 0, 1, Buffer.alloc(64_000)));
    for (let i = 0; i < 4; i++) bench.feed(frame(FRAME.DATA, 0, 3, Buffer.alloc(64_000)));
    assert.equal(seen.bytes, 16 * 64_000);
    assert.ok((grants(1).at(-1)?.number ?? 0) > 500_000);
    assert.deepEqual(grants(3), []);
  });

  it('a stream waits for its window, and its neighbour does not', () => {
    using bench = Bench.ready('client');
    const [one, two] = [1, 2].map(() =>
      bench.connection.open([
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ]),
    );
    assert.ok(one && two);
    bench.feed(numberFrame(FRAME.WINDOW_UPDATE, 0, 1_000_000));
    assert.equal(one.write(Buffer.alloc(100_000)), false);
    assert.equal(two.write(Buffer.alloc(1_000)), true);
    const sentOn = (id: number) => bench.sent.filter((f) => f.type === FRAME.DATA && f.streamId === id).length;
    const before = sentOn(1);
    bench.feed(numberFrame(FRAME.WINDOW_UPDATE, 1, 100_000));
    assert.ok(sentOn(1) > before);
  });

  it('what came early on streams that were refused is not held against those that follow', () => {
    using bench = Bench.ready();
    for (let i = 0; i < 1_000; i++) {
      bench.connect(2 * i + 1).feed(frame(FRAME.DATA, 0, 2 * i + 1, Buffer.alloc(200_000)));
      const stream = bench.streams.at(-1);
      assert.ok(stream);
      bench.connection.respond(stream, [[':status', '401']], true);
    }
    assert.equal(bench.isOver, false); // 200 MB went through a window of 16
  });

  it('a stream without a window for too long is cut, with the memory that it held', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    using bench = Bench.ready('client');
    const stream = bench.connection.open([
      [':method', 'CONNECT'],
      [':authority', 'a:1'],
    ]);
    assert.ok(stream);
    const seen = new Recorder();
    stream.deliver(seen);
    assert.equal(stream.write(Buffer.alloc(100_000)), false);
    bench.nowMs = DEFAULT_H2_LIMITS.stallMs - 1;
    t.mock.timers.tick(DEFAULT_SETTINGS.pingIntervalMs);
    assert.equal(bench.resetOf(1), undefined);
    bench.nowMs += 1;
    bench.feed(frame(FRAME.PING, FLAG.ACK, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])));
    t.mock.timers.tick(DEFAULT_SETTINGS.pingIntervalMs);
    assert.equal(bench.resetOf(1), H2.CANCEL);
    assert.deepEqual(bench.floods, ['zero-window-stall']);
  });
});

it('a peer that resets after its end leaves a stream that is closed, whatever our side does then', async () => {
  using bench = Bench.ready();
  bench.connect(1);
  const [stream] = bench.streams;
  assert.ok(stream);
  const seen = new Recorder();
  stream.deliver(seen);
  bench.feed(frame(FRAME.DATA, FLAG.END_STREAM, 1, Buffer.from('last')));
  await seen.ended();
  bench.feed(numberFrame(FRAME.RST_STREAM, 1, H2.CANCEL));
  stream.reset('connect-error');
  await stream.closed;
  assert.deepEqual(seen.ends, ['end']);
});

describe('heads that come again', () => {
  const HEAD: readonly HeaderField[] = [
    [':method', 'CONNECT'],
    [':authority', '10.0.0.1:80'],
    ['baggage', 'k8s.namespace.name=shop,k8s.deployment.name=web,service.name=web'],
  ];
  const lengthsOf = (bench: Bench) =>
    bench.sent.filter(({ type }) => type === FRAME.HEADERS).map(({ length }) => length);

  it('are a few bytes', () => {
    using bench = Bench.ready('client');
    for (let i = 0; i < 4; i++) bench.connection.open(HEAD);
    const [first = 0, second = 0, ...others] = lengthsOf(bench);
    assert.ok(first > 80 && second > 80, `${first}, ${second}`); // from the second time on they are worth a place in the table
    assert.deepEqual(others, [HEAD.length, HEAD.length]);
  });

  it('are said in full to a peer that keeps no table, which is told so', () => {
    using bench = Bench.ready('client');
    for (let i = 0; i < 3; i++) bench.connection.open(HEAD);
    bench.feed(settingsFrame([[SETTING.HEADER_TABLE_SIZE, 0]]));
    for (let i = 0; i < 3; i++) bench.connection.open(HEAD);
    const [full = 0, , , ...after] = lengthsOf(bench);
    assert.deepEqual(after, [full + 1, full, full]);
  });

  it('mean the same to the other end, in both directions', () => {
    const [asked, answered]: [string[], string[]] = [[], []];
    const [toServer, toClient]: [Buffer[], Buffer[]] = [[], []];
    const end = (role: 'client' | 'server', into: Buffer[], request: ConnectionEvents['request']) =>
      new PlaneConnection({
        role,
        settings: DEFAULT_SETTINGS,
        limits: DEFAULT_H2_LIMITS,
        wire: {
          write: (bytes) => void into.push(Buffer.from(bytes)),
          writeFrame: (header, payload) => void into.push(Buffer.concat([header, payload])),
          end: () => {},
          isBlocked: false,
        },
        events: { ready: () => {}, over: () => {}, request },
      });
    const client = end('client', toServer, () => {});
    const server = end('server', toClient, (stream, fields) => {
      asked.push([...plainFields(fields)].join());
      const answer: readonly HeaderField[] = [
        [':status', '200'],
        ['baggage', 'service.name=cart'],
      ];
      server.respond(stream, answer, false);
    });
    for (let i = 0; i < 5; i++) {
      const stream = client.open([...HEAD, ['traceparent', `${i}`]]);
      stream?.listen({ head: (fields) => void answered.push([...plainFields(fields)].join()), gone: () => {} });
      for (const bytes of toServer.splice(0)) server.feed(bytes);
      for (const bytes of toClient.splice(0)) client.feed(bytes);
    }
    const baggage = HEAD[2]?.join();
    assert.deepEqual(
      asked,
      Array.from({ length: 5 }, (_, i) => `${baggage},traceparent,${i}`),
    );
    assert.deepEqual(answered, Array(5).fill('baggage,service.name=cart'));
    client.lost();
    server.lost();
  });
});
