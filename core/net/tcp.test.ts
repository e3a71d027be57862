import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { eventually, needsRoot, readAll, TestNet } from '../../test/support/netns.ts';
import {
  checkCapabilities,
  checkRuntime,
  connectTcp,
  dialTcp,
  KernelError,
  listenTcp,
  localAddress,
  NetnsRef,
  originalDst,
  resetSocket,
  serveFd,
  type TcpConnection,
  TcpListener,
} from './index.ts';
import * as k from './kernel.ts';

const root = { skip: needsRoot };
const openFds = () => readdirSync('/proc/self/fd').length;

test('this machine has what the mesh asks of a kernel', root, () => {
  checkRuntime();
  checkCapabilities();
});

test('a listener made in a namespace serves both families to a neighbour', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a'), net.host('b')];
  await b.listen(80, (socket) => socket.end(`you are ${socket.remoteAddress}`));
  assert.equal(await readAll(await a.dial({ ip: b.ip4, port: 80 })), `you are ::ffff:${a.ip4}`);
  assert.equal(await readAll(await a.dial({ ip: b.ip6, port: 80 })), `you are ${a.ip6}`);
});

test('a half-closed connection still carries the answer', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  await net.host('b').listenEcho(7);
  const socket = await net.host('a').dial({ ip: net.host('b').ip6, port: 7 });
  socket.end('ping');
  assert.equal(await readAll(socket), 'ping');
});

test('the application sees the spoofed client of either family', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const b = net.host('b');
  // Replies to addresses that are not ours must come home: what the redirection rules do in a pod.
  await b.exec(
    'ip rule add fwmark 7 lookup 9; ip -6 rule add fwmark 7 lookup 9; ip route add local 0.0.0.0/0 dev lo table 9; ip -6 route add local ::/0 dev lo table 9',
  );
  await b.exec(
    'nft -f -',
    'table inet t { chain in { type filter hook prerouting priority mangle; meta mark 5 ct mark set 7; }\n chain out { type route hook output priority mangle; ct mark 7 meta mark set ct mark; }; }\n',
  );
  await b.listen(80, (socket) => socket.end(`${socket.remoteAddress}`));
  const [four, six] = ['10.77.0.99', 'fd00:77::99'];
  assert.equal(await readAll(await b.dial({ ip: b.ip4, port: 80 }, { bindSource: four, mark: 5 })), `::ffff:${four}`);
  assert.equal(await readAll(await b.dial({ ip: b.ip6, port: 80 }, { bindSource: six, mark: 5 })), six);
});

test('a redirected connection knows where it was going', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const b = net.host('b');
  await b.exec(
    'nft -f -',
    'table inet t { chain in { type nat hook prerouting priority dstnat; tcp dport 8080 redirect to :15006; }; }\n',
  );
  await b.listen(15006, (socket) => socket.end(JSON.stringify(originalDst(socket))));
  const seen = async (ip: string) => JSON.parse(await readAll(await net.host('a').dial({ ip, port: 8080 })));
  assert.deepEqual(await seen(b.ip4), { ip: b.ip4, port: 8080 });
  assert.deepEqual(await seen(b.ip6), { ip: b.ip6, port: 8080 });
});

test('a connection that was not redirected has no other destination than its own', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof originalDst>>();
  await net.host('b').listen(80, (socket) => {
    resolve(originalDst(socket));
    socket.end();
  });
  await net.host('a').dial({ ip: net.host('b').ip4, port: 80 });
  const found = await promise;
  assert.ok(found === undefined || found.port === 80);
});

test('two generations listen on one port at once', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const { netns } = net.host('a');
  const options = { netns, port: 15008, reusePort: true, transparent: true, mark: 1337 };
  const servers = await Promise.all([1, 2].map(() => serveFd(listenTcp(options), (socket) => socket.destroy())));
  for (const server of servers) server.close();
});

test('a dial to a closed port is refused with the code of the kernel', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  await assert.rejects(net.host('a').dial({ ip: net.host('b').ip4, port: 9 }), { code: 'ECONNREFUSED' });
});

test('a dial within one machine is answered in the call, and asks nobody whether to go on', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const a = net.host('a');
  await a.listen(80, (socket) => socket.end('hello'));
  const signal = () => assert.fail('there is nothing to wait for');
  const connection = await connectTcp({ netns: a.netns, to: { ip: a.ip4, port: 80 }, signal });
  assert.equal(await readAll(connection.toSocket()), 'hello');
  const refused = connectTcp({ netns: a.netns, to: { ip: a.ip4, port: 9 }, signal });
  await assert.rejects(refused, { code: 'ECONNREFUSED', syscall: 'connect' });
});

test('a dial that nobody answers ends at its deadline', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  await net
    .host('b')
    .exec('nft -f -', 'table inet t { chain in { type filter hook input priority 0; tcp dport 9 drop; }; }\n');
  const dial = net.host('a').dial({ ip: net.host('b').ip4, port: 9 }, { timeoutMs: 50 });
  await assert.rejects(dial, { code: 'ETIMEDOUT' });
});

test('a dial is given up with the reason of its signal', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  await net
    .host('b')
    .exec('nft -f -', 'table inet t { chain in { type filter hook input priority 0; tcp dport 9 drop; }; }\n');
  const controller = new AbortController();
  const dial = net.host('a').dial({ ip: net.host('b').ip4, port: 9 }, { signal: controller.signal });
  const late = net.host('a').dial({ ip: net.host('b').ip4, port: 9 }, { signal: () => controller.signal });
  controller.abort(new Error('policy revoked'));
  await assert.rejects(dial, /policy revoked/);
  await assert.rejects(late, /policy revoked/);
  const never = net.host('a').dial({ ip: net.host('b').ip4, port: 9 }, { signal: () => controller.signal });
  await assert.rejects(never, /policy revoked/);
});

test('a reset reaches the peer as a reset, also after our side has ended', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  for (const endFirst of [false, true]) {
    const port = endFirst ? 81 : 80;
    const { promise, resolve } = Promise.withResolvers<string>();
    await net.host('b').listen(port, (socket) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      // More than fits on the way: a write is always waiting, so the reset can't go unnoticed.
      socket.resume().write(Buffer.alloc(16 << 20));
    });
    const socket: Socket = await net.host('a').dial({ ip: net.host('b').ip4, port });
    await new Promise((done) => socket.once('data', done).resume());
    if (endFirst) await new Promise<void>((done) => socket.end(done));
    resetSocket(socket);
    assert.match(await promise, /^(ECONNRESET|EPIPE)$/);
  }
});

test('no descriptor is left behind on any way out', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a'), net.host('b')];
  const netns = a.netns;
  const server = await serveFd(listenTcp({ netns: b.netns, port: 80 }), (socket) => socket.resume().end());
  await readAll(await a.dial({ ip: b.ip4, port: 80 }));
  await new Promise((done) => server.close(done));
  await eventually('sockets to close', () => openFds() > 0);
  const before = openFds();
  const taken = listenTcp({ netns, port: 80 });
  assert.throws(() => listenTcp({ netns, port: 80 }), { code: 'EADDRINUSE' });
  assert.throws(() => listenTcp({ netns, port: 80, ip: '192.0.2.1' }), { code: 'EADDRNOTAVAIL' });
  assert.throws(() => listenTcp({ netns, port: 70_000 }), { code: 'EINVAL' });
  assert.throws(() => listenTcp({ netns, port: 1, ip: 'nonsense' }), { code: 'EINVAL' });
  const server2 = await serveFd(taken, () => {});
  await new Promise((done) => server2.close(done));
  await assert.rejects(dialTcp({ netns, to: { ip: b.ip4, port: 9 } }), { code: 'ECONNREFUSED' });
  await assert.rejects(dialTcp({ netns, to: { ip: '203.0.113.1', port: 9 } }), { code: 'ENETUNREACH' });
  await assert.rejects(dialTcp({ netns, to: { ip: b.ip4, port: 9 }, bindSource: b.ip6 }), { code: 'EAFNOSUPPORT' });
  await assert.rejects(
    dialTcp({ netns, to: { ip: b.ip4, port: 9 }, signal: AbortSignal.abort(new Error('no')) }),
    /no/,
  );
  await assert.rejects(dialTcp({ netns, to: { ip: b.ip4, port: 9 }, timeoutMs: 0 }));
  assert.throws(() => NetnsRef.open('/proc/self/ns/mnt'), { code: 'EINVAL' });
  assert.throws(() => NetnsRef.open('/proc/self/status'), { code: 'EINVAL' });
  assert.throws(() => NetnsRef.open('/nowhere'), { code: 'ENOENT' });
  await eventually(`${before} descriptors`, () => openFds() === before);
});

test('what is peeked at stays, and is skipped without being read', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a'), net.host('b')];
  const accepted = Promise.withResolvers<TcpConnection>();
  const fd = listenTcp({ netns: b.netns, port: 80 });
  using _ = new TcpListener(fd, accepted.resolve, { perTurn: 1, onError: accepted.reject });
  const socket = await a.dial({ ip: b.ip4, port: 80 });
  const connection = await accepted.promise;
  assert.equal(connection.peek(), undefined);
  socket.end('hello world');
  assert.equal(String(await eventually('the bytes', () => connection.peek())), 'hello world');
  assert.equal(connection.skip(6), true);
  assert.equal(String(connection.peek()), 'world');
  assert.equal(await readAll(connection.toSocket().resume()), 'world');
  socket.destroy();
  assert.equal(connection.skip(1), false); // somebody else's by now
});

const congestionOf = (fd: number) => {
  const [name, length] = [Buffer.alloc(16), k.int(16)];
  assert.equal(k.sys.getsockopt(fd, k.SOL_TCP, k.TCP_CONGESTION, name, length), 0);
  return name.toString('latin1', 0, name.indexOf(0));
};

test(
  'what stays on the host is not paced, also when it was accepted; what leaves it is as the host says',
  root,
  async () => {
    await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
    const [a, b] = [net.host('a'), net.host('b')];
    const usual = (await a.exec('cat /proc/sys/net/ipv4/tcp_congestion_control')).trim();
    for (const isLocal of [true, false]) {
      const accepted = Promise.withResolvers<TcpConnection>();
      const fd = listenTcp({ netns: b.netns, port: 80, isLocal, reusePort: true });
      using _ = new TcpListener(fd, accepted.resolve, { perTurn: 1, onError: accepted.reject });
      const dialled = await connectTcp({ netns: a.netns, to: { ip: b.ip4, port: 80 }, isLocal });
      const ends = [dialled, await accepted.promise];
      for (const end of ends) assert.match(congestionOf(end.fd), isLocal ? /^(cubic|reno)$/ : RegExp(`^${usual}$`));
      for (const end of ends) end.reset();
    }
  },
);

test('a listener says where it is', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {} } });
  const fd = listenTcp({ netns: net.host('a').netns, ip: net.host('a').ip6, port: 0 });
  const at = localAddress(fd);
  assert.equal(at?.ip, net.host('a').ip6);
  assert.ok(at.port > 0);
  (await serveFd(fd, () => {})).close();
});

test('errors of the kernel name the call and the reason', root, () => {
  assert.throws(
    () => listenTcp({ port: 1, ip: '192.0.2.1' }),
    (error) => error instanceof KernelError && error.syscall === 'bind' && /192\.0\.2\.1 port 1/.test(error.message),
  );
});
