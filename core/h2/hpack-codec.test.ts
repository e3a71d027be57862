/** The decoder and the encoder of messages, held against nghttp2's. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Nghttp2Decoder } from '../net/index.ts';
import { type Field, HpackDecoder, staticFields } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';
import { randomness } from './randomness.ts';

const LIMITS = { maxListBytes: 65_536, maxFields: 1_000 };
const SMALL = { maxListBytes: 400, maxFields: 6 };
const make = (name: string, value: string): Field => ({ name, value });
const fixed = staticFields(make);
const newDecoder = () => new HpackDecoder(fixed, make);
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
type Result = ReturnType<HpackDecoder<Field>['decode']>;
const plain = (result: Result) =>
  result.kind === 'fields' ? result.fields.map(({ name, value }) => [name, value]) : result.kind;

function encode(encoder: HpackEncoder, list: readonly string[]): Buffer {
  const into = Buffer.alloc(HpackEncoder.boundOf(list));
  encoder.begin(into, 0);
  for (let at = 0; at < list.length; at += 2) encoder.field(list[at] ?? '', list[at + 1] ?? '');
  return into.subarray(0, encoder.end());
}

describe('the examples of RFC 7541 appendix C', () => {
  const conversations: readonly (readonly [string, readonly (readonly [string, readonly string[]])[]])[] = [
    [
      'C.2.1, indexed',
      [['400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572', ['custom-key: custom-header']]],
    ],
    ['C.2.2, not indexed', [['040c 2f73 616d 706c 652f 7061 7468', [':path: /sample/path']]]],
    ['C.2.3, never indexed', [['1008 7061 7373 776f 7264 0673 6563 7265 74', ['password: secret']]]],
    ['C.2.4', [['82', [':method: GET']]]],
    [
      'C.4, requests with Huffman codes',
      [
        [
          '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
          [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com'],
        ],
        [
          '8286 84be 5886 a8eb 1064 9cbf',
          [':method: GET', ':scheme: http', ':path: /', ':authority: www.example.com', 'cache-control: no-cache'],
        ],
        [
          '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
          [
            ':method: GET',
            ':scheme: https',
            ':path: /index.html',
            ':authority: www.example.com',
            'custom-key: custom-value',
          ],
        ],
      ],
    ],
  ];
  for (const [what, blocks] of conversations) {
    it(what, () => {
      const decoder = newDecoder();
      for (const [block, expected] of blocks) {
        const result = plain(decoder.decode(hex(block), LIMITS));
        assert.deepEqual(typeof result === 'string' ? result : result.map((field) => field.join(': ')), expected);
      }
    });
  }
});

describe('a block that is', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['an index of 0', '80', 'malformed'],
    ['an index beyond the table', 'be', 'malformed'],
    ['an index that never ends', 'ffffffffffffff', 'malformed'],
    ['an index that is cut off', 'ff', 'malformed'],
    ['an index that overflows', 'ff80808080808080808001', 'malformed'],
    ['a name that is cut off', '400361', 'malformed'],
    ['a value that is cut off', '4001610562', 'malformed'],
    ['a name without a value', '400161', 'malformed'],
    ['a table larger than we allow', '3fe2ff01', 'malformed'],
    ['a table size after a field', '8220', 'malformed'],
    ['Huffman padding of eight bits', '40016182 1fff', 'malformed'],
    ['Huffman padding with a zero', '40016181 18', 'malformed'],
    ['EOS in a Huffman string', '400161 84 ffffffff', 'malformed'],
  ];
  for (const [what, block, expected] of rows) {
    it(`${what} is ${expected}, for nghttp2 as well`, () => {
      using theirs = new Nghttp2Decoder();
      assert.equal(theirs.decode(hex(block), LIMITS).kind, expected);
      assert.equal(newDecoder().decode(hex(block), LIMITS).kind, expected);
    });
  }
});

it('every string of one symbol, Huffman coded with the codes of appendix B, is read as nghttp2 reads it', () => {
  const random = randomness(3);
  let read = 0;
  const symbols = new Set<string>();
  for (let round = 0; round < 60_000; round++) {
    using theirs = new Nghttp2Decoder();
    const ones = random(5); // codes of rare symbols begin with them
    const text = Buffer.from(Array.from({ length: 5 }, (_, i) => (i < ones || i === 4 ? 255 : random(256))));
    const block = Buffer.concat([hex('00016185'), text]);
    const expected = theirs.decode(block, LIMITS);
    assert.deepEqual(
      plain(newDecoder().decode(block, LIMITS)),
      expected.kind === 'fields' ? expected.fields : expected.kind,
    );
    if (expected.kind !== 'fields') continue;
    read += 1;
    for (const symbol of expected.fields[0]?.[1] ?? '') symbols.add(symbol);
  }
  assert.ok(read > 1_000 && symbols.size > 200, `${read} read, ${symbols.size} symbols`);
});

it('lists that are too large are decoded to the end, and those many times larger are not', () => {
  const decoder = newDecoder();
  const block = (fields: number) =>
    encode(new HpackEncoder(), Array.from({ length: fields }, (_, i) => [`a${i}`, 'b']).flat());
  assert.equal(decoder.decode(block(7), SMALL).kind, 'too-large');
  assert.equal(decoder.decode(Buffer.concat([hex('4001610162'), block(6)]), SMALL).kind, 'too-large');
  assert.deepEqual(plain(decoder.decode(hex('be'), SMALL)), [['a', 'b']]);
  assert.equal(decoder.decode(block(200), SMALL).kind, 'bomb');
});

it('any bytes are read as nghttp2 reads them, by decoders that have read the same before', () => {
  const random = randomness(Number(process.env['AMBIT_FUZZ_SEED'] ?? Date.now() % 1_000_000));
  const kinds = new Map<string, number>();
  for (let round = 0; round < 3_000; round++) {
    using theirs = new Nghttp2Decoder();
    const ours = newDecoder();
    const encoder = new HpackEncoder();
    for (let i = 0; i < 5; i++) {
      const list: string[] = [];
      for (let n = random(6); n > 0; n--) list.push(`n${random(4)}`, 'v'.repeat(random(300)));
      let block =
        random(3) === 0 ? Buffer.from(Array.from({ length: random(60) }, () => random(256))) : encode(encoder, list);
      block = Buffer.from(block);
      for (let k = block.length > 0 ? random(3) : 0; k > 0; k--) block[random(block.length)] = random(256);
      const limits = random(2) === 0 ? LIMITS : SMALL;
      const expected = theirs.decode(block, limits);
      const found = plain(ours.decode(block, limits));
      kinds.set(expected.kind, (kinds.get(expected.kind) ?? 0) + 1);
      assert.deepEqual(found, expected.kind === 'fields' ? expected.fields : expected.kind, block.toString('hex'));
      if (expected.kind === 'bomb' || expected.kind === 'malformed') break;
    }
  }
  assert.ok((kinds.get('fields') ?? 0) > 100 && (kinds.get('malformed') ?? 0) > 100, JSON.stringify([...kinds]));
});

it('what the encoder writes, both decoders read, whatever table the peer permits', () => {
  const random = randomness(7);
  using theirs = new Nghttp2Decoder();
  const ours = newDecoder();
  const encoder = new HpackEncoder();
  const names = [':status', ':path', 'x-a', 'content-type', 'authorization', 'cookie', 'b', 'accept-encoding'];
  for (let round = 0; round < 5_000; round++) {
    if (random(40) === 0) encoder.limitTable([0, 40, 100, 1_000, 4_096, 100_000][random(6)] ?? 0);
    if (random(80) === 0) encoder.limitTable(random(300));
    const list: string[] = [];
    for (let n = random(8); n > 0; n--) {
      list.push(random(50) === 0 ? `rare-${random(1_000)}` : (names[random(names.length)] ?? ''));
      list.push(
        ['200', '404', '/', `/${random(4)}`, 'x'.repeat(random(700)), 'gzip, deflate', '\xff'][random(7)] ?? '',
      );
    }
    const block = encode(encoder, list);
    const expected = list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1]]] : []));
    assert.deepEqual(plain(ours.decode(block, LIMITS)), expected);
    const decoded = theirs.decode(block, LIMITS);
    assert.deepEqual(decoded.kind === 'fields' ? decoded.fields : decoded.kind, expected);
  }
});

it('what is repeated becomes a byte a field; secrets never enter the table', () => {
  const encoder = new HpackEncoder();
  const list = [':status', '200', 'content-type', 'text/html', 'x-own', 'value', 'authorization', 'Bearer x'];
  const sizes = [1, 2, 3, 4].map(() => encode(encoder, list).length);
  assert.equal(sizes[2], sizes[3]);
  assert.equal(sizes[3], 3 + 2 + 1 + 'Bearer x'.length);
});

it('what no field may hold is sent as a question mark', () => {
  const block = encode(new HpackEncoder(), ['x', 'a\r\nb\0c\u010a\x7f\td']);
  assert.deepEqual(plain(newDecoder().decode(block, LIMITS)), [['x', 'a??b?c??\td']]);
});
