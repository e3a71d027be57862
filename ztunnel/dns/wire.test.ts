import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ip, seeded } from '../../mesh/test-support.ts';
import { type Asked, queryBytes, replyBytes, show } from './test-query.ts';
import { addressReply, answers, emptyReply, passOn, type Query, RCODE, readQuery, udpLimit, withId } from './wire.ts';

function query(asked: Asked): Query {
  const read = readQuery(queryBytes(asked));
  assert.equal(read.kind, 'query');
  return read.kind === 'query' ? read.query : assert.fail();
}

const ips = (count: number) => Array.from({ length: count }, (_, i) => ip(`10.0.${i >> 8}.${i & 255}`));
const FOUND = { authoritative: true, rcode: RCODE.NOERROR, ttlS: 30 };

test('a question is read', () => {
  const { name, type, id, edns } = query({ name: 'Cart.Shop', type: 'AAAA', id: 7 });
  assert.deepEqual({ name, type, id, edns }, { name: 'cart.shop', type: 28, id: 7, edns: undefined });
});

test('the question of the root is read, and is no host', () => {
  assert.equal(query({ name: '.', type: 'NS' }).name, undefined);
});

test('EDNS is read, and repeated with the size that is used', () => {
  const asked = query({ name: 'a.b', edns: 1232, dnssecOk: true });
  assert.deepEqual(asked.edns, { payloadBytes: 1232, version: 0, dnssecOk: true });
  const { packet } = show(emptyReply(asked, RCODE.NOERROR));
  const [opt] = packet.additionals ?? [];
  assert.ok(opt?.type === 'OPT' && opt.flag_do === true && opt.udpPayloadSize === 1232);
  assert.equal(udpLimit(query({ name: 'a.b', edns: 100 })), 512);
  assert.equal(udpLimit(query({ name: 'a.b', edns: 4096 })), 4096);
  assert.equal(udpLimit(query({ name: 'a.b' })), 512);
});

test('addresses are answered in the letters of the question', () => {
  const reply = addressReply(
    query({ name: 'CaRt.shop', id: 9 }),
    { ...FOUND, addresses: [ip('10.0.0.1'), ip('10.0.0.2')] },
    512,
  );
  const { packet, ...shown } = show(reply);
  assert.deepEqual(shown, {
    rcode: 'NOERROR',
    flags: 'aa rd ra',
    answers: ['CaRt.shop A 10.0.0.1', 'CaRt.shop A 10.0.0.2'],
  });
  assert.equal(packet.id, 9);
  assert.deepEqual(
    packet.questions?.map(({ name, type }) => `${name} ${type}`),
    ['CaRt.shop A'],
  );
  assert.ok(packet.answers?.every((a) => 'ttl' in a && a.ttl === 30));
});

test('addresses of IPv6, behind an alias', () => {
  const asked = query({ name: 'Cart.Shop.shop.svc.cluster.local', type: 'AAAA', edns: 4096 });
  const reply = addressReply(asked, { ...FOUND, alias: 'cart.shop', addresses: [ip('fd00::1')] }, 4096);
  assert.deepEqual(show(reply).answers, ['Cart.Shop.shop.svc.cluster.local CNAME Cart.Shop', 'Cart.Shop AAAA fd00::1']);
  assert.equal(show(reply).packet.additionals?.length, 1);
});

const sizes = [
  // The reference's own number: 256 addresses, a payload of 1232 bytes, a name of 9 letters.
  ['with EDNS of 1232', 'large.com', 256, 1232, 74],
  ['without EDNS', 'large.com', 256, 512, 30],
  ['as much as there is', 'large.com', 10, 1232, 10],
  ['by TCP', 'large.com', 256, 65_535, 256],
  ['more than TCP has room for', 'large.com', 5_000, 65_535, 4_093],
] as const;

for (const [what, name, count, limit, expected] of sizes) {
  test(`addresses that have room: ${what}`, () => {
    const asked = query(limit === 512 ? { name } : { name, edns: 1232 });
    const reply = addressReply(asked, { ...FOUND, addresses: ips(count) }, limit);
    const { answers: given, flags } = show(reply);
    assert.equal(given.length, expected);
    assert.equal(flags.includes('tc'), expected < count);
    assert.ok(reply.length <= limit);
  });
}

const valid = queryBytes({ name: 'cart.shop', edns: 1232 });
const changed = (change: (bytes: Buffer) => void) => {
  const bytes = Buffer.from(valid);
  change(bytes);
  return bytes;
};
const plain = queryBytes({ name: 'cart.shop' });
/** Twelve bytes of header, then labels. */
const named = (...labels: readonly number[]) =>
  Buffer.concat([plain.subarray(0, 12), Buffer.from(labels), Buffer.from([0, 1, 0, 1])]);
const longLabels = (count: number) => Array.from({ length: count }, () => [63, ...Array(63).fill(0x61)]).flat();

const messages: readonly (readonly [what: string, bytes: Buffer, expected: string])[] = [
  ['nothing', Buffer.alloc(0), 'drop malformed'],
  ['less than a header', valid.subarray(0, 11), 'drop malformed'],
  ['an answer', changed((b) => b.writeUInt16BE(0x8180, 2)), 'drop response'],
  ['an update', changed((b) => b.writeUInt16BE(0x2800, 2)), 'NOTIMP'],
  ['no question', changed((b) => b.writeUInt16BE(0, 4)), 'FORMERR'],
  ['two questions', changed((b) => b.writeUInt16BE(2, 4)), 'FORMERR'],
  ['a question that ends too early', valid.subarray(0, 20), 'FORMERR'],
  ['a question without its type', plain.subarray(0, plain.length - 3), 'FORMERR'],
  ['a name that points elsewhere', named(0xc0, 12), 'FORMERR'],
  ['a label of an unknown kind', named(0x40, 0x61, 0), 'FORMERR'],
  ['a name of 255 bytes', named(...longLabels(3), 61, ...Array(61).fill(0x61), 0), 'query'],
  ['a name of 256 bytes', named(...longLabels(3), 62, ...Array(62).fill(0x61), 0), 'FORMERR'],
  ['a record less than announced', changed((b) => b.writeUInt16BE(3, 10)), 'FORMERR'],
  ['data less than announced', changed((b) => b.writeUInt16BE(9, b.length - 2)), 'FORMERR'],
  ['EDNS twice', Buffer.concat([changed((b) => b.writeUInt16BE(2, 10)), valid.subarray(valid.length - 11)]), 'FORMERR'],
  ['bytes behind the end', Buffer.concat([valid, Buffer.from('more')]), 'query'],
  ['a label with a dot in it', named(3, 0x61, 0x2e, 0x62, 0), 'query of nobody'],
  ['a label that is no text', named(2, 0xff, 0x00, 0), 'query of nobody'],
];

for (const [what, bytes, expected] of messages) {
  test(`a message: ${what}`, () => {
    const read = readQuery(bytes);
    if (read.kind === 'drop') assert.equal(`drop ${read.why}`, expected);
    else if (read.kind === 'refuse') {
      const { rcode, packet } = show(read.reply);
      assert.equal(rcode, expected);
      assert.equal(packet.id, 4711);
    } else assert.equal(read.query.name === undefined ? 'query of nobody' : 'query', expected);
  });
}

test("another server's answer is passed on under the client's id, and is not ours to vouch for", () => {
  const asked = query({ name: 'example.com', id: 1 });
  const upstream = withId(asked, 2);
  const soa = {
    mname: 'ns.example.com',
    rname: 'a.example.com',
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum: 7,
  };
  const reply = replyBytes(upstream, {
    answers: [{ type: 'A', name: 'example.com', ttl: 5, data: '192.0.2.1' }],
    authorities: [{ type: 'SOA', name: 'example.com', ttl: 5, data: soa }],
    flags: 1 << 10,
  });
  assert.ok(answers(reply, 2, asked));
  const { packet, ...shown } = show(passOn(reply, asked, 512));
  assert.deepEqual(shown, { rcode: 'NOERROR', flags: 'rd ra', answers: ['example.com A 192.0.2.1'] });
  assert.equal(packet.id, 1);
  assert.equal(packet.authorities?.length, 1);
});

test('an answer that is larger than the client takes comes back empty and truncated', () => {
  const asked = query({ name: 'example.com' });
  const many = ips(100).map((data) => ({ type: 'A' as const, name: 'example.com', ttl: 5, data }));
  const passed = passOn(replyBytes(asked.bytes, { answers: many }), asked, 512);
  assert.ok(passed.length <= 512);
  assert.deepEqual({ flags: show(passed).flags, answers: show(passed).answers }, { flags: 'tc rd ra', answers: [] });
});

test('only an answer to this very question, under its id, is believed', () => {
  const asked = query({ name: 'Example.com', id: 1 });
  const reply = (name: string, id: number, type: 'A' | 'AAAA' = 'A') => replyBytes(queryBytes({ name, id, type }), {});
  assert.ok(answers(reply('example.COM', 2), 2, asked), 'letters may change');
  assert.ok(!answers(reply('example.com', 3), 2, asked), 'another id');
  assert.ok(!answers(reply('example.org', 2), 2, asked), 'another name');
  assert.ok(!answers(reply('example.com', 2, 'AAAA'), 2, asked), 'another type');
  assert.ok(!answers(queryBytes({ name: 'example.com', id: 2 }), 2, asked), 'a question');
  assert.ok(!answers(Buffer.alloc(3), 2, asked), 'no message');
  const bare = Buffer.alloc(12);
  bare.writeUInt16BE(2, 0);
  bare.writeUInt16BE(0x8001, 2);
  assert.ok(answers(bare, 2, asked), 'FORMERR may come without the question');
  bare.writeUInt16BE(0x8000, 2);
  assert.ok(!answers(bare, 2, asked), 'success may not');
});

test('no bytes make the reader throw, and what it takes for a query can be answered', () => {
  const random = seeded(53);
  const int = (below: number) => Math.floor(random() * below);
  for (let round = 0; round < 30_000; round += 1) {
    const bytes = round % 3 === 0 ? Buffer.from(Array.from({ length: int(64) }, () => int(256))) : Buffer.from(valid);
    for (let i = int(6); i > 0 && bytes.length > 0; i -= 1) bytes[int(bytes.length)] = int(256);
    const read = readQuery(bytes.subarray(0, round % 5 === 0 ? int(bytes.length + 1) : bytes.length));
    if (read.kind !== 'query') continue;
    const { query: asked } = read;
    const alias = asked.name?.split('.')[0];
    const reply = { ...FOUND, addresses: ips(int(3)), ...(alias !== undefined && { alias }) };
    const addressed = addressReply({ ...asked, type: 1 }, reply, udpLimit(asked));
    assert.ok(addressed.length <= Math.max(512, udpLimit(asked)) || asked.questionEnd > 400);
    passOn(addressed, asked, 512);
    answers(bytes, asked.id, asked);
  }
});
