import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError } from '../http-error.ts';
import { ChunkReader } from './chunk-reader.ts';

const LIMITS = { headBytes: 1_000, headFields: 10 };

/** What a body says, in pieces of at most `pieceBytes`; and where it ended. */
function read(
  text: string,
  pieceBytes = Number.POSITIVE_INFINITY,
): { body: string; rest: string; trailers: string[] } | string {
  const reader = new ChunkReader(LIMITS);
  const bytes = Buffer.from(text, 'latin1');
  let body = '';
  try {
    for (let from = 0; from < bytes.length; ) {
      const view = bytes.subarray(from, Math.min(bytes.length, from + pieceBytes));
      let at = 0;
      while (at < view.length && !reader.isOver) {
        at = reader.read(view, at);
        if (reader.piece !== undefined) body += Buffer.from(reader.piece).toString('latin1');
      }
      from += at;
      if (reader.isOver) return { body, rest: text.slice(from), trailers: reader.trailers?.list ?? [] };
    }
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return error.detail;
  }
  return `incomplete: ${body}`;
}

const REFUSED: readonly (readonly [string, string, string])[] = [
  ['no size', '\r\nabc\r\n', 'http1.chunk_size'],
  ['a size with 0x', '0x3\r\nabc\r\n', 'http1.chunk_size'],
  ['a size with a plus', '+3\r\nabc\r\n', 'http1.chunk_size'],
  ['a size with a minus', '-3\r\nabc\r\n', 'http1.chunk_size'],
  ['a blank before the size', ' 3\r\nabc\r\n', 'http1.chunk_size'],
  ['a blank after the size', '3 \r\nabc\r\n', 'http1.chunk_size'],
  ['a tab after the size', '3\t\r\nabc\r\n', 'http1.chunk_size'],
  ['a size with an underscore', '1_0\r\n', 'http1.chunk_size'],
  ['a size that is no hex', '3g\r\nabc\r\n', 'http1.chunk_size'],
  ['a size in digits of another script', '\xd9\xa3\r\n', 'http1.chunk_size'],
  ['a size that overflows 64 bits', '10000000000000003\r\nabc\r\n', 'http1.chunk_size'],
  ['a size of 13 digits', '0000000000003\r\nabc\r\n', 'http1.chunk_size'],
  ['a size that ends with LF alone', '3\nabc\r\n', 'http1.chunk_size'],
  ['a size that ends with CR alone', '3\rabc\r\n', 'http1.chunk_end'],
  ['a size that ends with CR CR LF', '3\r\r\nabc\r\n', 'http1.chunk_end'],
  ['a chunk that is longer than its size', '3\r\nabcd\r\n', 'http1.chunk_end'],
  ['a chunk that is shorter than its size', '3\r\nab\r\n0\r\n\r\n', 'http1.chunk_end'],
  ['a chunk that ends with LF alone', '3\r\nabc\n0\r\n\r\n', 'http1.chunk_end'],
  ['a chunk that ends with any two bytes', '3\r\nabcXX0\r\n\r\n', 'http1.chunk_end'],
  ['the last chunk ends with LF alone', '0\n\r\n', 'http1.chunk_size'],
  ['the end is LF alone', '0\r\n\n', 'http1.bare_lf'],
  ['an extension with LF alone in it', '3;a\nabc\r\n', 'http1.chunk_extensions'],
  ['an extension with a NUL', '3;a=\0\r\nabc\r\n', 'http1.chunk_extensions'],
  ['an extension with a blank before it', '3 ;a\r\nabc\r\n', 'http1.chunk_size'],
  ['an extension with a blank in it', '3; a\r\nabc\r\n', 'http1.chunk_extensions'],
  ['an extension above ASCII', '3;\xff\r\nabc\r\n', 'http1.chunk_extensions'],
  ['an extension without a name', '3;\r\nabc\r\n', 'http1.chunk_extensions'],
  ['an extension in an open quotation', '3;a="b\r\nabc\r\n', 'http1.chunk_extensions'],
  ['one extension without end', `3;${'a'.repeat(5_000)}`, 'http1.chunk_extensions'],
  ['many extensions, each small', '1;aaaaaaaa\r\nx\r\n'.repeat(600), 'http1.chunk_extensions'],
  ['trailers beyond the bytes', `0\r\nA: ${'b'.repeat(1_000)}\r\n\r\n`, 'request_headers_too_large'],
  ['trailers beyond the fields', `0\r\n${'a: b\r\n'.repeat(11)}\r\n`, 'request_headers_too_large'],
  ['a folded trailer', '0\r\na: b\r\n c\r\n\r\n', 'http1.folded_line'],
  ['a trailer with a blank before its colon', '0\r\na : b\r\n\r\n', 'http1.space_before_colon'],
  ['trailers with a length', '0\r\ncontent-length: 1\r\n\r\n', 'http1.framing_in_trailers'],
  ['trailers with a coding', '0\r\nTransfer-Encoding: chunked\r\n\r\n', 'http1.framing_in_trailers'],
  ['trailers that close the connection', '0\r\nConnection: close\r\n\r\n', 'http1.framing_in_trailers'],
  ['trailers with a Host', '0\r\nhost: b\r\n\r\n', 'http1.framing_in_trailers'],
  ['a trailer with a bare CR', '0\r\na: b\rc\r\n\r\n', 'http1.control_byte'],
  [
    'trailers that frame in two ways',
    '0\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'http1.framing_in_trailers',
  ],
];

for (const [name, text, detail] of REFUSED) {
  test(`a chunked body is refused: ${name}`, () => {
    assert.equal(read(text), detail);
    assert.equal(read(text, 1), detail);
  });
}

test('a chunked body is the same however it is split, and ends exactly', () => {
  const text =
    '3\r\nabc\r\n1;x="y z"\r\nd\r\nA\r\n0123456789\r\n00000000000a;q\r\n\r\n\r\n\r\n\r\n\r\n\r\n0;last\r\n\r\nGET / HTTP/1.1';
  const wanted = { body: 'abcd0123456789\r\n\r\n\r\n\r\n\r\n', rest: 'GET / HTTP/1.1', trailers: [] };
  for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes += 1) assert.deepEqual(read(text, pieceBytes), wanted);
});

test('trailers come, without those that a message may not have there', () => {
  const forbidden = 'Authorization: c\r\nSet-Cookie: d\r\nContent-Type: e\r\nExpect: g\r\n';
  const text = `0\r\nX-Sum: 7\r\n${forbidden}grpc-status: 0\r\n\r\nrest`;
  const wanted = { body: '', rest: 'rest', trailers: ['x-sum', '7', 'grpc-status', '0'] };
  for (let pieceBytes = 1; pieceBytes <= text.length; pieceBytes += 7) assert.deepEqual(read(text, pieceBytes), wanted);
});
