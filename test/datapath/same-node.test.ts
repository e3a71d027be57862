import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { PacketCapture } from '../../core/net/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, exchange, type MeshOptions, policy, principal, type Seen } from './data-mesh.ts';

const ONE_NODE: MeshOptions = { pods: ['web', 'cart'], oneNode: true };
const SECRET = 'the combination is 4-8-15-16-23-42';
const DROP_TUNNELS = 'table inet closed { chain in { type filter hook input priority 0; tcp dport 15008 drop; }; }\n';

/** Counts TCP payload, and looks for the secret, on a pod's link. */
function watchLink(mesh: DataMesh, name: string) {
  const seen = { payload: 0, secret: false };
  const capture = PacketCapture.open({ netns: mesh.host(name).netns, interface: 'eth0' });
  capture.onPacket((frame) => {
    const bytes = Buffer.from(frame);
    seen.secret ||= bytes.includes(SECRET);
    if (bytes.readUInt16BE(12) !== 0x0800 || bytes[23] !== 6) return;
    const ipHeader = ((bytes[14] ?? 0) & 0x0f) * 4;
    const tcpHeader = (bytes.readUInt8(14 + ipHeader + 12) >> 4) * 4;
    seen.payload += bytes.readUInt16BE(16) - ipHeader - tcpHeader;
  });
  return { seen, [Symbol.dispose]: () => capture[Symbol.dispose](), flush: () => capture.flush() };
}

/** What a person sees of a connection, without what differs from one to the next. */
function shown({ context, counters, result }: Seen) {
  const { id: _id, src, ...rest } = context;
  return { ...rest, src: { ...src, addr: src.addr.ip }, counters, result };
}

describe('two pods of one node', { skip: needsRoot }, () => {
  it('talk without a byte of theirs on the wire', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    await mesh.host('cart').listenEcho(8080);
    using link = watchLink(mesh, 'cart');
    assert.equal(await exchange(await mesh.dial('web', 'cart', 8080), SECRET), SECRET);
    link.flush();
    assert.deepEqual(link.seen, { payload: 0, secret: false });
    for (const { observer } of mesh.pods.values()) assert.deepEqual([observer.handshakes, observer.early], [[], []]);
  });

  it('are told about exactly as through a tunnel, on both sides', async () => {
    const told = async (sameNode: 'direct' | 'tunnel') => {
      await using mesh = await DataMesh.create({ ...ONE_NODE, config: { sameNode } });
      await mesh.host('cart').listenEcho(8080);
      using link = watchLink(mesh, 'cart');
      await exchange(await mesh.dial('web', 'cart', 8080), SECRET);
      const ends = [await mesh.pod('web').observer.over(), await mesh.pod('cart').observer.over()].map(shown);
      link.flush();
      assert.equal(link.seen.payload > 0, sameNode === 'tunnel');
      return ends;
    };
    assert.deepEqual(await told('direct'), await told('tunnel'));
  });

  it('the application sees the address of the caller', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    await mesh.host('cart').listen(8080, (socket) => socket.end(`${socket.remoteAddress}`));
    const text = await exchange(await mesh.dial('web', 'cart', 8080), '');
    assert.equal(text, `::ffff:${mesh.host('web').ip4}`);
  });

  it('a denial is the same: 401 with a receipt, and both sides say so', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    await mesh.host('cart').listenEcho(8080);
    mesh.policy(policy('no-web', 'DENY', { principals: [principal('web')] }));
    assert.equal(await ending(mesh.dial('web', 'cart', 8080)), 'ECONNRESET');
    const source = await mesh.pod('web').observer.over();
    assert.equal(source.result.error, 'http status: 401 Unauthorized (receipt receipt-1)');
    assert.equal((await mesh.pod('cart').observer.over()).result.flags, 'DENY');
    assert.equal(mesh.pod('cart').observer.denials.length, 1);
  });

  it('a policy that changes cuts what runs', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    await mesh.host('cart').listenEcho(8080);
    const socket = await mesh.dial('web', 'cart', 8080);
    socket.write('x');
    await new Promise((done) => socket.once('data', done).resume());
    mesh.policy(policy('no-web', 'DENY', { principals: [principal('web')] }));
    assert.equal(await ending(socket), 'ECONNRESET');
    assert.equal((await mesh.pod('cart').observer.over()).result.flags, 'DENY');
  });

  it('a network that forbids the tunnel forbids the short way', async () => {
    await using mesh = await DataMesh.create({ ...ONE_NODE, config: { connectTimeoutMs: 200 } });
    await mesh.host('cart').listenEcho(8080);
    await mesh.host('cart').exec('nft -f -', DROP_TUNNELS);
    assert.equal(await ending(mesh.dial('web', 'cart', 8080)), 'ECONNRESET');
    const { result } = await mesh.pod('web').observer.over();
    assert.equal(result.flags, 'NETWORK_POLICY');
  });

  it('a network that comes to forbid the tunnel ends what runs on the short way', async () => {
    const config = { connectTimeoutMs: 100, sameNodeLookMs: 60 };
    await using mesh = await DataMesh.create({ ...ONE_NODE, config });
    await mesh.host('cart').listenEcho(8080);
    const socket = await mesh.dial('web', 'cart', 8080);
    socket.write('x');
    await new Promise((done) => socket.once('data', done).resume());
    await mesh.host('cart').exec('nft -f -', DROP_TUNNELS);
    assert.equal(await ending(socket), 'ECONNRESET');
    const { result } = await mesh.pod('web').observer.over();
    assert.equal(result.flags, 'NETWORK_POLICY');
  });

  it('looks at the network go on unnoticed while it permits', async () => {
    await using mesh = await DataMesh.create({ ...ONE_NODE, config: { sameNodeLookMs: 20 } });
    await mesh.host('cart').listenEcho(8080);
    using link = watchLink(mesh, 'cart');
    const socket = await mesh.dial('web', 'cart', 8080);
    let looks = 0;
    using capture = PacketCapture.open({ netns: mesh.host('cart').netns, interface: 'eth0' });
    capture.onPacket((frame) => {
      const SYN = 2;
      if (frame[14 + 20 + 13] === SYN) looks += 1;
    });
    await eventually('several looks', () => looks > 3);
    assert.equal(await exchange(socket, SECRET), SECRET);
    assert.equal(link.seen.payload, 0);
    assert.deepEqual(mesh.pod('cart').observer.handshakes, []);
  });

  for (const [what, material] of [
    ['expired', (ca) => ca.expired(ca.id('shop', 'cart'))],
    ["somebody else's", (ca) => ca.material(ca.id('shop', 'other'))],
  ] as const satisfies readonly (readonly [string, (ca: DataMesh['ca']) => ReturnType<DataMesh['ca']['material']>])[]) {
    it(`a destination whose certificate is ${what} is not reached`, async () => {
      await using mesh = await DataMesh.create({
        ...ONE_NODE,
        material: (pod, ca) => (pod === 'cart' ? material(ca) : undefined),
      });
      await mesh.host('cart').listenEcho(8080);
      assert.equal(await ending(mesh.dial('web', 'cart', 8080)), 'ECONNRESET');
      assert.equal((await mesh.pod('web').observer.over()).result.flags, 'CONNECT');
      assert.equal(mesh.pod('cart').observer.connections.length, 0);
    });
  }

  it('a reset crosses as a reset, in either direction', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    const { promise: accepted, resolve } = Promise.withResolvers<import('node:net').Socket>();
    await mesh.host('cart').listen(8080, (socket) => resolve(socket.on('error', () => {})));
    const client = await mesh.dial('web', 'cart', 8080);
    client.write('x');
    const server = await accepted;
    await new Promise((done) => server.once('data', done).resume());
    server.resetAndDestroy();
    assert.equal(await ending(client), 'ECONNRESET');
  });

  it('a reader that does not read holds up the writer, and every byte arrives in the end', {
    timeout: 60_000,
  }, async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    const { promise: accepted, resolve } = Promise.withResolvers<import('node:net').Socket>();
    await mesh.host('cart').listen(8080, resolve);
    const client = await mesh.dial('web', 'cart', 8080);
    const payload = randomBytes(48 << 20);
    client.end(payload);
    const server = await accepted;
    await eventually('the writer stands still', () => {
      const { received } = mesh.pod('web').observer.connections[0]?.counters ?? { received: 0 };
      return received > 0 && client.writableLength > 16 << 20;
    });
    const hash = createHash('sha256');
    for await (const chunk of server) hash.update(chunk as Buffer);
    server.end();
    assert.equal(hash.digest('hex'), createHash('sha256').update(payload).digest('hex'));
    const { counters } = await mesh.pod('cart').observer.over();
    assert.equal(counters.received, payload.length);
  });

  it('a certificate that is revoked ends what runs between them, and lets nothing new in', async () => {
    const listeners = new Set<() => void>();
    let isRevoked = false;
    const revocations = {
      isRevoked: () => isRevoked,
      onChange: (listener: () => void) => {
        listeners.add(listener);
        return { [Symbol.dispose]: () => void listeners.delete(listener) };
      },
    };
    await using mesh = await DataMesh.create({ ...ONE_NODE, revocations });
    await mesh.host('cart').listenEcho(8080);
    const socket = await mesh.dial('web', 'cart', 8080);
    socket.write('x');
    await new Promise((done) => socket.once('data', done).resume());
    isRevoked = true;
    for (const listener of [...listeners]) listener();
    assert.equal(await ending(socket), 'ECONNRESET');
    for (const name of ['web', 'cart'])
      assert.equal((await mesh.pod(name).observer.over()).result.flags, 'CERT_REVOKED');
    assert.equal(await ending(mesh.dial('web', 'cart', 8080)), 'ECONNRESET');
    assert.equal(mesh.pod('cart').observer.connections.length, 1);
  });

  it('a pod that goes away takes its connections with it', async () => {
    await using mesh = await DataMesh.create(ONE_NODE);
    await mesh.host('cart').listenEcho(8080);
    const socket = await mesh.dial('web', 'cart', 8080);
    socket.write('x');
    await new Promise((done) => socket.once('data', done).resume());
    await mesh.pod('cart').proxy.stopNow();
    assert.equal(await ending(socket), 'ECONNRESET');
  });
});
