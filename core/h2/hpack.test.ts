import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Nghttp2Decoder } from '../net/index.ts';
import type { HeaderField } from './header-blocks.ts';
import { encodeHeaders } from './hpack.ts';

const LIMITS = { maxListBytes: 65_536, maxFields: 128 };

it('what the encoder writes, nghttp2 reads: names, long values, bytes beyond ASCII', () => {
  using decoder = new Nghttp2Decoder();
  const lists: readonly (readonly HeaderField[])[] = [
    [
      [':method', 'CONNECT'],
      [':authority', '[2001:db8::1]:8080'],
      ['baggage', 'k8s.cluster.name=c1,service.name=web'],
    ],
    [[':status', '200']],
    [
      [':status', '503'],
      ['ambit-receipt', '01H'],
    ],
    [
      [':status', '401'],
      ['empty', ''],
    ],
    ...[126, 127, 128, 254, 255, 256, 16_511, 40_000].map((n): HeaderField[] => [['long', 'x'.repeat(n)]]),
    [['latin', '\u00e9\u00ff']],
  ];
  for (const fields of lists) {
    assert.deepEqual(decoder.decode(encodeHeaders(fields), LIMITS), { kind: 'fields', fields });
  }
});

it('Huffman codes and the dynamic table are decoded (RFC 7541, appendix C.4)', () => {
  using decoder = new Nghttp2Decoder();
  const blocks = ['828684418cf1e3c2e5f23a6ba0ab90f4ff', '828684be5886a8eb10649cbf'];
  const [, second] = blocks.map((hex) => decoder.decode(Buffer.from(hex, 'hex'), LIMITS));
  assert.deepEqual(second, {
    kind: 'fields',
    fields: [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
      ['cache-control', 'no-cache'],
    ],
  });
});

/** One field of 4 KB for the table, and then so many references to it. */
function swelling(references: number): Buffer {
  const field = Buffer.concat([Buffer.from([0x40, 0x01, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4_000, 0x62)]);
  return Buffer.concat([field, Buffer.alloc(references, 0xbe)]);
}

it('a list that is too large is decoded to its end and not kept, and the table is in step', () => {
  using decoder = new Nghttp2Decoder();
  assert.deepEqual(decoder.decode(swelling(100), LIMITS), { kind: 'too-large' });
  assert.deepEqual(decoder.decode(Buffer.from([0xbe]), LIMITS), { kind: 'fields', fields: [['a', 'b'.repeat(4_000)]] });
  const many = encodeHeaders(Array.from({ length: 200 }, (_, i): HeaderField => [`n${i}`, '']));
  assert.deepEqual(decoder.decode(many, LIMITS), { kind: 'too-large' });
  assert.equal(decoder.decode(encodeHeaders([[':status', '200']]), LIMITS).kind, 'fields');
});

it('a list many times too large is a bomb, of which no more is decoded', () => {
  using decoder = new Nghttp2Decoder();
  assert.deepEqual(decoder.decode(swelling(1_000), LIMITS), { kind: 'bomb' });
});

for (const [what, hex] of [
  ['an index beyond the table', 'ff80808001'],
  ['a string that is cut off', '4003616263'],
  ['a table size above the agreed one', '3fe1ff7f'],
  ['an integer without end', '3fffffffffffffffff'],
] as const) {
  it(`a block with ${what} is malformed`, () => {
    using decoder = new Nghttp2Decoder();
    assert.deepEqual(decoder.decode(Buffer.from(hex, 'hex'), LIMITS), { kind: 'malformed' });
  });
}

it('closed twice, and used after, nothing happens', () => {
  const decoder = new Nghttp2Decoder();
  decoder[Symbol.dispose]();
  decoder[Symbol.dispose]();
  assert.deepEqual(decoder.decode(Buffer.alloc(1), LIMITS), { kind: 'malformed' });
});
