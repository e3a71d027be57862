import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConsistentHash } from './consistent-hash.ts';
import type { HashPolicy } from './model.ts';

const RING = { table: 'RING', size: 1024 } as const;
const HEADER = { key: 'HEADER', name: 'x-user' } as const;

test('what a consistent hash is made of', async (t) => {
  const rows: Readonly<Record<string, readonly [object, HashPolicy]>> = {
    'a header, in any case': [{ httpHeaderName: 'X-User' }, { ...HEADER, ...RING }],
    'the address of the client': [{ useSourceIp: true }, { key: 'SOURCE_IP', name: '', ...RING }],
    'a parameter, as it is written': [
      { httpQueryParameterName: 'User' },
      { key: 'QUERY_PARAMETER', name: 'User', ...RING },
    ],
    'a cookie that clients have': [{ httpCookie: { name: 'user' } }, { key: 'COOKIE', name: 'user', ...RING }],
    'a cookie that is made': [
      { httpCookie: { name: 'user', ttl: '1m30s', path: '/shop' } },
      { key: 'COOKIE', name: 'user', cookieAttributes: '; Max-Age=90; Path=/shop; HttpOnly', ...RING },
    ],
    'a cookie that is made for as long as the client runs, with attributes': [
      {
        httpCookie: {
          name: 'user',
          ttl: '0s',
          attributes: [{ name: 'SameSite', value: 'Strict' }, { name: 'Secure' }, { name: 'HttpOnly' }],
        },
      },
      { key: 'COOKIE', name: 'user', cookieAttributes: '; HttpOnly; SameSite=Strict; Secure', ...RING },
    ],
    'a ring of a size': [
      { httpHeaderName: 'x-user', ringHash: { minimumRingSize: 64 } },
      { ...HEADER, table: 'RING', size: 64 },
    ],
    'a ring of a size, in the older form': [
      { httpHeaderName: 'x-user', minimumRingSize: 64 },
      { ...HEADER, table: 'RING', size: 64 },
    ],
    'the table of Maglev': [
      { httpHeaderName: 'x-user', maglev: {} },
      { ...HEADER, table: 'MAGLEV', size: 65_537 },
    ],
    'the table of Maglev, of a size': [
      { httpHeaderName: 'x-user', maglev: { tableSize: 251 } },
      { ...HEADER, table: 'MAGLEV', size: 251 },
    ],
  };
  for (const [name, [written, hash]] of Object.entries(rows)) {
    await t.test(name, () => {
      assert.deepEqual(readConsistentHash({ ...written }, 'at'), { hash, ignored: [] });
    });
  }
});

test('what can not be had is said, with what is used instead', async (t) => {
  const rows: Readonly<Record<string, readonly [object, Partial<HashPolicy> | undefined, RegExp]>> = {
    'no key': [{}, undefined, /^at: says nothing that can be hashed, least request is used$/],
    'a header without a good name': [{ httpHeaderName: 'x user' }, undefined, /^at\.httpHeaderName: is no name/],
    'several keys': [{ httpHeaderName: 'x-user', useSourceIp: true }, HEADER, /^at: of several keys/],
    'a cookie without a name': [{ httpCookie: { ttl: '1s' } }, undefined, /^at\.httpCookie\.name/],
    'a cookie for no time': [{ httpCookie: { name: 'a', ttl: 'soon' } }, undefined, /^at\.httpCookie\.ttl: "soon"/],
    'a path that would be another attribute': [
      { httpCookie: { name: 'a', ttl: '1s', path: '/; Domain=evil' } },
      undefined,
      /characters that a cookie can not have/,
    ],
    'an attribute that would be another header': [
      { httpCookie: { name: 'a', ttl: '1s', attributes: [{ name: 'a', value: 'b\r\nx: y' }] } },
      undefined,
      /characters that a cookie can not have/,
    ],
    'a table whose size is no prime': [
      { httpHeaderName: 'x-user', maglev: { tableSize: 1000 } },
      { table: 'MAGLEV', size: 65_537 },
      /^at\.maglev\.tableSize: 1000 is no prime, 65537 is used$/,
    ],
    'a table beyond the limit': [
      { httpHeaderName: 'x-user', maglev: { tableSize: 5_000_011 } },
      { table: 'MAGLEV', size: 131_071 },
      /^at\.maglev\.tableSize: 5000011 is above the limit, 131071$/,
    ],
    'a ring beyond the limit': [
      { httpHeaderName: 'x-user', ringHash: { minimumRingSize: 2 ** 40 } },
      { table: 'RING', size: 65_536 },
      /^at\.ringHash\.minimumRingSize: .* is above the limit, 65536$/,
    ],
  };
  for (const [name, [written, hash, why]] of Object.entries(rows)) {
    await t.test(name, () => {
      const read = readConsistentHash({ ...written }, 'at');
      if (hash === undefined) assert.equal(read.hash, undefined);
      else assert.partialDeepStrictEqual(read.hash, hash);
      assert.match(read.ignored.join('\n'), why);
    });
  }
});
