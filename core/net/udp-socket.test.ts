import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { eventually, needsRoot, TestNet } from '../../test/support/netns.ts';
import { type IpPort, KernelError, localAddress, openUdp, type UdpEvents, type UdpPeer, UdpSocket } from './index.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const root = { skip: needsRoot };
const openFds = () => readdirSync('/proc/self/fd').length;
const ONE_AT_A_TIME = { perTurn: 1 };

/** A socket that remembers what came. */
function recording(fd: number, perTurn = 16) {
  const texts: string[] = [];
  const peers: UdpPeer[] = [];
  const errors: KernelError[] = [];
  const events: UdpEvents = {
    datagram: (view, from) => {
      texts.push(view.toString());
      peers.push(from);
    },
    failed: (error) => errors.push(error),
  };
  return { texts, peers, errors, socket: new UdpSocket(fd, events, { perTurn }) };
}

const portOf = (fd: number): IpPort => localAddress(fd) ?? assert.fail('it is not bound');

for (const [family, loopback] of [
  ['IPv4', '127.0.0.1'],
  ['IPv6', '::1'],
] as const) {
  test(`a question and its answer find their ways over ${family}`, async () => {
    const serverFd = openUdp({ bind: { ip: loopback, port: 0 } });
    const at = portOf(serverFd);
    const echo: UdpSocket = new UdpSocket(
      serverFd,
      { datagram: (view, from) => void echo.send(view, from), failed: assert.fail },
      ONE_AT_A_TIME,
    );
    const client = recording(openUdp({ connect: at }));
    assert.ok(client.socket.send(Buffer.from('hello')));
    await eventually('the answer', () => client.texts.length === 1);
    assert.deepEqual(client.texts, ['hello']);
    assert.deepEqual(client.peers[0]?.address, at);
    echo[Symbol.dispose]();
    client.socket[Symbol.dispose]();
  });
}

test('the largest and the empty datagram arrive whole', async () => {
  const fd = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
  const at = portOf(fd);
  const server = recording(fd);
  const client = recording(openUdp({ connect: at }));
  const largest = 'x'.repeat(65_507); // 65,535 less the headers of IPv4 and UDP
  assert.ok(client.socket.send(Buffer.from(largest)));
  assert.ok(client.socket.send(Buffer.alloc(0)));
  await eventually('both', () => server.texts.length === 2);
  assert.ok(server.texts[0] === largest);
  assert.equal(server.texts[1], '');
  assert.equal(client.socket.send(Buffer.alloc(65_508)), false, 'it has no room in a packet');
  assert.equal(client.socket.send(Buffer.alloc(70_000)), false);
  server.socket[Symbol.dispose]();
  client.socket[Symbol.dispose]();
});

test('a flood is read in small pieces, between which others have their turns', async () => {
  const fd = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
  const at = portOf(fd);
  const client = recording(openUdp({ connect: at }));
  for (let i = 0; i < 40; i += 1) assert.ok(client.socket.send(Buffer.from(String(i))));
  let turn = 0;
  const perTurn = new Map<number, number>();
  const texts: string[] = [];
  const server = new UdpSocket(
    fd,
    {
      datagram: (view) => {
        texts.push(view.toString());
        perTurn.set(turn, (perTurn.get(turn) ?? 0) + 1);
        if (perTurn.get(turn) === 1) setImmediate(() => (turn += 1));
      },
      failed: assert.fail,
    },
    { perTurn: 4 },
  );
  await eventually('all of them', () => texts.length === 40);
  assert.deepEqual(texts, [...Array(40).keys()].map(String));
  assert.ok(Math.max(...perTurn.values()) <= 4, 'no turn took more');
  server[Symbol.dispose]();
  client.socket[Symbol.dispose]();
});

test('that nobody is at the other end is told, and the socket goes on', async () => {
  const gone = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
  const at = portOf(gone);
  recording(gone).socket[Symbol.dispose]();
  const client = recording(openUdp({ connect: at }));
  client.socket.send(Buffer.from('anybody?'));
  await eventually('the refusal', () => client.errors.length === 1);
  assert.equal(client.errors[0]?.code, 'ECONNREFUSED');
  const back = recording(openUdp({ bind: at }));
  client.socket.send(Buffer.from('now?'));
  await eventually('it is heard', () => back.texts.length === 1);
  back.socket[Symbol.dispose]();
  client.socket[Symbol.dispose]();
});

test('a connected socket does not hear strangers', async () => {
  const friendFd = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
  const friend = recording(friendFd);
  const clientFd = openUdp({ connect: portOf(friendFd) });
  const client = recording(clientFd);
  const stranger = recording(openUdp({ connect: portOf(clientFd) }));
  client.socket.send(Buffer.from('who?'));
  await eventually('the question', () => friend.peers.length === 1);
  stranger.socket.send(Buffer.from('me'));
  friend.socket.send(Buffer.from('I'), friend.peers[0]);
  await eventually('an answer', () => client.texts.length > 0);
  assert.deepEqual(client.texts, ['I']);
  for (const { socket } of [friend, client, stranger]) socket[Symbol.dispose]();
});

for (const loopback of ['127.0.0.1', '::1']) {
  test(`one that finishes on ${loopback} reads what waits, still answers, and leaves what follows to its successor`, async () => {
    const fd = openUdp({ bind: { ip: loopback, port: 0 }, reusePort: true });
    const at = portOf(fd);
    const clients = Array.from({ length: 16 }, () => recording(openUdp({ connect: at })));
    for (const { socket } of clients) socket.send(Buffer.from('early'));
    const server = recording(fd, 1);
    const successor = recording(openUdp({ bind: at, reusePort: true }));
    server.socket.finish();
    assert.equal(server.texts.length, 16);
    for (const { socket } of clients) socket.send(Buffer.from('late')); // whichever of the two the kernel would have chosen
    await eventually('the successor hears all', () => successor.texts.length === 16);
    for (const peer of server.peers) assert.ok(server.socket.send(Buffer.from('answer'), peer));
    await eventually('all are answered', () => clients.every(({ texts }) => texts[0] === 'answer'));
    assert.equal(server.texts.length, 16);
    server.socket.finish();
    for (const { socket } of [server, successor, ...clients]) socket[Symbol.dispose]();
    server.socket.finish();
  });
}

test('it is closed within its own callback, twice, and nothing stays open', async () => {
  const before = openFds();
  for (let i = 0; i < 30; i += 1) {
    const fd = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
    const at = portOf(fd);
    const heard = Promise.withResolvers<void>();
    const server: UdpSocket = new UdpSocket(
      fd,
      {
        datagram: () => {
          server[Symbol.dispose]();
          server[Symbol.dispose]();
          collect();
          heard.resolve();
        },
        failed: heard.reject,
      },
      ONE_AT_A_TIME,
    );
    collect();
    const client = recording(openUdp({ connect: at }));
    client.socket.send(Buffer.from('a'));
    client.socket.send(Buffer.from('b'));
    await heard.promise;
    assert.equal(server.send(Buffer.from('late')), false);
    client.socket[Symbol.dispose]();
  }
  await eventually('all closed', () => openFds() <= before);
});

test('a port that is taken is an error that names it, and no descriptor stays open', () => {
  const fd = openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
  const at = portOf(fd);
  const before = openFds();
  assert.throws(
    () => openUdp({ bind: at }),
    (error) =>
      error instanceof KernelError &&
      error.code === 'EADDRINUSE' &&
      error.message.includes(`listen on 127.0.0.1 port ${at.port} (UDP)`),
  );
  assert.equal(openFds(), before);
  recording(fd).socket[Symbol.dispose]();
});

test('two generations share a port that they ask to share', () => {
  const first = openUdp({ bind: { ip: '127.0.0.1', port: 0 }, reusePort: true });
  const second = openUdp({ bind: portOf(first), reusePort: true });
  for (const fd of [first, second]) recording(fd).socket[Symbol.dispose]();
});

test('a socket of a namespace speaks to the neighbours there, with its mark', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {} } });
  const [a, b] = [net.host('a'), net.host('b')];
  await a.exec(
    'nft -f -',
    'table inet t { chain out { type filter hook output priority 0; udp dport 7 meta mark != 5 drop; }; }\n',
  );
  for (const [bind, to, source] of [
    ['0.0.0.0', b.ip4, a.ip4],
    ['::', b.ip6, a.ip6],
  ] as const) {
    const server = recording(openUdp({ netns: b.netns, bind: { ip: bind, port: 7 } }));
    const unmarked = recording(openUdp({ netns: a.netns, connect: { ip: to, port: 7 } }));
    const marked = recording(openUdp({ netns: a.netns, connect: { ip: to, port: 7 }, mark: 5 }));
    unmarked.socket.send(Buffer.from('unmarked'));
    marked.socket.send(Buffer.from('marked'));
    await eventually('the marked one', () => server.texts.length > 0);
    assert.deepEqual(server.texts, ['marked']);
    assert.equal(server.peers[0]?.address?.ip, source);
    for (const { socket } of [server, unmarked, marked]) socket[Symbol.dispose]();
  }
});

test('a worker thread has sockets of its own', async () => {
  const worker = new Worker(
    `const net = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
     const { parentPort } = await import('node:worker_threads');
     const fd = net.openUdp({ bind: { ip: '127.0.0.1', port: 0 } });
     const at = net.localAddress(fd);
     const failed = (error) => { throw error; };
     const server = new net.UdpSocket(fd, { datagram: (view, from) => server.send(view, from), failed }, { perTurn: 4 });
     const client = new net.UdpSocket(net.openUdp({ connect: at }), {
       datagram: (view) => { parentPort.postMessage(view.toString()); server[Symbol.dispose](); client[Symbol.dispose](); },
       failed,
     }, { perTurn: 4 });
     client.send(Buffer.from('from a worker'));`,
    { eval: true },
  );
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const text = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  assert.equal(text, 'from a worker');
  assert.equal(await ended, 0);
});
