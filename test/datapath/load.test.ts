import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'] };
const CONNECTIONS = 1_000;
const BYTES = 20_000;

const openFds = () => readdirSync('/proc/self/fd').length;
/** Handles that keep the process alive, by kind; timers come and go. */
const handles = () =>
  process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout' && kind !== 'Immediate').length;

/** Sends random bytes through the echo and compares what comes back; the connection is open until `release`. */
async function exchangeHeld(mesh: DataMesh, release: Promise<void>): Promise<void> {
  const socket = await mesh.dial('web', 'cart', 8080);
  const payload = randomBytes(BYTES);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const hash = createHash('sha256');
  let received = 0;
  const { promise: echoed, resolve: gotAll } = Promise.withResolvers<void>();
  socket.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    received += chunk.length;
    if (received === BYTES) gotAll();
  });
  socket.once('end', resolve);
  socket.once('error', reject);
  socket.write(payload);
  socket.resume();
  await Promise.race([echoed, promise.then(() => assert.fail('ended early'))]);
  assert.equal(hash.digest('hex'), createHash('sha256').update(payload).digest('hex'));
  await release;
  socket.end();
  await promise;
}

describe('many connections through one pair of proxies', { skip: needsRoot }, () => {
  it(`${CONNECTIONS} at once arrive unharmed, and nothing is left afterwards`, { timeout: 60_000 }, async () => {
    const before = { fds: 0, handles: 0 };
    {
      // Once for what a process opens the first time: thread pool, kernel handles, code.
      await using warm = await DataMesh.create(twoPods);
      await warm.host('cart').listenEcho(8080);
      await exchangeHeld(warm, Promise.resolve());
    }
    before.fds = openFds();
    before.handles = handles();
    {
      await using mesh = await DataMesh.create(twoPods);
      await mesh.host('cart').listenEcho(8080);
      const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
      const all = Array.from({ length: CONNECTIONS }, () => exchangeHeld(mesh, release));
      const { inbound } = await eventually(
        'all are open',
        () => {
          const shown = mesh.pod('cart').proxy.connections();
          return shown.inbound.length === CONNECTIONS && shown;
        },
        30_000,
      );
      assert.equal(inbound.length, CONNECTIONS);
      assert.ok(mesh.pod('cart').observer.sockets <= 11, 'they share tunnels of 100 streams');
      letGo();
      await Promise.all(all);
      for (const pod of mesh.pods.values()) {
        await eventually('none is shown', () => pod.proxy.connections().inbound.length === 0);
        for (const { counters } of pod.observer.connections)
          assert.deepEqual(counters, { sent: BYTES, received: BYTES });
      }
    }
    await eventually(
      `descriptors (${before.fds}) are given back, ${openFds()} are open`,
      () => openFds() <= before.fds,
    );
    await eventually('handles are given back', () => handles() <= before.handles);
  });
});
