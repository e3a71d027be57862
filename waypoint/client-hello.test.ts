import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type ConnectionOptions, connect } from 'node:tls';
import { serverNameIn } from './client-hello.ts';

/** What a real client sends first. */
function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      resolve(chunk);
      done();
    },
  });
  const tls = connect({ ...options, socket });
  tls.on('error', () => {});
  void promise.then(() => tls.destroy());
  return promise;
}

test('the name in a ClientHello is read, and its absence', async () => {
  assert.deepEqual(serverNameIn(await helloOf({ servername: 'Api.Example.com' })), { name: 'api.example.com' });
  assert.deepEqual(serverNameIn(await helloOf({})), { name: undefined });
});

test('a ClientHello that comes in pieces is waited for, up to its end', async () => {
  const hello = await helloOf({ servername: 'api.example.com' });
  for (let length = 0; length < hello.length; length++) {
    assert.equal(serverNameIn(hello.subarray(0, length)), undefined, `${length} of ${hello.length} bytes`);
  }
  // The same in records of 50 bytes: a middlebox may cut it anywhere.
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += 50) {
    const piece = body.subarray(at, at + 50);
    records.push(Buffer.from([22, 3, 1, 0, piece.length]), piece);
  }
  assert.deepEqual(serverNameIn(Buffer.concat(records)), { name: 'api.example.com' });
});

test('what is no ClientHello has no name, and is not waited for', () => {
  const none = { name: undefined };
  const rows: readonly [string, Buffer][] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a record that is too long', Buffer.from([22, 3, 1, 0xff, 0xff])],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['a ClientHello that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff])],
    ['lengths that do not add up', Buffer.from([22, 3, 1, 0, 8, 1, 0, 0, 4, 3, 3, 0, 0])],
  ];
  for (const [name, bytes] of rows) assert.deepEqual(serverNameIn(bytes), none, name);
});

test('whatever is changed in a ClientHello, it is read or has no name', async () => {
  const hello = await helloOf({ servername: 'api.example.com' });
  for (let at = 0; at < hello.length; at++) {
    for (const value of [0, 1, 0x7f, 0xff]) {
      const changed = Buffer.from(hello);
      changed[at] = value;
      serverNameIn(changed); // does not throw
    }
  }
});
