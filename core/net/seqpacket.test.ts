import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../test/support/netns.ts';
import { SeqpacketConnection, SeqpacketServer } from './index.ts';
import { AF_UNIX, SOCK_SEQPACKET, sys } from './kernel.ts';
import { MAX_PACKET_FDS, Message } from './message.ts';
import { encodeUnixSockaddr } from './sockaddr.ts';

const openFds = () => readdirSync('/proc/self/fd').length;
const text = (packet: { packet: Uint8Array } | undefined) => packet && Buffer.from(packet.packet).toString();
const bytes = (s: string) => Buffer.from(s);

/** A connected pair, and everything closed afterwards. */
async function pair() {
  const dir = mkdtempSync(join(tmpdir(), 'amb-seq-'));
  const path = join(dir, 's.sock');
  const server = SeqpacketServer.listen(path);
  const accepted = Promise.withResolvers<SeqpacketConnection>();
  server.onConnection(accepted.resolve);
  const client = await SeqpacketConnection.connect(path);
  const serving = await accepted.promise;
  return {
    path,
    server,
    client,
    serving,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      serving[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

test('a packet is one message, in order, both ways', async () => {
  await using p = await pair();
  await Promise.all([p.client.send(bytes('one')), p.client.send(bytes('two'))]);
  assert.equal(text(await p.serving.receive()), 'one');
  assert.equal(text(await p.serving.receive()), 'two');
  const waiting = p.client.receive();
  await p.serving.send(bytes('answer'));
  assert.equal(text(await waiting), 'answer');
});

test('a descriptor arrives as a new one for the same file, also more than one of them', async () => {
  await using p = await pair();
  const fd = openSync('/proc/self/ns/net', 'r');
  const want = fstatSync(fd);
  await p.serving.send(bytes('one'), [fd]);
  await p.serving.send(bytes('three'), [fd, fd, fd]);
  closeSync(fd);
  for (const count of [1, 3]) {
    const got = await p.client.receive();
    assert.equal(got?.fds.length, count);
    for (const received of got.fds) {
      assert.equal(fstatSync(received).ino, want.ino);
      closeSync(received);
    }
  }
});

test('the peer is known by the kernel, and the socket is for its owner only', async () => {
  await using p = await pair();
  assert.deepEqual(p.serving.peer, { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
  assert.equal(statSync(p.path).mode & 0o777, 0o600);
});

test('the end of the peer is an end, after what it had sent', async () => {
  await using p = await pair();
  await p.client.send(bytes('last words'));
  p.client[Symbol.dispose]();
  await p.serving.closed;
  assert.equal(text(await p.serving.receive()), 'last words');
  assert.equal(await p.serving.receive(), undefined);
  await assert.rejects(p.serving.send(bytes('anyone?')), { code: 'EPIPE' });
});

test('a packet that would be cut short, or read as an end, is refused by the sender', async () => {
  await using p = await pair();
  await assert.rejects(p.client.send(Buffer.alloc(1025)), { code: 'EMSGSIZE' });
  await assert.rejects(p.client.send(Buffer.alloc(0)), { code: 'EMSGSIZE' });
});

test('a packet cut short on the way is an error, and none of its descriptors stays open', async () => {
  await using p = await pair();
  const accepted = Promise.withResolvers<SeqpacketConnection>();
  p.server.onConnection(accepted.resolve);
  const raw = sys.socket(AF_UNIX, SOCK_SEQPACKET, 0);
  assert.equal(sys.connect(raw, encodeUnixSockaddr(p.path)), 0);
  using serving = await accepted.promise;
  const before = openFds();
  const big = new Message(4096);
  assert.equal(big.send(raw, Buffer.alloc(1025), [raw, raw]), 1025);
  await assert.rejects(serving.receive(), { code: 'EMSGSIZE' });
  assert.equal(openFds(), before);
  assert.equal(
    big.send(
      raw,
      bytes('fits'),
      Array.from({ length: MAX_PACKET_FDS }, () => raw),
    ),
    4,
  );
  const got = await serving.receive();
  assert.equal(got?.fds.length, MAX_PACKET_FDS);
  for (const fd of got.fds) closeSync(fd);
  assert.equal(openFds(), before);
  closeSync(raw);
  const many = Array.from({ length: MAX_PACKET_FDS + 1 }, () => 0);
  await assert.rejects(p.client.send(bytes('x'), many), { code: 'EMSGSIZE' });
});

test('a receive is given up with the reason of its signal, and the next one works', async () => {
  await using p = await pair();
  const controller = new AbortController();
  const waiting = p.client.receive(controller.signal);
  controller.abort(new Error('no ack in time'));
  await assert.rejects(waiting, /no ack in time/);
  await p.serving.send(bytes('late'));
  assert.equal(text(await p.client.receive()), 'late');
});

test('disposing ends whoever waits, and twice is harmless', async () => {
  await using p = await pair();
  const waiting = p.client.receive();
  p.client[Symbol.dispose]();
  p.client[Symbol.dispose]();
  await assert.rejects(waiting, { code: 'ECONNABORTED' });
  await assert.rejects(p.client.receive(), { code: 'ECONNABORTED' });
});

test('a sender waits while the receiver does not read, and nothing is lost', async () => {
  await using p = await pair();
  const count = 2000;
  const sent = Promise.all(Array.from({ length: count }, (_, i) => p.client.send(bytes(`${i}`.padEnd(1000)))));
  for (let i = 0; i < count; i++) assert.equal(text(await p.serving.receive())?.trim(), `${i}`);
  await sent;
});

test('a stale socket file is replaced, and a path too long for the kernel is an error', async () => {
  await using p = await pair();
  const again = SeqpacketServer.listen(p.path);
  await again[Symbol.asyncDispose]();
  assert.throws(() => SeqpacketServer.listen(`/tmp/${'x'.repeat(120)}`), { code: 'ENAMETOOLONG' });
  await assert.rejects(SeqpacketConnection.connect('/tmp/amb-nobody-listens'), { code: 'ENOENT' });
});

test('no descriptor is left after connections come and go', async () => {
  {
    await using warm = await pair();
    await warm.client.send(bytes('x'));
  }
  await eventually('idle', () => true);
  const before = openFds();
  for (let i = 0; i < 20; i++) {
    await using p = await pair();
    await p.client.send(bytes('x'));
    await p.serving.receive();
  }
  await eventually('the same number of descriptors', () => openFds() === before);
});
