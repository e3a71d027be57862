import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from '../http-error.ts';
import { HeadGatherer } from './head-gatherer.ts';
import { parseRequestHead, type RequestHead, startLineOf } from './request-head.ts';

const LIMIT = 60 * 1024;

function read(text: string, limitBytes = LIMIT, maxFields = 100): RequestHead | string {
  const gatherer = new HeadGatherer();
  try {
    gatherer.take(Buffer.from(text, 'latin1'), 0, limitBytes);
    if (!gatherer.isWhole) return 'incomplete';
    return parseRequestHead(gatherer.text, maxFields);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return `${error.status} ${error.detail}`;
  }
}

const post = (...lines: string[]): string =>
  `POST / HTTP/1.1\r\nHost: a.test\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`;
const start = (line: string, host = 'a.test'): string => `${line}\r\nHost: ${host}\r\n\r\n`;

/** Name, head, and what it is answered; each could be read by somebody as another request than by us. */
const REFUSED: readonly (readonly [string, string, string])[] = [
  // How long the body is
  ['CL.TE', post('Content-Length: 6', 'Transfer-Encoding: chunked'), '400 http1.length_and_chunked'],
  ['TE.CL', post('Transfer-Encoding: chunked', 'Content-Length: 6'), '400 http1.length_and_chunked'],
  ['CL.0 with TE', post('Content-Length: 0', 'Transfer-Encoding: chunked'), '400 http1.length_and_chunked'],
  ['two equal Content-Length', post('Content-Length: 6', 'Content-Length: 6'), '400 http1.several_lengths'],
  ['two different Content-Length', post('Content-Length: 6', 'Content-Length: 7'), '400 http1.several_lengths'],
  ['a list of lengths', post('Content-Length: 6, 6'), '400 http1.content_length'],
  ['a negative length', post('Content-Length: -1'), '400 http1.content_length'],
  ['a length with a plus', post('Content-Length: +6'), '400 http1.content_length'],
  ['a length in hex', post('Content-Length: 0x6'), '400 http1.content_length'],
  ['a length with an underscore', post('Content-Length: 1_0'), '400 http1.content_length'],
  ['a length with zeros before it', post('Content-Length: 010'), '400 http1.content_length'],
  ['a length with a fraction', post('Content-Length: 1.0'), '400 http1.content_length'],
  ['a length with an exponent', post('Content-Length: 1e1'), '400 http1.content_length'],
  ['a length without digits', post('Content-Length:'), '400 http1.content_length'],
  ['a length with a blank inside', post('Content-Length: 1 0'), '400 http1.content_length'],
  ['a length that overflows', post('Content-Length: 18446744073709551616'), '400 http1.content_length'],
  ['a length in Arabic digits', post('Content-Length: \xd9\xa1'), '400 http1.content_length'],
  ['Content_Length beside nothing', post('Content_Length: 6'), '400 http1.framing_lookalike'],
  ['Transfer_Encoding', post('Transfer_Encoding: chunked'), '400 http1.framing_lookalike'],
  [
    'TE.TE, the same twice',
    post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    '400 http1.transfer_encoding',
  ],
  [
    'TE.TE, identity second',
    post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
    '400 http1.transfer_encoding',
  ],
  ['TE.TE, chunked, chunked', post('Transfer-Encoding: chunked, chunked'), '501 http1.transfer_encoding'],
  ['TE identity', post('Transfer-Encoding: identity'), '400 http1.transfer_encoding'],
  ['TE xchunked', post('Transfer-Encoding: xchunked'), '400 http1.transfer_encoding'],
  ['TE gzip, chunked', post('Transfer-Encoding: gzip, chunked'), '501 http1.transfer_encoding'],
  ['TE chunked, gzip', post('Transfer-Encoding: chunked, gzip'), '400 http1.transfer_encoding'],
  ['TE chunked with a comma after it', post('Transfer-Encoding: chunked,'), '400 http1.transfer_encoding'],
  ['TE with a comma before chunked', post('Transfer-Encoding: ,chunked'), '400 http1.transfer_encoding'],
  ['TE with a parameter', post('Transfer-Encoding: chunked;q=1'), '400 http1.transfer_encoding'],
  ['TE in quotes', post('Transfer-Encoding: "chunked"'), '400 http1.transfer_encoding'],
  ['TE of nothing', post('Transfer-Encoding:'), '400 http1.transfer_encoding'],
  ['TE with a vertical tab', post('Transfer-Encoding: \x0bchunked'), '400 http1.control_byte'],
  ['TE with a blank before the colon', post('Transfer-Encoding : chunked'), '400 http1.space_before_colon'],
  ['TE with a tab before the colon', post('Transfer-Encoding\t: chunked'), '400 http1.space_before_colon'],
  ['TE folded', post('Transfer-Encoding:', ' chunked'), '400 http1.folded_line'],
  ['TE behind a NUL', post('X: a\0Transfer-Encoding: chunked'), '400 http1.control_byte'],
  ['TE behind a bare CR', post('X: a\rTransfer-Encoding: chunked'), '400 http1.control_byte'],
  ['TE behind a bare LF', post('X: a\nTransfer-Encoding: chunked'), '400 http1.bare_lf'],
  ['TE in a name with a NUL', post('Transfer-Encoding\0: chunked'), '400 http1.field_name'],
  ['TE in a name with obs-text', post('\xffTransfer-Encoding: chunked'), '400 http1.field_name'],
  // Lines
  ['lines that end with LF alone', 'GET / HTTP/1.1\nHost: a.test\n\n', '400 http1.bare_lf'],
  ['a request line that ends with LF alone', 'GET / HTTP/1.1\nHost: a.test\r\n\r\n', '400 http1.bare_lf'],
  ['an empty line that is LF alone', 'GET / HTTP/1.1\r\nHost: a.test\r\n\n', '400 http1.bare_lf'],
  ['a request line with a bare CR', start('GET /a\rb HTTP/1.1'), '400 http1.target'],
  ['a field line that is folded', post('X: a', ' b'), '400 http1.folded_line'],
  ['a field line that is folded by a tab', post('X: a', '\tb'), '400 http1.folded_line'],
  ['the first field line begins with a blank', 'GET / HTTP/1.1\r\n Host: a.test\r\n\r\n', '400 http1.folded_line'],
  ['a line without a colon', post('Smuggled'), '400 http1.field_name'],
  ['a line without a name', post(': x'), '400 http1.field_name'],
  ['a name with a blank inside', post('X Y: z'), '400 http1.space_before_colon'],
  ['a name with a bracket', post('X[]: z'), '400 http1.field_name'],
  ['a name with a slash', post('X/Y: z'), '400 http1.field_name'],
  ['a name in quotes', post('"X": z'), '400 http1.field_name'],
  ['NUL in a value', post('X: a\0b'), '400 http1.control_byte'],
  ['DEL in a value', post('X: a\x7fb'), '400 http1.control_byte'],
  ['ESC in a value', post('X: \x1b[0m'), '400 http1.control_byte'],
  ['two empty lines before the request', '\r\n\r\nGET / HTTP/1.1\r\n\r\n', '400 http1.method'],
  // Request line
  ['a small-letter method', start('get / HTTP/1.1'), '400 http1.method'],
  ['a method of mixed letters', start('Get / HTTP/1.1'), '400 http1.method'],
  ['no method', start(' / HTTP/1.1'), '400 http1.method'],
  ['a method with a bracket', start('G(T / HTTP/1.1'), '400 http1.method'],
  ['a method of 33 bytes', start(`${'M'.repeat(33)} / HTTP/1.1`), '400 http1.method'],
  ['a blank before the method', start(' GET / HTTP/1.1'), '400 http1.method'],
  ['two blanks before the target', start('GET  / HTTP/1.1'), '400 http1.target'],
  ['two blanks after the target', start('GET /  HTTP/1.1'), '400 http1.version'],
  ['a tab for a blank', start('GET\t/ HTTP/1.1'), '400 http1.method'],
  ['a blank after the version', start('GET / HTTP/1.1 '), '400 http1.version'],
  ['a blank in the target', start('GET /a b HTTP/1.1'), '400 http1.version'],
  ['a second version in the target', start('GET / HTTP/1.1 HTTP/1.1'), '400 http1.version'],
  ['no target', start('GET HTTP/1.1'), '400 http1.target'],
  ['no version', start('GET /'), '400 http1.target'],
  ['a version in small letters', start('GET / http/1.1'), '400 http1.version'],
  ['HTTP/1.0', start('GET / HTTP/1.0'), '426 low_version'],
  ['HTTP/0.9', start('GET / HTTP/0.9'), '505 http1.version'],
  ['HTTP/1.2', start('GET / HTTP/1.2'), '505 http1.version'],
  ['HTTP/2.0', start('GET / HTTP/2.0'), '505 http1.version'],
  ['HTTP/1.10', start('GET / HTTP/1.10'), '400 http1.version'],
  ['HTTP/1', start('GET / HTTP/1'), '400 http1.version'],
  ['a fragment in the target', start('GET /a#b HTTP/1.1'), '400 http1.target'],
  ['NUL in the target', start('GET /a\0b HTTP/1.1'), '400 http1.target'],
  ['a byte above ASCII in the target', start('GET /\xe4 HTTP/1.1'), '400 http1.target'],
  ['a target without its slash', start('GET a.html HTTP/1.1'), '400 http1.target'],
  ['a query alone', start('GET ?a HTTP/1.1'), '400 http1.target'],
  ['* for another method than OPTIONS', start('GET * HTTP/1.1'), '400 http1.target'],
  ['an authority as the target', start('GET a.test:80 HTTP/1.1'), '400 http1.target'],
  ['CONNECT', start('CONNECT a.test:80 HTTP/1.1', 'a.test:80'), '403 connect_not_supported'],
  ['CONNECT with a path', start('CONNECT / HTTP/1.1'), '403 connect_not_supported'],
  ['an absolute target of another host', start('GET http://b.test/ HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target of another port', start('GET http://a.test:81/ HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target with a user', start('GET http://a.test@b.test/ HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target with a user of our host', start('GET http://b@a.test/ HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target with a backslash', start('GET http://a.test\\@b.test/ HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target without a host', start('GET http:///a HTTP/1.1'), '400 http1.target_and_host'],
  ['an absolute target of another scheme', start('GET https://a.test/ HTTP/1.1'), '400 http1.target'],
  ['an absolute target of a file', start('GET file:///etc/passwd HTTP/1.1'), '400 http1.target'],
  // Host
  ['no Host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', '400 missing_host_header'],
  ['no field at all', 'GET / HTTP/1.1\r\n\r\n', '400 missing_host_header'],
  ['an empty Host', start('GET / HTTP/1.1', ''), '400 missing_host_header'],
  ['an absolute target and no Host', 'GET http://a.test/ HTTP/1.1\r\n\r\n', '400 missing_host_header'],
  ['two Hosts', post('Host: b.test'), '400 http1.several_hosts'],
  ['two equal Hosts', post('host: a.test'), '400 http1.several_hosts'],
  ['a list of Hosts', start('GET / HTTP/1.1', 'a.test, b.test'), '400 http1.host'],
  ['a Host with a user', start('GET / HTTP/1.1', 'b@a.test'), '400 http1.host'],
  ['a Host with a path', start('GET / HTTP/1.1', 'a.test/b'), '400 http1.host'],
  ['a Host with a query', start('GET / HTTP/1.1', 'a.test?b'), '400 http1.host'],
  ['a Host with an empty label', start('GET / HTTP/1.1', 'a.test..'), '400 http1.host'],
  ['a Host with an empty label in front of a port', start('GET / HTTP/1.1', 'a..test:80'), '400 http1.host'],
  ['a Host that begins with a dot', start('GET / HTTP/1.1', '.a.test'), '400 http1.host'],
  ['a Host with percent-encoding', start('GET / HTTP/1.1', 'a%2etest'), '400 http1.host'],
  ['a Host with an empty port', start('GET / HTTP/1.1', 'a.test:'), '400 http1.host'],
  ['a Host with two ports', start('GET / HTTP/1.1', 'a.test:80:81'), '400 http1.host'],
  ['a Host with a port in letters', start('GET / HTTP/1.1', 'a.test:http'), '400 http1.host'],
  ['a Host with a blank', start('GET / HTTP/1.1', 'a.test b.test'), '400 http1.host'],
  ['a Host above ASCII', start('GET / HTTP/1.1', 'b\xfccher.test'), '400 http1.host'],
  ['a Host that is a URL', start('GET / HTTP/1.1', 'http://a.test'), '400 http1.host'],
  // Expectations and upgrades
  ['an expectation that is not known', post('Content-Length: 1', 'Expect: 200-ok'), '417 http1.expectation'],
  ['two expectations', post('Content-Length: 1', 'Expect: 100-continue', 'Expect: x'), '417 http1.expectation'],
  ['an upgrade to no protocol', post('Connection: upgrade', 'Upgrade: web socket'), '400 http1.upgrade'],
];

for (const [name, head, answer] of REFUSED) {
  test(`refused: ${name}`, () => {
    assert.equal(read(head), answer);
  });
}

/** Name, head, and what of it matters. */
const TAKEN: readonly (readonly [string, string, Partial<RequestHead> & { readonly list?: string[] }])[] = [
  [
    'a path',
    start('GET /a/b?c=d&e HTTP/1.1'),
    { method: 'GET', target: '/a/b?c=d&e', authority: 'a.test', length: 0, list: [] },
  ],
  [
    'a path with everything that may be in it',
    start(`GET /\\"<>^\`{|}[]%00 HTTP/1.1`),
    { target: `/\\"<>^\`{|}[]%00` },
  ],
  ['a method of an extension', start('M-SEARCH / HTTP/1.1'), { method: 'M-SEARCH' }],
  ['a method that nobody knows', start('PURGE / HTTP/1.1'), { method: 'PURGE' }],
  ['OPTIONS *', start('OPTIONS * HTTP/1.1'), { target: '*' }],
  [
    'an absolute target that Host agrees with',
    start('GET http://a.test/b?c HTTP/1.1'),
    { target: '/b?c', authority: 'a.test' },
  ],
  ['an absolute target in other letters', start('GET HTTP://A.Test/b HTTP/1.1'), { target: '/b', authority: 'a.test' }],
  ['an absolute target without a path', start('GET http://a.test HTTP/1.1'), { target: '/' }],
  ['an absolute target with a query alone', start('GET http://a.test?b HTTP/1.1'), { target: '/?b' }],
  ['OPTIONS of an absolute target without a path', start('OPTIONS http://a.test HTTP/1.1'), { target: '*' }],
  ['a Host with a port', start('GET / HTTP/1.1', 'a.test:8080'), { authority: 'a.test:8080' }],
  ['a Host that is an IPv6 address', start('GET / HTTP/1.1', '[2001:db8::1]:80'), { authority: '[2001:db8::1]:80' }],
  ['a Host with an underscore', start('GET / HTTP/1.1', 'a_b.test'), { authority: 'a_b.test' }],
  ['no blank after the colon', 'GET / HTTP/1.1\r\nHost:a.test\r\nX:y\r\n\r\n', { list: ['x', 'y'] }],
  ['blanks around a value', post('X: \t y z \t '), { list: ['x', 'y z'] }],
  ['an empty value', post('X:', 'Y: '), { list: ['x', '', 'y', ''] }],
  ['a value with colons, and bytes above ASCII', post('X: a:b:\xe4\xff'), { list: ['x', 'a:b:\xe4\xff'] }],
  ['several fields of one name, in order', post('A: 1', 'B: 2', 'a: 3'), { list: ['a', '1', 'b', '2', 'a', '3'] }],
  ['a name with an underscore', post('X_Forwarded_For: y'), { list: ['x_forwarded_for', 'y'] }],
  ['a length', post('Content-Length: 12'), { length: 12, list: ['content-length', '12'] }],
  ['a length of 0', post('Content-Length: 0'), { length: 0 }],
  ['the largest length', post('Content-Length: 999999999999999'), { length: 999_999_999_999_999 }],
  ['chunked', post('Transfer-Encoding: chunked'), { length: undefined, list: [] }],
  ['chunked in other letters', post('Transfer-Encoding: Chunked'), { length: undefined, list: [] }],
  ['connection: close', post('Connection: close'), { isLast: true, list: [] }],
  [
    'connection: Close in a list',
    post('Connection: x-a , Close', 'X-A: 1', 'X-B: 2'),
    { isLast: true, list: ['x-b', '2'] },
  ],
  ['fields that Connection names go', post('Connection: x-a', 'X-A: 1', 'x-a: 2'), { isLast: false, list: [] }],
  ['Connection names a value that looks like a name', post('Connection: y', 'X: y', 'Y: x'), { list: ['x', 'y'] }],
  [
    'Connection can not take the framing away',
    post('Connection: content-length, host', 'Content-Length: 3'),
    { length: 3, authority: 'a.test' },
  ],
  ['fields between neighbours go', post('Keep-Alive: 5', 'Proxy-Connection: x', 'TE: gzip'), { list: [] }],
  ['te: trailers stays', post('TE: gzip, trailers', 'Connection: te'), { list: ['te', 'trailers'] }],
  ['te that only looks like trailers goes', post('TE: xtrailers'), { list: [] }],
  [
    'an expectation of 100',
    post('Content-Length: 1', 'Expect: 100-Continue'),
    { expectsContinue: true, list: ['content-length', '1'] },
  ],
  [
    'an expectation of 100 without a body means nothing',
    post('Expect: 100-continue'),
    { expectsContinue: false, list: [] },
  ],
  [
    'an upgrade',
    start('GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket'),
    { upgrade: 'websocket', list: [] },
  ],
  ['an upgrade that Connection does not name', post('Upgrade: websocket'), { upgrade: undefined, list: [] }],
  ['the first of several protocols', post('Connection: upgrade', 'Upgrade: h2c, a/1.0, b'), { upgrade: 'a/1.0' }],
  [
    'h2c is ignored',
    post('Connection: upgrade, http2-settings', 'Upgrade: h2c', 'HTTP2-Settings: x'),
    { upgrade: undefined, list: [] },
  ],
  [
    'an upgrade of a request with a body is ignored',
    post('Connection: upgrade', 'Upgrade: x', 'Content-Length: 1'),
    { upgrade: undefined },
  ],
];

for (const [name, head, wanted] of TAKEN) {
  test(`taken: ${name}`, () => {
    const got = read(head);
    assert.ok(typeof got !== 'string', String(got));
    const { list, ...rest } = wanted;
    for (const [key, value] of Object.entries(rest)) assert.equal(got[key as keyof RequestHead], value, key);
    if (list !== undefined) assert.deepEqual(got.headers.list, list);
  });
}

test('a head of exactly the limit is taken, and one byte more is too large', () => {
  const fill = (bytes: number) => post(`X: ${'y'.repeat(bytes - post('X: ').length)}`);
  assert.equal(fill(1_000).length, 1_000);
  assert.equal(typeof read(fill(1_000), 1_000), 'object');
  assert.equal(read(fill(1_001), 1_000), '431 request_headers_too_large');
});

test('a head that never ends is refused at the limit, not after', () => {
  assert.equal(read(`GET /${'a'.repeat(2_000)}`, 1_000), '431 request_headers_too_large');
  assert.equal(read(`GET /${'a'.repeat(900)}`, 1_000), 'incomplete');
});

test('as many fields as the limit says are taken, and not one more', () => {
  const fields = (count: number) => post(...Array.from({ length: count - 1 }, (_, i) => `X-${i}: y`));
  assert.equal(typeof read(fields(100)), 'object');
  assert.equal(read(fields(101)), '431 request_headers_too_large');
});

test('a head means the same wherever it is split, and the bytes behind it are left', () => {
  const head = post('Content-Length: 3', 'X: y');
  const bytes = Buffer.from(`${head}abcGET`, 'latin1');
  for (let split = 1; split < head.length; split += 1) {
    const gatherer = new HeadGatherer();
    assert.equal(gatherer.take(bytes.subarray(0, split), 0, LIMIT), split);
    assert.equal(gatherer.isWhole, false);
    assert.equal(gatherer.take(bytes.subarray(split), 0, LIMIT), head.length - split);
    assert.equal(gatherer.text, head);
  }
});

test('a head that comes byte by byte is gathered without being copied each time', () => {
  const head = Buffer.from(post(`X: ${'y'.repeat(50_000)}`), 'latin1');
  const gatherer = new HeadGatherer();
  for (let at = 0; at < head.length; at += 1) gatherer.take(head.subarray(at, at + 1), 0, LIMIT);
  assert.equal(gatherer.isWhole, true);
  assert.equal(gatherer.text, head.toString('latin1'));
});

test('what is logged of a refused head is its method and target, if they look like that', () => {
  assert.deepEqual(startLineOf('GET /a HTTP/1.1\r\n\r\n'), { method: 'GET', target: '/a' });
  assert.deepEqual(startLineOf('GET /a\x1b[0m HTTP/1.1\r\n\r\n'), { method: 'GET' });
  assert.deepEqual(startLineOf('\x16\x03\x01 x'), {});
  assert.deepEqual(startLineOf(''), {});
});
