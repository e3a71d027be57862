import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  causedBy,
  formatSocketAddress,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  MeshError,
  mustParseIp,
  parseAuthority,
  parseCidr,
  parseIp,
  parseSpiffeId,
  spiffeId,
  spiffeParts,
} from './index.ts';

test('addresses have one canonical text', () => {
  const rows: readonly [string, string | undefined][] = [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::FFFF:a00:1', '10.0.0.1'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['256.0.0.1', undefined],
    ['010.0.0.1', undefined],
    ['10.1', undefined],
    ['0x0a000001', undefined],
    ['fe80::1%eth0', undefined],
    ['[::1]', undefined],
    ['', undefined],
    ['name', undefined],
  ];
  for (const [text, want] of rows) assert.equal(parseIp(text), want, text);
});

test('addresses survive the way through bytes', () => {
  for (const text of ['0.0.0.0', '255.1.2.3', 'fd00:1::2', '::1', '2001:db8::ffff']) {
    const ip = mustParseIp(text);
    assert.equal(ipFromBytes(ipToBytes(ip)), ip);
    assert.equal(ipToBytes(ip).length, ipFamily(ip) === 4 ? 4 : 16);
  }
  const mapped = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1]);
  assert.equal(ipFromBytes(mapped), '10.0.0.1');
  assert.equal(ipFromBytes(new Uint8Array(5)), undefined);
});

test('socket addresses bracket IPv6, and loopback covers both families', () => {
  assert.equal(formatSocketAddress({ ip: mustParseIp('10.0.0.1'), port: 80 }), '10.0.0.1:80');
  assert.equal(formatSocketAddress({ ip: mustParseIp('fd00::1'), port: 80 }), '[fd00::1]:80');
  assert.deepEqual(
    ['127.9.9.9', '::1', '10.0.0.1', '::2'].map((t) => isLoopback(mustParseIp(t))),
    [true, true, false, false],
  );
});

test('a malformed address names itself in the error', () => {
  assert.throws(() => mustParseIp('1.2.3'), { code: 'ADDRESS_MALFORMED', message: /"1\.2\.3"/ });
});

test('ranges parse with and without a prefix, and never with a bad one', () => {
  const rows: readonly [string, string | undefined][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['fd00::/8', 'fd00::/8'],
    ['fd00::1', 'fd00::1/128'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.0.0.0/8', undefined],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/08', undefined],
    ['10.0.0.0/-1', undefined],
    ['10.0.0/8', undefined],
  ];
  for (const [text, want] of rows) {
    const got = parseCidr(text);
    assert.equal(got && `${got.address}/${got.prefix}`, want, text);
  }
});

test('a CONNECT authority is an address or a name, each with a port', () => {
  const rows: readonly [string, string | undefined][] = [
    ['10.0.0.1:80', 'address 10.0.0.1:80'],
    ['[fd00::1]:80', 'address [fd00::1]:80'],
    ['[::ffff:10.0.0.1]:80', 'address 10.0.0.1:80'],
    ['Echo.ns.svc.cluster.local.:443', 'hostname echo.ns.svc.cluster.local:443'],
    ['echo:8080', 'hostname echo:8080'],
    ['10.0.0.1', undefined],
    ['10.0.0.1:', undefined],
    ['10.0.0.1:0', undefined],
    ['10.0.0.1:65536', undefined],
    ['10.0.0.1:+80', undefined],
    ['10.0.0.300:80', undefined],
    ['fd00::1:80', undefined],
    ['[10.0.0.1]:80', undefined],
    ['[fd00::1:80', undefined],
    [':80', undefined],
    ['a b:80', undefined],
    ['-a:80', undefined],
    ['user@host:80', undefined],
    ['', undefined],
  ];
  for (const [text, want] of rows) {
    const got = parseAuthority(text);
    const shown = got && (got.kind === 'address' ? formatSocketAddress(got.address) : `${got.host}:${got.port}`);
    assert.equal(got && `${got.kind} ${shown}`, want, text);
  }
});

test('identities are workload identities or nothing', () => {
  const id = spiffeId('td', 'ns', 'sa');
  assert.equal(id, 'spiffe://td/ns/ns/sa/sa');
  assert.deepEqual(spiffeParts(id), { trustDomain: 'td', namespace: 'ns', serviceAccount: 'sa' });
  for (const bad of [
    '',
    'spiffe://td',
    'spiffe://td/ns//sa/x',
    'spiffe://td/ns/a/sa/',
    'spiffe://td/ns/a/sa/b/c',
    'spiffe://TD/ns/a/sa/b',
    'spiffe://td/ns/../sa/b',
    'spiffe://td/ns/a/sa/b\n',
    'https://td/ns/a/sa/b',
    'spiffe://td/ns/a%2fb/sa/b',
  ]) {
    assert.throws(() => parseSpiffeId(bad), { code: 'IDENTITY_MALFORMED' }, bad);
  }
});

test('an error of ours is found however deep it was wrapped', () => {
  const inner = new MeshError('X_Y', 'inner');
  const outer = new Error('a', { cause: new Error('b', { cause: inner }) });
  assert.equal(causedBy(outer, MeshError), inner);
  assert.equal(causedBy(new Error('none'), MeshError), undefined);
  assert.equal(inner.message, '[X_Y] inner');
});
