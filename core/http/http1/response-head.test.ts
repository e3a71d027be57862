import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from '../http-error.ts';
import { parseResponseHead, type ResponseHead } from './response-head.ts';

function read(text: string, method = 'GET'): ResponseHead | string {
  try {
    return parseResponseHead(text, 100, method);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.detail;
  }
}

const head = (line: string, ...fields: string[]): string => `${line}\r\n${fields.map((f) => `${f}\r\n`).join('')}\r\n`;
const ok = (...fields: string[]): string => head('HTTP/1.1 200 OK', ...fields);

const REFUSED: readonly (readonly [string, string, string])[] = [
  ['another protocol', head('ICY 200 OK'), 'http1.status_line'],
  ['a version in small letters', head('http/1.1 200 OK'), 'http1.status_line'],
  ['HTTP/2.0', head('HTTP/2.0 200 OK'), 'http1.status_line'],
  ['HTTP/1.2', head('HTTP/1.2 200 OK'), 'http1.status_line'],
  ['a status of two digits', head('HTTP/1.1 20 OK'), 'http1.status_line'],
  ['a status of four digits', head('HTTP/1.1 2000 OK'), 'http1.status_line'],
  ['a status of letters', head('HTTP/1.1 2OO OK'), 'http1.status_line'],
  ['status 600', head('HTTP/1.1 600 X'), 'http1.status_line'],
  ['status 099', head('HTTP/1.1 099 X'), 'http1.status_line'],
  ['two blanks', head('HTTP/1.1  200 OK'), 'http1.status_line'],
  ['NUL in the phrase', head('HTTP/1.1 200 O\0K'), 'http1.status_line'],
  ['a bare CR in the phrase', head('HTTP/1.1 200 O\rK'), 'http1.status_line'],
  ['an empty line', '\r\n', 'http1.status_line'],
  ['length and chunks', ok('Content-Length: 1', 'Transfer-Encoding: chunked'), 'http1.length_and_chunked'],
  ['two lengths', ok('Content-Length: 1', 'Content-Length: 1'), 'http1.several_lengths'],
  ['a length that is none', ok('Content-Length: 1x'), 'http1.content_length'],
  ['a coding that is not known', ok('Transfer-Encoding: gzip'), 'http1.transfer_encoding'],
  ['chunks of HTTP/1.0', head('HTTP/1.0 200 OK', 'Transfer-Encoding: chunked'), 'http1.transfer_encoding'],
  ['a folded line', ok('X: a', ' b'), 'http1.folded_line'],
  ['a blank before the colon', ok('X : a'), 'http1.space_before_colon'],
  ['a NUL in a value', ok('X: a\0'), 'http1.control_byte'],
  ['a bare CR in a value', ok('X: a\rY: b'), 'http1.control_byte'],
];

for (const [name, text, detail] of REFUSED) {
  test(`a response is refused: ${name}`, () => {
    assert.equal(read(text), detail);
  });
}

const TAKEN: readonly (readonly [string, string, string, Partial<ResponseHead>])[] = [
  ['by length', ok('Content-Length: 5'), 'GET', { status: 200, framing: 5, isLast: false }],
  ['in chunks', ok('Transfer-Encoding: chunked'), 'GET', { framing: 'chunked', isLast: false }],
  ['until the end', ok('X: y'), 'GET', { framing: 'close', isLast: true }],
  ['to HEAD, with a length', ok('Content-Length: 5'), 'HEAD', { framing: 0, isLast: false }],
  ['to HEAD, with chunks', ok('Transfer-Encoding: chunked'), 'HEAD', { framing: 0, isLast: false }],
  ['204', head('HTTP/1.1 204 No Content'), 'GET', { framing: 0, isLast: false }],
  ['204 with a length, which means nothing', head('HTTP/1.1 204 X', 'Content-Length: 5'), 'GET', { framing: 0 }],
  [
    '304 with a length, which is that of another answer',
    head('HTTP/1.1 304 X', 'Content-Length: 5'),
    'GET',
    { framing: 0 },
  ],
  ['100', head('HTTP/1.1 100 Continue'), 'POST', { status: 100, framing: 0 }],
  ['no phrase', head('HTTP/1.1 200 '), 'HEAD', { status: 200 }],
  ['no phrase and no blank', head('HTTP/1.1 200'), 'HEAD', { status: 200 }],
  ['a phrase above ASCII', head('HTTP/1.1 200 \xc3\xa4'), 'HEAD', { status: 200 }],
  [
    'HTTP/1.0 takes no other request',
    head('HTTP/1.0 200 OK', 'Content-Length: 5', 'Connection: keep-alive'),
    'GET',
    { framing: 5, isLast: true },
  ],
  ['connection: close', ok('Content-Length: 5', 'Connection: close'), 'GET', { framing: 5, isLast: true }],
  [
    '101',
    head('HTTP/1.1 101 X', 'Connection: Upgrade', 'Upgrade: WebSocket'),
    'GET',
    { status: 101, upgrade: 'websocket' },
  ],
];

for (const [name, text, method, wanted] of TAKEN) {
  test(`a response is taken: ${name}`, () => {
    const got = read(text, method);
    assert.ok(typeof got !== 'string', String(got));
    for (const [key, value] of Object.entries(wanted)) assert.equal(got[key as keyof ResponseHead], value, key);
  });
}
