/** RFC 9113 and RFC 8441 row by row, for requests: what a peer must not do, and how each is answered. */
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
import { bodyOf, DEFAULT_LIMITS, HeaderFields, type HttpRequest, type Refusal, readBody } from '../index.ts';
import { connectHttp2, serveHttp2 } from './index.ts';
import { RawPeer } from './raw-peer.ts';
import { failure, requestOf } from './stand.ts';

type Fields = readonly (readonly [string, string])[];
const DONE = FLAG.END_HEADERS;
const LAST = FLAG.END_HEADERS | FLAG.END_STREAM;
const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM } =
  H2;

const head = (id: number, fields: Fields, flags: number = DONE) =>
  frame(FRAME.HEADERS, flags, id, encodeHeaders(fields));
const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'a.b'],
  [':path', '/'],
];
const POST: Fields = [[':method', 'POST'], ...GET.slice(1)];
const but = (name: string, value?: string): Fields =>
  value === undefined
    ? GET.filter((field) => field[0] !== name)
    : GET.map((field) => (field[0] === name ? [name, value] : field));
const get = (...more: Fields) => head(1, [...GET, ...more], LAST);
const getBut = (name: string, value?: string) => head(1, but(name, value), LAST);
const post = (...more: Fields) => head(1, [...POST, ...more]);
const unread = head(1, [...POST.slice(0, 3), [':path', '/unread']]);
const data = (id: number, bytes = 1, flags = 0) => frame(FRAME.DATA, flags, id, Buffer.alloc(bytes));
const end = (bytes: number) => data(1, bytes, FLAG.END_STREAM);
const rst = (id: number, code: number = H2.CANCEL) => numberFrame(FRAME.RST_STREAM, id, code);
const more = (id: number, by: number) => numberFrame(FRAME.WINDOW_UPDATE, id, by);
const raw = (hex: string) => frame(FRAME.HEADERS, DONE, 1, Buffer.from(hex, 'hex'));
const connect = (...rest: Fields) => head(1, [[':method', 'CONNECT'], ...rest]);
const upgrade = (protocol: string, ...rest: Fields) => connect([':protocol', protocol], ...GET.slice(1), ...rest);

type Expected =
  | { readonly dead: number }
  | { readonly reset: number; readonly refused?: true }
  | { readonly status: number }
  /** Nothing is said against it. */
  | 'fine';
type Row = readonly [section: string, what: string, expected: Expected, bytes: readonly Buffer[]];
const dead = (code: number) => ({ dead: code });
/** Before a handler saw it. */
const refused = (code: number) => ({ reset: code, refused: true }) as const;
const reset = (code: number) => ({ reset: code });
const status = (code: number) => ({ status: code });

const framing: readonly Row[] = [
  ['4.1', 'a frame of an unknown type', status(200), [frame(0xfe, 0xff, 0, Buffer.alloc(100)), get()]],
  ['4.2', 'HEADERS larger than we read', dead(FRAME_SIZE_ERROR), [frame(FRAME.HEADERS, LAST, 1, Buffer.alloc(70_000))]],
  ['4.3', 'an index beyond the table', dead(COMPRESSION_ERROR), [raw('be')]],
  ['4.3', 'index 0', dead(COMPRESSION_ERROR), [raw('80')]],
  ['4.3', 'a block that is cut off', dead(COMPRESSION_ERROR), [raw('4003616263')]],
  ['4.3', 'a table larger than we allow', dead(COMPRESSION_ERROR), [raw('3fe1ff7f')]],
  ['4.3', 'a table size in the middle of a block', dead(COMPRESSION_ERROR), [raw('8220')]],
  ['4.3', 'a list that is refused leaves the table in step', status(200), [getBut(':path', 'x'), head(3, GET, LAST)]],
  ['5.1', 'DATA on an idle stream', dead(PROTOCOL_ERROR), [data(1)]],
  ['5.1', 'RST_STREAM on an idle stream', dead(PROTOCOL_ERROR), [rst(1)]],
  ['5.1', 'WINDOW_UPDATE on an idle stream', dead(PROTOCOL_ERROR), [more(1, 1)]],
  [
    '5.1',
    'DATA after END_STREAM',
    reset(STREAM_CLOSED),
    [head(1, [...GET.slice(0, 3), [':path', '/late']], LAST), data(1)],
  ],
  [
    '5.1',
    'HEADERS after END_STREAM',
    reset(STREAM_CLOSED),
    [head(1, [...GET.slice(0, 3), [':path', '/late']], LAST), get()],
  ],
  ['5.1', 'HEADERS after RST_STREAM', dead(STREAM_CLOSED), [post(), rst(1), get()]],
  ['5.1.1', 'a stream with an even number', dead(PROTOCOL_ERROR), [head(2, GET, LAST)]],
  ['5.1.1', 'a stream with a number below the last', dead(STREAM_CLOSED), [head(5, POST), head(3, GET, LAST)]],
  [
    '6.1',
    'more padding than frame',
    dead(PROTOCOL_ERROR),
    [post(), frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.from([3, 1, 2]))],
  ],
  [
    '6.2',
    'PING inside a header block',
    dead(PROTOCOL_ERROR),
    [head(1, GET, 0), frame(FRAME.PING, 0, 0, Buffer.alloc(8))],
  ],
  ['6.4', 'RST_STREAM of 3 bytes', dead(FRAME_SIZE_ERROR), [post(), frame(FRAME.RST_STREAM, 0, 1, Buffer.alloc(3))]],
  ['6.5.2', 'ENABLE_PUSH of 2', dead(PROTOCOL_ERROR), [settingsFrame([[SETTING.ENABLE_PUSH, 2]])]],
  ['6.5.2', 'MAX_FRAME_SIZE of 1', dead(PROTOCOL_ERROR), [settingsFrame([[SETTING.MAX_FRAME_SIZE, 1]])]],
  ['6.5.2', 'a table size of 0', status(200), [settingsFrame([[SETTING.HEADER_TABLE_SIZE, 0]]), get()]],
  ['6.6', 'PUSH_PROMISE', dead(PROTOCOL_ERROR), [post(), frame(FRAME.PUSH_PROMISE, DONE, 1, Buffer.alloc(8))]],
  ['6.8', 'GOAWAY that takes more than the last', dead(PROTOCOL_ERROR), [post(), goawayFrame(2, 0), goawayFrame(4, 0)]],
  ['6.9', 'WINDOW_UPDATE by nothing', reset(PROTOCOL_ERROR), [post(), more(1, 0)]],
  ['6.9.1', 'a window that overflows', reset(FLOW_CONTROL_ERROR), [post(), more(1, 2 ** 31 - 1)]],
  ['6.9.1', 'a window of the connection that overflows', dead(FLOW_CONTROL_ERROR), [more(0, 2 ** 31 - 1)]],
  [
    '6.9.1',
    'more DATA than the stream was granted',
    reset(FLOW_CONTROL_ERROR),
    [unread, data(1, 60_000), data(1, 6_000)],
  ],
  ['6.10', 'CONTINUATION without HEADERS', dead(PROTOCOL_ERROR), [post(), frame(FRAME.CONTINUATION, DONE, 1)]],
  [
    '6.10',
    'a block in pieces',
    status(200),
    [
      frame(FRAME.HEADERS, FLAG.END_STREAM, 1, encodeHeaders(GET).subarray(0, 5)),
      frame(FRAME.CONTINUATION, 0, 1, encodeHeaders(GET).subarray(5, 9)),
      frame(FRAME.CONTINUATION, DONE, 1, encodeHeaders(GET).subarray(9)),
    ],
  ],
];

const messages: readonly Row[] = [
  ['8.1', 'a GET that ends with its fields', status(200), [get()]],
  ['8.1', 'a POST whose content ends with DATA', status(200), [post(), end(3)]],
  ['8.1', 'a POST whose content ends with nothing', status(200), [post(), data(1, 3), end(0)]],
  ['8.1', 'trailers at the end', status(200), [post(), data(1), head(1, [['x', 'y']], LAST)]],
  ['8.1', 'trailers right after the head', status(200), [post(), head(1, [['x', 'y']], LAST)]],
  ['8.1', 'trailers that end nothing', reset(PROTOCOL_ERROR), [post(), head(1, [['x', 'y']])]],
  ['8.1', 'trailers with a pseudo-header field', reset(PROTOCOL_ERROR), [post(), head(1, [[':path', '/']], LAST)]],
  ['8.1', 'trailers with connection', reset(PROTOCOL_ERROR), [post(), head(1, [['connection', 'close']], LAST)]],
  ['8.1', 'trailers with a name in upper case', reset(PROTOCOL_ERROR), [post(), head(1, [['X', 'y']], LAST)]],
  ['8.1', 'trailers that frame nothing any more', status(200), [post(), head(1, [['content-length', '7']], LAST)]],
  [
    '8.1',
    'DATA after trailers',
    'fine',
    [head(1, [...POST.slice(0, 3), [':path', '/late']]), head(1, [['x', 'y']], LAST)],
  ],
  ['8.1.1', 'content-length with the right content', status(200), [post(['content-length', '3']), end(3)]],
  ['8.1.1', 'content-length with too much', reset(PROTOCOL_ERROR), [post(['content-length', '3']), data(1, 4)]],
  ['8.1.1', 'content-length with too little', reset(PROTOCOL_ERROR), [post(['content-length', '3']), end(2)]],
  [
    '8.1.1',
    'content-length with too little, and trailers',
    reset(PROTOCOL_ERROR),
    [post(['content-length', '3']), data(1, 2), head(1, [['x', 'y']], LAST)],
  ],
  ['8.1.1', 'content-length with none', refused(PROTOCOL_ERROR), [get(['content-length', '3'])]],
  ['8.1.1', 'content-length of 0 with none', status(200), [get(['content-length', '0'])]],
  ['8.1.1', 'content-length twice', refused(PROTOCOL_ERROR), [post(['content-length', '3'], ['content-length', '3'])]],
  ['8.1.1', 'content-length that is a list', refused(PROTOCOL_ERROR), [post(['content-length', '3, 3'])]],
  ['8.1.1', 'content-length with a sign', refused(PROTOCOL_ERROR), [post(['content-length', '+3'])]],
  ['8.1.1', 'content-length in another base', refused(PROTOCOL_ERROR), [post(['content-length', '0x3'])]],
  ['8.1.1', 'content-length beyond counting', refused(PROTOCOL_ERROR), [post(['content-length', '9'.repeat(20)])]],
  ['8.1.1', 'content-length that is empty', refused(PROTOCOL_ERROR), [post(['content-length', ''])]],
  ['8.2', 'a name in upper case', refused(PROTOCOL_ERROR), [get(['X-A', 'b'])]],
  ['8.2.1', 'an empty name', refused(PROTOCOL_ERROR), [get(['', 'b'])]],
  ['8.2.1', 'a name with a space', refused(PROTOCOL_ERROR), [get(['a b', 'c'])]],
  ['8.2.1', 'a name with a colon', refused(PROTOCOL_ERROR), [get(['a:b', 'c'])]],
  ['8.2.1', 'a name beyond ASCII', refused(PROTOCOL_ERROR), [get(['\xe4', 'c'])]],
  ['8.2.1', 'a value with a line feed', refused(PROTOCOL_ERROR), [get(['a', 'b\nc: d'])]],
  ['8.2.1', 'a value with a carriage return', refused(PROTOCOL_ERROR), [get(['a', 'b\rc'])]],
  ['8.2.1', 'a value with NUL', refused(PROTOCOL_ERROR), [get(['a', 'b\0'])]],
  ['8.2.1', 'a value with a space before it', refused(PROTOCOL_ERROR), [get(['a', ' b'])]],
  ['8.2.1', 'a value with a tab after it', refused(PROTOCOL_ERROR), [get(['a', 'b\t'])]],
  ['8.2.1', 'a cookie with a line feed', refused(PROTOCOL_ERROR), [get(['cookie', 'b\nc'])]],
  ['8.2.1', 'a value beyond ASCII', status(200), [get(['a', '\xe4'])]],
  ['8.2.2', 'connection', refused(PROTOCOL_ERROR), [get(['connection', 'close'])]],
  ['8.2.2', 'proxy-connection', refused(PROTOCOL_ERROR), [get(['proxy-connection', 'keep-alive'])]],
  ['8.2.2', 'keep-alive', refused(PROTOCOL_ERROR), [get(['keep-alive', 'timeout=5'])]],
  ['8.2.2', 'transfer-encoding', refused(PROTOCOL_ERROR), [post(['transfer-encoding', 'chunked'])]],
  ['8.2.2', 'upgrade', refused(PROTOCOL_ERROR), [get(['upgrade', 'h2c'])]],
  ['8.2.2', 'te other than trailers', refused(PROTOCOL_ERROR), [get(['te', 'gzip'])]],
  ['8.2.2', 'te with more than trailers', refused(PROTOCOL_ERROR), [get(['te', 'trailers, gzip'])]],
  ['8.2.2', 'te: trailers', status(200), [get(['te', 'trailers'])]],
  [
    '8.3',
    'a pseudo-header field that nobody knows',
    refused(PROTOCOL_ERROR),
    [head(1, [[':what', 'b'], ...GET], LAST)],
  ],
  ['8.3', 'one that belongs to responses', refused(PROTOCOL_ERROR), [head(1, [[':status', '200'], ...GET], LAST)]],
  [
    '8.3',
    'one after a regular field',
    refused(PROTOCOL_ERROR),
    [head(1, [...GET.slice(0, 3), ['a', 'b'], [':path', '/']], LAST)],
  ],
  ...[':method', ':scheme', ':path', ':authority'].flatMap((name): Row[] => [
    [
      '8.3',
      `${name} twice`,
      refused(PROTOCOL_ERROR),
      [head(1, [...GET, GET.find((field) => field[0] === name) ?? ['', '']], LAST)],
    ],
  ]),
  ...[':method', ':scheme', ':path'].map(
    (name): Row => ['8.3.1', `no ${name}`, refused(PROTOCOL_ERROR), [getBut(name)]],
  ),
  ...[':method', ':scheme', ':path'].map(
    (name): Row => ['8.3.1', `an empty ${name}`, refused(PROTOCOL_ERROR), [getBut(name, '')]],
  ),
  ['8.3.1', 'no :authority and no host', status(400), [getBut(':authority')]],
  ['8.3.1', 'an empty :authority', status(400), [getBut(':authority', '')]],
  ['8.3.1', 'host instead of :authority', status(200), [head(1, [...but(':authority'), ['host', 'a.b']], LAST)]],
  ['8.3.1', 'host as :authority', status(200), [get(['host', 'a.b'])]],
  ['8.3.1', 'host as :authority in another case', status(200), [get(['host', 'A.b'])]],
  ['8.3.1', 'host other than :authority', refused(PROTOCOL_ERROR), [get(['host', 'c.d'])]],
  ['8.3.1', 'host twice', refused(PROTOCOL_ERROR), [get(['host', 'a.b'], ['host', 'a.b'])]],
  ['8.3.1', ':authority with a user', refused(PROTOCOL_ERROR), [getBut(':authority', 'me@a.b')]],
  ['8.3.1', ':authority with a path', refused(PROTOCOL_ERROR), [getBut(':authority', 'a.b/c')]],
  ['8.3.1', ':authority with a space', refused(PROTOCOL_ERROR), [getBut(':authority', 'a.b c.d')]],
  ...['a.b,c.d', 'a.b%2ec', 'a.b:', 'a.b:80:80', "a'b", 'a.b&c', 'a.b=c', '[::1', '::1'].map(
    (value): Row => [
      '8.3.1',
      `:authority ${value}, which HTTP/1.1 takes as no host`,
      refused(PROTOCOL_ERROR),
      [getBut(':authority', value)],
    ],
  ),
  ['8.3.1', ':authority of IPv6 and a port', status(200), [getBut(':authority', '[::1]:80')]],
  ['8.3.1', ':path * of GET', refused(PROTOCOL_ERROR), [getBut(':path', '*')]],
  [
    '8.3.1',
    ':path * of OPTIONS',
    status(200),
    [head(1, [[':method', 'OPTIONS'], ...but(':path', '*').slice(1)], LAST)],
  ],
  ['8.3.1', ':path without a slash', refused(PROTOCOL_ERROR), [getBut(':path', 'a')]],
  ['8.3.1', ':path that is absolute', refused(PROTOCOL_ERROR), [getBut(':path', 'http://c.d/')]],
  ['8.3.1', ':path with a fragment', refused(PROTOCOL_ERROR), [getBut(':path', '/a#b')]],
  ['8.3.1', ':path with a space', refused(PROTOCOL_ERROR), [getBut(':path', '/a HTTP/1.1')]],
  ['8.3.1', ':path with a line feed', refused(PROTOCOL_ERROR), [getBut(':path', '/a\n')]],
  ['8.3.1', ':path beyond ASCII', refused(PROTOCOL_ERROR), [getBut(':path', '/\xe4')]],
  ['8.3.1', ':method with a space', refused(PROTOCOL_ERROR), [getBut(':method', 'GET /')]],
  ['8.3.1', ':method in small letters, as HTTP/1.1 refuses it', refused(PROTOCOL_ERROR), [getBut(':method', 'get')]],
  ['8.3.1', ':method of 33 letters', refused(PROTOCOL_ERROR), [getBut(':method', 'A'.repeat(33))]],
  ['8.3.1', ':scheme with a colon', refused(PROTOCOL_ERROR), [getBut(':scheme', 'http:')]],
  ['8.5', 'CONNECT', status(403), [connect([':authority', 'a.b:80'])]],
  ['8.5', 'CONNECT with a path', refused(PROTOCOL_ERROR), [connect(...GET.slice(1))]],
  ['8.5', 'CONNECT to nobody', refused(PROTOCOL_ERROR), [connect()]],
  ['RFC 8441, 4', 'CONNECT for websocket', status(200), [upgrade('websocket')]],
  ['RFC 8441, 4', 'CONNECT for something else', status(403), [upgrade('connect-udp')]],
  [
    'RFC 8441, 4',
    ':protocol without CONNECT',
    refused(PROTOCOL_ERROR),
    [head(1, [[':protocol', 'websocket'], ...GET])],
  ],
  [
    'RFC 8441, 4',
    'CONNECT for websocket without a path',
    refused(PROTOCOL_ERROR),
    [connect([':protocol', 'websocket'], [':authority', 'a.b'])],
  ],
  [
    '10.5.1',
    'more fields than we take',
    status(431),
    [get(...Array.from({ length: 120 }, (_, i) => [`a${i}`, 'b'] as const))],
  ],
  [
    '10.5.1',
    'more bytes than we take',
    status(431),
    [
      frame(FRAME.HEADERS, FLAG.END_STREAM, 1, encodeHeaders([...GET, ['a', 'b'.repeat(62_000)]]).subarray(0, 30_000)),
      frame(
        FRAME.CONTINUATION,
        FLAG.END_HEADERS,
        1,
        encodeHeaders([...GET, ['a', 'b'.repeat(62_000)]]).subarray(30_000),
      ),
    ],
  ],
  [
    '10.5.1',
    'many times more fields',
    dead(ENHANCE_YOUR_CALM),
    [get(...Array.from({ length: 3_000 }, (_, i) => [`a${i}`, 'b'] as const))],
  ],
];

/** Answers when all has come, but `/late` never; `/unread` does not even read. */
async function answering(request: HttpRequest) {
  if (request.upgrade) return { status: 101, headers: new HeaderFields(), body: request.body };
  if (request.target === '/unread') await new Promise(() => {});
  const received = await readBody(request.body, 1 << 20);
  if (request.target === '/late') await new Promise(() => {});
  return { status: 200, headers: new HeaderFields(), body: bodyOf(`${received.length}`) };
}

function serve(): { peer: RawPeer; refusals: Refusal[]; cut: () => void } {
  const [ours, theirs] = memoryLegs();
  const refusals: Refusal[] = [];
  const server = serveHttp2(ours, {
    handler: answering,
    limits: DEFAULT_LIMITS,
    onRefused: (one) => void refusals.push(one),
  });
  return { peer: new RawPeer(theirs, 'client'), refusals, cut: () => server.cut() };
}

for (const [title, rows] of [
  ['a server that receives, of framing,', framing],
  ['a server that receives, of messages,', messages],
] as const) {
  describe(title, () => {
    for (const [section, what, expected, bytes] of rows) {
      it(`${what} (${section}): ${JSON.stringify(expected)}`, async () => {
        const { peer, refusals, cut } = serve();
        await peer.say(...bytes).settled();
        const id = what.includes('leaves the table in step') ? 3 : 1;
        if (expected === 'fine') {
          assert.deepEqual([peer.isOver, peer.goaway(), peer.resetOf(1)], [false, undefined, undefined]);
        } else if ('dead' in expected) {
          assert.equal(peer.goaway(), expected.dead);
          await peer.until(() => peer.isOver);
        } else if ('status' in expected) {
          await peer.until(() => peer.statusOf(id) !== undefined || peer.isOver);
          assert.equal(peer.statusOf(id), String(expected.status));
          assert.deepEqual([peer.isOver, peer.goaway()], [false, undefined]);
          assert.equal(refusals.length, expected.status === 200 && id === 1 ? 0 : 1);
        } else {
          assert.equal(peer.resetOf(1), expected.reset);
          assert.deepEqual([peer.isOver, peer.goaway(), peer.statusOf(1)], [false, undefined, undefined]);
          assert.equal(refusals.length, expected.refused ? 1 : 0);
        }
        cut();
      });
    }
  });
}

/** What a server says to our client, whose request on stream 1 waits for its answer. */
const response = (fields: Fields, flags: number = DONE) => head(1, fields, flags);
const OK = response([[':status', '200']]);
const ok = (...rest: Fields) => response([[':status', '200'], ...rest]);
type Outcome = 'response' | 'malformed' | 'refused' | 'reset' | 'closed' | 'too-large' | 'body failed';
const asClient: readonly (readonly [string, string, Outcome, number | undefined, readonly Buffer[]])[] = [
  ['8.1', 'an answer and its content', 'response', undefined, [OK, end(3)]],
  ['8.1', 'an answer that ends with its fields', 'response', undefined, [response([[':status', '200']], LAST)]],
  ['8.1', 'an answer and trailers', 'response', undefined, [OK, data(1), response([['x', 'y']], LAST)]],
  ['8.1', 'DATA before the answer', 'malformed', PROTOCOL_ERROR, [data(1)]],
  ['8.1', 'an interim answer that ends', 'malformed', PROTOCOL_ERROR, [response([[':status', '103']], LAST)]],
  [
    '8.1',
    'an interim answer and then the final one',
    'response',
    undefined,
    [response([[':status', '103']]), OK, end(0)],
  ],
  ['8.1', 'trailers with a status', 'body failed', PROTOCOL_ERROR, [OK, response([[':status', '200']], LAST)]],
  ['8.1', 'a second answer', 'body failed', PROTOCOL_ERROR, [OK, OK]],
  ['8.1.1', 'content-length with too much', 'body failed', PROTOCOL_ERROR, [ok(['content-length', '2']), data(1, 3)]],
  ['8.1.1', 'content-length with too little', 'body failed', PROTOCOL_ERROR, [ok(['content-length', '2']), end(1)]],
  [
    '8.1.1',
    'content-length with none',
    'malformed',
    PROTOCOL_ERROR,
    [
      response(
        [
          [':status', '200'],
          ['content-length', '2'],
        ],
        LAST,
      ),
    ],
  ],
  ['8.1.1', 'content of 204', 'response', PROTOCOL_ERROR, [response([[':status', '204']]), data(1, 1)]],
  [
    '8.1.1',
    'content-length of 304',
    'response',
    undefined,
    [
      response(
        [
          [':status', '304'],
          ['content-length', '2'],
        ],
        LAST,
      ),
    ],
  ],
  ['8.3.2', 'an answer without a status', 'malformed', PROTOCOL_ERROR, [response([['a', 'b']])]],
  ['8.3.2', 'an answer with two', 'malformed', PROTOCOL_ERROR, [ok([':status', '200'])]],
  ['8.3.2', 'a status that is no number', 'malformed', PROTOCOL_ERROR, [response([[':status', '2oo']])]],
  [
    '8.3.2',
    'a status after a field',
    'malformed',
    PROTOCOL_ERROR,
    [
      response([
        ['a', 'b'],
        [':status', '200'],
      ]),
    ],
  ],
  ['8.3', 'an answer with a method', 'malformed', PROTOCOL_ERROR, [ok([':method', 'GET'])]],
  ['8.2.2', 'an answer with connection', 'malformed', PROTOCOL_ERROR, [ok(['connection', 'close'])]],
  ['8.2.1', 'an answer with a line feed', 'malformed', PROTOCOL_ERROR, [ok(['a', 'b\nc'])]],
  ['8.6', 'a change of protocols', 'malformed', PROTOCOL_ERROR, [response([[':status', '101']])]],
  ['8.7', 'REFUSED_STREAM', 'refused', undefined, [rst(1, H2.REFUSED_STREAM)]],
  ['8.7', 'GOAWAY that takes nothing', 'refused', undefined, [goawayFrame(0, 0)]],
  ['7', 'CANCEL', 'reset', undefined, [rst(1)]],
  ['7', 'NO_ERROR before the answer', 'reset', undefined, [rst(1, 0)]],
  ['7', 'CANCEL in the middle of the answer', 'body failed', undefined, [OK, data(1), rst(1)]],
  [
    '10.5.1',
    'fields larger than we said',
    'too-large',
    H2.CANCEL,
    [ok(...Array.from({ length: 120 }, (_, i) => [`a${i}`, 'b'] as const))],
  ],
];

describe('a client that receives', () => {
  for (const [section, what, outcome, code, bytes] of asClient) {
    it(`${what} (${section}): ${outcome}`, async () => {
      const [ours, theirs] = memoryLegs();
      const client = connectHttp2(ours, { limits: DEFAULT_LIMITS, onChange: () => {} });
      const peer = new RawPeer(theirs, 'server');
      const call = client.send(requestOf());
      const sight = call.response.then(
        (response) =>
          readBody(response.body, 100).then(
            () => 'response',
            () => 'body failed',
          ),
        (error) => error.kind,
      );
      call.response.catch(() => {});
      await peer.until(() => peer.blocks.length > 0);
      await peer.say(...bytes).settled();
      assert.equal(await sight, outcome);
      assert.equal(peer.resetOf(1), code);
      if (outcome === 'refused') assert.equal((await failure(call.response)).isProcessed, false);
      client.cut();
    });
  }
});
