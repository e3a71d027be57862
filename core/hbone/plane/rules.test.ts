/** RFC 9113 row by row: what a peer must not do, and how each is answered; in memory, and over real TLS. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mustParseIp } from '../../../mesh/index.ts';
import { TestCa } from '../../../test/support/certificates.ts';
import {
  encodeHeaders,
  FLAG,
  FRAME,
  frame,
  goawayFrame,
  H2,
  type HeaderField,
  numberFrame,
  SETTING,
  settingsFrame,
} from '../../h2/index.ts';
import { connectTcp } from '../../net/index.ts';
import { Stand } from '../contract-stand.ts';
import { createHboneClient, createHboneServer } from '../index.ts';
import { DEFAULT_SETTINGS } from '../types.ts';
import { Bench, CONNECT } from './connection-bench.ts';
import { ACK, answerWith, GREETING, PREFACE, type Sight, say } from './raw-peer.ts';

const DONE = FLAG.END_HEADERS;
const LAST = FLAG.END_HEADERS | FLAG.END_STREAM;
const MAX_WINDOW = 2 ** 31 - 1;

const connect = (id: number, flags: number = DONE) => frame(FRAME.HEADERS, flags, id, CONNECT);
const head = (id: number, fields: readonly HeaderField[], flags: number = DONE) =>
  frame(FRAME.HEADERS, flags, id, encodeHeaders(fields));
const request = (...more: readonly HeaderField[]) =>
  head(1, [[':method', 'CONNECT'], [':authority', '10.0.0.1:80'], ...more]);
const raw = (hex: string, flags: number = DONE) => frame(FRAME.HEADERS, flags, 1, Buffer.from(hex, 'hex'));
const data = (id: number, bytes = 1, flags = 0) => frame(FRAME.DATA, flags, id, Buffer.alloc(bytes));
const ping = (flags = 0) => frame(FRAME.PING, flags, 0, Buffer.from('someping'));
const rst = (id: number, code: number = H2.CANCEL) => numberFrame(FRAME.RST_STREAM, id, code);
const more = (id: number, by: number) => numberFrame(FRAME.WINDOW_UPDATE, id, by);
const setting = (id: number, value: number) => settingsFrame([[id, value]]);
const over = (id: number, code: number) => ({ reset: id, code });
const dead = (code: number) => ({ goaway: code });
/** A header of a frame that promises so many bytes. */
const promise = (type: number, bytes: number, id: number) => {
  const whole = frame(type, 0, id);
  whole.writeUIntBE(bytes, 0, 3);
  return whole;
};

type Expected = { readonly goaway: number } | { readonly reset: number; readonly code: number } | 'fine';
type Row = readonly [section: string, what: string, expected: Expected, bytes: readonly Buffer[]];

const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM } =
  H2;

/** What a client sends to our server instead of everything, preface included. */
const openings: readonly Row[] = [
  ['3.4', 'a preface of HTTP/1.1', dead(PROTOCOL_ERROR), [Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n')]],
  ['3.4', 'a preface with one wrong byte', dead(PROTOCOL_ERROR), [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX')]],
  ['3.4', 'PING before SETTINGS', dead(PROTOCOL_ERROR), [PREFACE, ping()]],
  ['3.4', 'HEADERS before SETTINGS', dead(PROTOCOL_ERROR), [PREFACE, connect(1)]],
  ['3.4', 'an acknowledgement before SETTINGS', dead(PROTOCOL_ERROR), [PREFACE, ACK]],
  ['3.4', 'SETTINGS and a request at once, before ours came', 'fine', [PREFACE, settingsFrame([]), connect(1)]],
];

/** What a client sends to our server after the preface, SETTINGS and its acknowledgement of ours. */
const asServer: readonly Row[] = [
  ['4.1', 'a frame of an unknown type', 'fine', [frame(0xfe, 0xff, 0, Buffer.alloc(100))]],
  ['4.1', 'a frame of an unknown type on an idle stream', 'fine', [frame(0xfe, 0xff, 77, Buffer.alloc(8))]],
  ['4.1', 'the reserved bit before a stream', 'fine', [frame(FRAME.HEADERS, DONE, 1 + 2 ** 31, CONNECT)]],
  ['4.1', 'flags that PING does not know', 'fine', [ping(0xfe)]],
  [
    '4.2',
    'DATA larger than our MAX_FRAME_SIZE',
    dead(FRAME_SIZE_ERROR),
    [connect(1), promise(FRAME.DATA, (1 << 20) + 1, 1)],
  ],
  ['4.2', 'an unknown frame larger than that', dead(FRAME_SIZE_ERROR), [promise(99, (1 << 24) - 1, 0)]],
  ['4.2', 'HEADERS larger than we read', dead(ENHANCE_YOUR_CALM), [promise(FRAME.HEADERS, 70_000, 1)]],
  ['4.3', 'a header block with an index beyond the table', dead(COMPRESSION_ERROR), [raw('ff80808001')]],
  ['4.3', 'a header block with index 0', dead(COMPRESSION_ERROR), [raw('80')]],
  ['4.3', 'a header block that is cut off', dead(COMPRESSION_ERROR), [raw('4003616263')]],
  ['4.3', 'a table larger than we allow', dead(COMPRESSION_ERROR), [raw('3fe1ff7f')]],
  ['4.3', 'a table size in the middle of a block', dead(COMPRESSION_ERROR), [raw('8220')]],
  ['4.3', 'Huffman code with padding of more than 7 bits', dead(COMPRESSION_ERROR), [raw('400161821fff')]],
  [
    '4.3',
    'a block that is cut off, on a stream that we refuse anyway',
    dead(COMPRESSION_ERROR),
    [connect(1), rst(1), raw('4003616263')],
  ],
  ['5.1', 'DATA on an idle stream', dead(PROTOCOL_ERROR), [data(1)]],
  ['5.1', 'DATA on an idle stream of ours', dead(PROTOCOL_ERROR), [data(2)]],
  ['5.1', 'RST_STREAM on an idle stream', dead(PROTOCOL_ERROR), [rst(1)]],
  ['5.1', 'WINDOW_UPDATE on an idle stream', dead(PROTOCOL_ERROR), [more(1, 1)]],
  ['5.1', 'CONTINUATION on an idle stream', dead(PROTOCOL_ERROR), [frame(FRAME.CONTINUATION, DONE, 1, CONNECT)]],
  ['5.1', 'PRIORITY on an idle stream', 'fine', [frame(FRAME.PRIORITY, 0, 9, Buffer.alloc(5))]],
  ['5.1', 'DATA after END_STREAM', over(1, STREAM_CLOSED), [connect(1, LAST), data(1)]],
  ['5.1', 'HEADERS after END_STREAM', over(1, STREAM_CLOSED), [connect(1, LAST), connect(1)]],
  ['5.1', 'WINDOW_UPDATE after END_STREAM', 'fine', [connect(1, LAST), more(1, 1)]],
  ['5.1', 'RST_STREAM after END_STREAM', 'fine', [connect(1, LAST), rst(1)]],
  ['5.1', 'DATA after RST_STREAM', over(1, STREAM_CLOSED), [connect(1), rst(1), data(1)]],
  ['5.1', 'HEADERS after RST_STREAM', dead(STREAM_CLOSED), [connect(1), rst(1), connect(1)]],
  ['5.1', 'WINDOW_UPDATE after RST_STREAM', 'fine', [connect(1), rst(1), more(1, 1)]],
  ['5.1.1', 'a stream with an even number', dead(PROTOCOL_ERROR), [connect(2)]],
  ['5.1.1', 'a stream with a number below the last', dead(STREAM_CLOSED), [connect(5), connect(3)]],
  ['5.1.1', 'numbers that were left out', 'fine', [connect(1), connect(101)]],
  ['5.1.1', 'the last number of all', 'fine', [connect(MAX_WINDOW)]],
  ['6.1', 'DATA on stream 0', dead(PROTOCOL_ERROR), [data(0)]],
  [
    '6.1',
    'padding as long as the frame',
    dead(PROTOCOL_ERROR),
    [connect(1), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([3, 1, 2]))],
  ],
  [
    '6.1',
    'padding that fills the frame',
    'fine',
    [connect(1), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([2, 0, 0]))],
  ],
  ['6.1', 'padding without its length', dead(FRAME_SIZE_ERROR), [connect(1), frame(FRAME.DATA, FLAG.PADDED, 1)]],
  ['6.2', 'HEADERS on stream 0', dead(PROTOCOL_ERROR), [connect(0)]],
  [
    '6.2',
    'HEADERS with padding and priority',
    'fine',
    [
      frame(
        FRAME.HEADERS,
        DONE | FLAG.PADDED | FLAG.PRIORITY,
        1,
        Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9]), CONNECT, Buffer.alloc(2)]),
      ),
    ],
  ],
  [
    '6.2',
    'HEADERS with more padding than frame',
    dead(PROTOCOL_ERROR),
    [frame(FRAME.HEADERS, DONE | FLAG.PADDED, 1, Buffer.from([9, 0]))],
  ],
  ['6.2', 'HEADERS without room for the priority', dead(FRAME_SIZE_ERROR), [raw('00000000', DONE | FLAG.PRIORITY)]],
  ['6.2', 'PING inside a header block', dead(PROTOCOL_ERROR), [connect(1, 0), ping()]],
  ['6.2', 'HEADERS of another stream inside a header block', dead(PROTOCOL_ERROR), [connect(1, 0), connect(3)]],
  ['6.2', 'an unknown frame inside a header block', dead(PROTOCOL_ERROR), [connect(1, 0), frame(99, 0, 1)]],
  ['6.3', 'PRIORITY on stream 0', dead(PROTOCOL_ERROR), [frame(FRAME.PRIORITY, 0, 0, Buffer.alloc(5))]],
  ['6.3', 'PRIORITY of 4 bytes', dead(FRAME_SIZE_ERROR), [frame(FRAME.PRIORITY, 0, 1, Buffer.alloc(4))]],
  ['6.4', 'RST_STREAM on stream 0', dead(PROTOCOL_ERROR), [rst(0)]],
  [
    '6.4',
    'RST_STREAM of 3 bytes',
    dead(FRAME_SIZE_ERROR),
    [connect(1), frame(FRAME.RST_STREAM, 0, 1, Buffer.alloc(3))],
  ],
  ['6.4', 'RST_STREAM with a code that nobody knows', 'fine', [connect(1), rst(1, 0xdead)]],
  ['6.5', 'SETTINGS on a stream', dead(PROTOCOL_ERROR), [frame(FRAME.SETTINGS, 0, 1)]],
  ['6.5', 'SETTINGS of 5 bytes', dead(FRAME_SIZE_ERROR), [frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(5))]],
  [
    '6.5',
    'an acknowledgement that sets',
    dead(FRAME_SIZE_ERROR),
    [frame(FRAME.SETTINGS, FLAG.ACK, 0, Buffer.alloc(6))],
  ],
  ['6.5', 'an acknowledgement of nothing', dead(PROTOCOL_ERROR), [ACK]],
  ['6.5.2', 'ENABLE_PUSH of 2', dead(PROTOCOL_ERROR), [setting(SETTING.ENABLE_PUSH, 2)]],
  ['6.5.2', 'ENABLE_PUSH of 1, which a client may say', 'fine', [setting(SETTING.ENABLE_PUSH, 1)]],
  ['6.5.2', 'INITIAL_WINDOW_SIZE of 2^31', dead(FLOW_CONTROL_ERROR), [setting(SETTING.INITIAL_WINDOW_SIZE, 2 ** 31)]],
  ['6.5.2', 'MAX_FRAME_SIZE of 16,383', dead(PROTOCOL_ERROR), [setting(SETTING.MAX_FRAME_SIZE, 16_383)]],
  ['6.5.2', 'MAX_FRAME_SIZE of 2^24', dead(PROTOCOL_ERROR), [setting(SETTING.MAX_FRAME_SIZE, 2 ** 24)]],
  ['6.5.2', 'a setting that nobody knows', 'fine', [setting(0xabcd, 2 ** 32 - 1)]],
  [
    '6.5.2',
    'a table size of 0, then of 2^32-1',
    'fine',
    [setting(SETTING.HEADER_TABLE_SIZE, 0), setting(SETTING.HEADER_TABLE_SIZE, 2 ** 32 - 1)],
  ],
  ['6.6', 'PUSH_PROMISE', dead(PROTOCOL_ERROR), [connect(1), frame(FRAME.PUSH_PROMISE, DONE, 1, Buffer.alloc(8))]],
  ['6.7', 'PING on a stream', dead(PROTOCOL_ERROR), [frame(FRAME.PING, 0, 1, Buffer.alloc(8))]],
  ['6.7', 'PING of 7 bytes', dead(FRAME_SIZE_ERROR), [frame(FRAME.PING, 0, 0, Buffer.alloc(7))]],
  ['6.7', 'an answer to a PING that we did not send', 'fine', [ping(FLAG.ACK)]],
  ['6.8', 'GOAWAY on a stream', dead(PROTOCOL_ERROR), [frame(FRAME.GOAWAY, 0, 1, Buffer.alloc(8))]],
  ['6.8', 'GOAWAY of 7 bytes', dead(FRAME_SIZE_ERROR), [frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(7))]],
  [
    '6.8',
    'GOAWAY, and then one that takes more',
    dead(PROTOCOL_ERROR),
    [connect(1), goawayFrame(2, 0), goawayFrame(4, 0)],
  ],
  ['6.8', 'GOAWAY while a stream runs', 'fine', [connect(1), goawayFrame(0, 0)]],
  ['6.9', 'WINDOW_UPDATE of 3 bytes', dead(FRAME_SIZE_ERROR), [frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.alloc(3))]],
  ['6.9', 'WINDOW_UPDATE by nothing on the connection', dead(PROTOCOL_ERROR), [more(0, 0)]],
  ['6.9', 'WINDOW_UPDATE by nothing on a stream', over(1, PROTOCOL_ERROR), [connect(1), more(1, 0)]],
  ['6.9.1', 'a window of the connection that overflows', dead(FLOW_CONTROL_ERROR), [more(0, MAX_WINDOW)]],
  ['6.9.1', 'a window of a stream that overflows', over(1, FLOW_CONTROL_ERROR), [connect(1), more(1, MAX_WINDOW)]],
  ['6.9.1', 'a window as large as can be', 'fine', [connect(1), more(1, MAX_WINDOW - 65_535)]],
  [
    '6.9.2',
    'SETTINGS by which the window of a stream overflows',
    dead(FLOW_CONTROL_ERROR),
    [connect(1), more(1, MAX_WINDOW - 65_535), setting(SETTING.INITIAL_WINDOW_SIZE, 65_536)],
  ],
  [
    '6.9.2',
    'SETTINGS by which the window of a stream is negative',
    'fine',
    [connect(1), data(1, 1_000), setting(SETTING.INITIAL_WINDOW_SIZE, 0)],
  ],
  ['6.9.1', 'more DATA than a stream was granted', over(1, FLOW_CONTROL_ERROR), [connect(1), data(1, 1_000_000)]],
  ['6.10', 'CONTINUATION without HEADERS', dead(PROTOCOL_ERROR), [connect(1), frame(FRAME.CONTINUATION, DONE, 1)]],
  ['6.10', 'CONTINUATION of another stream', dead(PROTOCOL_ERROR), [connect(1, 0), frame(FRAME.CONTINUATION, DONE, 3)]],
  ['6.10', 'CONTINUATION on stream 0', dead(PROTOCOL_ERROR), [connect(1, 0), frame(FRAME.CONTINUATION, DONE, 0)]],
  [
    '6.10',
    'a block in three',
    'fine',
    [
      frame(FRAME.HEADERS, 0, 1, CONNECT.subarray(0, 3)),
      frame(FRAME.CONTINUATION, 0, 1),
      frame(FRAME.CONTINUATION, DONE, 1, CONNECT.subarray(3)),
    ],
  ],
  ['8.1', 'trailers with pseudo-header fields', over(1, PROTOCOL_ERROR), [connect(1), connect(1, LAST)]],
  ['8.1', 'trailers that end nothing', over(1, PROTOCOL_ERROR), [connect(1), head(1, [['x', 'y']])]],
  ['8.1', 'trailers at the end', 'fine', [connect(1), head(1, [['x', 'y']], LAST)]],
  ['8.2', 'a name in upper case', over(1, PROTOCOL_ERROR), [request(['X-A', 'b'])]],
  ['8.2.1', 'a name without a letter', over(1, PROTOCOL_ERROR), [request(['', 'b'])]],
  ['8.2.1', 'a name with a space', over(1, PROTOCOL_ERROR), [request(['a b', 'c'])]],
  ['8.2.1', 'a name with a colon', over(1, PROTOCOL_ERROR), [request(['a:b', 'c'])]],
  ['8.2.1', 'a name beyond ASCII', over(1, PROTOCOL_ERROR), [request(['\xe4', 'c'])]],
  ['8.2.1', 'a value with a line feed', over(1, PROTOCOL_ERROR), [request(['a', 'b\nc: d'])]],
  ['8.2.1', 'a value with NUL', over(1, PROTOCOL_ERROR), [request(['a', 'b\0'])]],
  ['8.2.1', 'a value with a control character', over(1, PROTOCOL_ERROR), [request(['a', 'b\x1b[2J'])]],
  ['8.2.1', 'a value with a space around it', over(1, PROTOCOL_ERROR), [request(['a', ' b'])]],
  ['8.2.2', 'connection', over(1, PROTOCOL_ERROR), [request(['connection', 'close'])]],
  ['8.2.2', 'transfer-encoding', over(1, PROTOCOL_ERROR), [request(['transfer-encoding', 'chunked'])]],
  ['8.2.2', 'te other than trailers', over(1, PROTOCOL_ERROR), [request(['te', 'gzip'])]],
  ['8.2.2', 'te: trailers', 'fine', [request(['te', 'trailers'])]],
  ['8.3', 'a pseudo-header field that nobody knows', over(1, PROTOCOL_ERROR), [request([':what', 'b'])]],
  // What was named once, and is one object since.
  ['8.3', 'one twice, by an index', over(1, PROTOCOL_ERROR), [raw('0207434f4e4e4543544103613a31be')]],
  ['8.3', 'one that belongs to answers', over(1, PROTOCOL_ERROR), [request([':status', '200'])]],
  [
    '8.3',
    'one after a regular field',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':method', 'CONNECT'],
        ['a', 'b'],
        [':authority', 'a:1'],
      ]),
    ],
  ],
  ['8.3', 'two authorities', over(1, PROTOCOL_ERROR), [request([':authority', '10.0.0.2:80'])]],
  ['8.3.1', 'no method', over(1, PROTOCOL_ERROR), [head(1, [[':authority', 'a:1']])]],
  [
    '8.3.1',
    'GET without a path',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'a:1'],
      ]),
    ],
  ],
  ['8.5', 'CONNECT with a path', over(1, PROTOCOL_ERROR), [request([':path', '/'])]],
  ['8.5', 'CONNECT with a scheme', over(1, PROTOCOL_ERROR), [request([':scheme', 'https'])]],
  ['8.5', 'CONNECT to nobody', over(1, PROTOCOL_ERROR), [head(1, [[':method', 'CONNECT']])]],
  [
    '8.5',
    'CONNECT to an empty authority',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':method', 'CONNECT'],
        [':authority', ''],
      ]),
    ],
  ],
  [
    '8.5',
    'CONNECT to an authority with a user',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':method', 'CONNECT'],
        [':authority', 'root@10.0.0.1:80'],
      ]),
    ],
  ],
  [
    '8.5',
    'CONNECT of another protocol (RFC 8441), which we never offered',
    over(1, PROTOCOL_ERROR),
    [request([':protocol', 'websocket'])],
  ],
  [
    '10.5.1',
    'a header list larger than we said',
    over(1, ENHANCE_YOUR_CALM),
    [request(...Array.from({ length: 200 }, (_, i): HeaderField => [`a${i}`, 'b']))],
  ],
  [
    '10.5.1',
    'a header list many times larger',
    dead(ENHANCE_YOUR_CALM),
    [request(...Array.from({ length: 3_000 }, (_, i): HeaderField => [`a${i}`, 'b']))],
  ],
];

/** What a server sends to our client, whose stream 1 waits for its answer; its SETTINGS came and ours are acknowledged. */
const OK = head(1, [[':status', '200']]);
const asClient: readonly Row[] = [
  ['5.1', 'HEADERS on an idle stream', dead(PROTOCOL_ERROR), [head(3, [[':status', '200']])]],
  ['5.1', 'DATA on an idle stream', dead(PROTOCOL_ERROR), [data(3)]],
  ['5.1', 'RST_STREAM on an idle stream', dead(PROTOCOL_ERROR), [rst(3)]],
  ['5.1', 'WINDOW_UPDATE on an idle stream', dead(PROTOCOL_ERROR), [more(3, 1)]],
  ['5.1.1', 'a stream of its own', dead(PROTOCOL_ERROR), [head(2, [[':status', '200']])]],
  ['5.1', 'DATA after END_STREAM', over(1, STREAM_CLOSED), [OK, data(1, 1, FLAG.END_STREAM), data(1)]],
  ['6.5.2', 'ENABLE_PUSH of 1, which no server may say', dead(PROTOCOL_ERROR), [setting(SETTING.ENABLE_PUSH, 1)]],
  ['6.5.2', 'ENABLE_PUSH of 0', 'fine', [setting(SETTING.ENABLE_PUSH, 0)]],
  ['6.6', 'PUSH_PROMISE', dead(PROTOCOL_ERROR), [OK, frame(FRAME.PUSH_PROMISE, DONE, 1, Buffer.alloc(8))]],
  ['6.8', 'GOAWAY that takes no stream', dead(PROTOCOL_ERROR), [goawayFrame(1, 0), goawayFrame(3, 0)]],
  ['6.9.1', 'more DATA than the stream was granted', over(1, FLOW_CONTROL_ERROR), [OK, data(1, 1_000_000)]],
  ['6.9.1', 'a window of the connection that overflows', dead(FLOW_CONTROL_ERROR), [more(0, MAX_WINDOW)]],
  ['8.1', 'DATA before the answer', over(1, PROTOCOL_ERROR), [data(1)]],
  ['8.1', 'an interim answer that ends', over(1, PROTOCOL_ERROR), [head(1, [[':status', '103']], LAST)]],
  ['8.1', 'an interim answer and then the final one', 'fine', [head(1, [[':status', '103']]), OK]],
  ['8.1', 'trailers with a status', over(1, PROTOCOL_ERROR), [OK, head(1, [[':status', '200']], LAST)]],
  ['8.1', 'a second answer', over(1, PROTOCOL_ERROR), [OK, OK]],
  ['8.3.2', 'an answer without a status', over(1, PROTOCOL_ERROR), [head(1, [['a', 'b']])]],
  [
    '8.3.2',
    'an answer with two',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':status', '200'],
        [':status', '200'],
      ]),
    ],
  ],
  ['8.3.2', 'a status that is no number', over(1, PROTOCOL_ERROR), [head(1, [[':status', '2oo']])]],
  [
    '8.3',
    'an answer with a method',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':status', '200'],
        [':method', 'CONNECT'],
      ]),
    ],
  ],
  [
    '8.2.2',
    'an answer with connection',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':status', '200'],
        ['connection', 'close'],
      ]),
    ],
  ],
  ['8.6', 'a change of protocols', over(1, PROTOCOL_ERROR), [head(1, [[':status', '101']])]],
  ['4.3', 'a header block that is no HPACK', dead(COMPRESSION_ERROR), [raw('ff80808001')]],
  [
    '10.5.1',
    'a header list larger than we said',
    over(1, PROTOCOL_ERROR),
    [
      head(1, [
        [':status', '200'],
        ['a', 'b'.repeat(20_000)],
      ]),
    ],
  ],
];

function judge(expected: Expected, sight: Sight, isOver: boolean): void {
  if (expected === 'fine') {
    assert.deepEqual([isOver, sight.goaway, sight.resetOf(1)], [false, undefined, undefined]);
  } else if ('goaway' in expected) {
    assert.equal(sight.goaway, expected.goaway);
  } else {
    assert.equal(sight.resetOf(expected.reset), expected.code);
    assert.deepEqual([isOver, sight.goaway], [false, undefined]);
  }
}

for (const [title, rows, start] of [
  ['a server that is greeted with', openings, () => new Bench('server', undefined, undefined, false)],
  ['a server that receives', asServer, () => Bench.ready()],
  [
    'a client that receives',
    asClient,
    () => {
      const bench = Bench.ready('client');
      bench.connection.open([
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ]);
      return bench;
    },
  ],
] as const) {
  describe(title, () => {
    for (const [section, what, expected, bytes] of rows) {
      it(`${what} (RFC 9113 section ${section}): ${JSON.stringify(expected)}`, () => {
        using bench = start();
        bench.feed(...bytes);
        judge(expected, { goaway: bench.goaway(), resetOf: (id) => bench.resetOf(id) }, bench.isOver);
        const hasFault = expected !== 'fine' && 'goaway' in expected;
        assert.equal(bench.isOver, hasFault);
        if (hasFault) assert.equal(bench.floods.length, 1);
      });
    }
  });
}

describe('over TLS, a server of tunnels', async () => {
  const ca = await TestCa.create('cluster.local');
  const impl = {
    createServer: (o: Omit<Parameters<typeof createHboneServer>[0], 'implementation'>) =>
      createHboneServer({ ...o, implementation: 'plane' }),
    createClient: (o: Omit<Parameters<typeof createHboneClient>[0], 'implementation'>) =>
      createHboneClient({ ...o, implementation: 'plane' }),
  };
  it('answers each row as it should, and serves the next client', async () => {
    await using stand = await Stand.create(ca, impl, { onConnect: (request) => void request.respond(200) });
    const all = [
      ...openings,
      ...asServer.map(([section, what, expected, bytes]): Row => [section, what, expected, [...GREETING, ...bytes]]),
    ];
    for (const [section, what, expected, bytes] of all) {
      const sight = await say(stand, bytes);
      try {
        judge(expected, sight, sight.isOver);
      } catch (cause) {
        throw new Error(`${what} (section ${section})`, { cause });
      }
    }
    const { leg } = await stand.open();
    leg.reset('cancel');
  });
});

it('over TLS, a client of tunnels answers each row as it should', async () => {
  const ca = await TestCa.create('cluster.local');
  const [cart, web] = await Promise.all([ca.material(ca.id('shop', 'cart')), ca.material(ca.id('shop', 'web'))]);
  for (const [section, what, expected, bytes] of asClient) {
    await using client = createHboneClient({ implementation: 'plane' });
    const sight = await answerWith(bytes, cart, (port) =>
      client.open({
        dial: { ip: mustParseIp('127.0.0.1'), port },
        source: web,
        expected: [cart.identity],
        authority: '10.0.0.1:80',
        headers: {},
        connect: () => connectTcp({ to: { ip: '127.0.0.1', port } }),
        poolKey: what,
      }),
    );
    try {
      judge(expected, sight, sight.isOver);
    } catch (cause) {
      throw new Error(`${what} (section ${section})`, { cause });
    }
  }
});

it('a client that is not told that its SETTINGS came ends the connection with SETTINGS_TIMEOUT', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using bench = new Bench('client');
  bench.feed(settingsFrame([]));
  bench.nowMs = DEFAULT_SETTINGS.pingIntervalMs;
  t.mock.timers.tick(DEFAULT_SETTINGS.pingIntervalMs);
  assert.equal(bench.goaway(), H2.SETTINGS_TIMEOUT);
});

it('streams beyond the last of a GOAWAY end as refused, those below go on', () => {
  using bench = Bench.ready('client');
  const codes: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    bench.connection
      .open([
        [':method', 'CONNECT'],
        [':authority', 'a:1'],
      ])
      ?.listen({ gone: (code) => codes.push(code) });
  }
  bench.feed(goawayFrame(3, 0));
  assert.deepEqual(codes, [H2.REFUSED_STREAM]);
  assert.equal(bench.connection.isUsable, false);
  bench.feed(goawayFrame(1, 0));
  assert.deepEqual(codes, [H2.REFUSED_STREAM, H2.REFUSED_STREAM]);
});
