import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { resetSocket } from '../../core/net/index.ts';
import { startPodProxy } from '../../ztunnel/data/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, exchange, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'], outside: ['out'] };

/** A connection through the mesh, and the application's end of it. */
async function through(mesh: DataMesh, from = 'web'): Promise<{ client: Socket; app: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  await mesh.host('cart').listen(8080, (socket) => resolve(socket.on('error', () => {})));
  const client = await mesh.dial(from, 'cart', 8080);
  client.write('x');
  const app = await promise;
  app.resume();
  await once(app, 'data');
  return { client, app };
}

describe('how connections end', { skip: needsRoot }, () => {
  for (const from of ['web', 'out'] as const) {
    const how = from === 'web' ? 'a tunnel' : 'plaintext';

    it(`over ${how}, a half-close keeps the other direction open`, async () => {
      await using mesh = await DataMesh.create(twoPods);
      const { client, app } = await through(mesh, from);
      client.end();
      await once(app, 'end');
      app.end('still here');
      client.resume();
      const [answer] = await once(client, 'data');
      assert.equal(String(answer), 'still here');
      await once(client, 'close');
      assert.deepEqual((await mesh.pod('cart').observer.over()).result, { flags: '-' });
    });

    it(`over ${how}, a reset of the client reaches the application as a reset`, async () => {
      await using mesh = await DataMesh.create(twoPods);
      const { client, app } = await through(mesh, from);
      const seen = ending(app);
      resetSocket(client);
      assert.equal(await seen, 'ECONNRESET');
    });

    it(`over ${how}, a reset of the application reaches the client as a reset`, async () => {
      await using mesh = await DataMesh.create(twoPods);
      const { client, app } = await through(mesh, from);
      const seen = ending(client);
      resetSocket(app);
      assert.equal(await seen, 'ECONNRESET');
    });
  }

  it('a connection without a byte for too long is cut', async () => {
    await using mesh = await DataMesh.create({ ...twoPods, config: { idleTimeoutMs: 1_000 } });
    const { client } = await through(mesh);
    assert.equal(await ending(client), 'ECONNRESET');
    // Both ends of the tunnel count; whoever is first cuts, and the other sees a reset.
    const errors = [await mesh.pod('web').observer.over(), await mesh.pod('cart').observer.over()].map(
      (c) => c.result.error,
    );
    assert.ok(
      errors.some((error) => error?.includes('no byte')),
      String(errors),
    );
  });
});

describe('how a proxy stops', { skip: needsRoot }, () => {
  it('a drain lets running connections finish, and refuses new ones', async () => {
    await using mesh = await DataMesh.create(twoPods);
    const { client, app } = await through(mesh);
    const drained = mesh.pod('cart').proxy.drain(10_000);
    app.pipe(app);
    client.write('during');
    client.resume();
    assert.equal(String((await once(client, 'data'))[0]), 'during');
    await assert.rejects(exchange(await mesh.dial('web', 'cart', 8080), 'new'));
    client.end();
    await drained;
    assert.deepEqual(mesh.pod('cart').observer.connections.at(-1)?.result, { flags: '-' });
  });

  it('a drain cuts at its deadline', async () => {
    await using mesh = await DataMesh.create(twoPods);
    const { client } = await through(mesh);
    const ended = ending(client);
    await mesh.pod('cart').proxy.drain(100);
    assert.equal(await ended, 'ECONNRESET');
    const { result } = await mesh.pod('cart').observer.over();
    assert.deepEqual(result, { error: '[DRAINED] connection closed due to connection drain', flags: '-' });
  });

  it('a removed pod is cut at once, also while it drains', async () => {
    await using mesh = await DataMesh.create(twoPods);
    const { client } = await through(mesh);
    const ended = ending(client);
    const drained = mesh.pod('cart').proxy.drain(60_000);
    await mesh.pod('cart').proxy.stopNow();
    await drained;
    assert.equal(await ended, 'ECONNRESET');
  });

  it('a second proxy can take over while the first drains, and a third party can not bind the ports without sharing', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const deps = mesh.depsOf('cart');
    await assert.rejects(startPodProxy({ ...deps, config: { ...deps.config, reusePort: false } }), {
      code: 'EADDRINUSE',
    });
    const successor = await startPodProxy(deps);
    try {
      await mesh.pod('cart').proxy.drain(1_000);
      assert.equal(await exchange(await mesh.dial('web', 'cart', 8080), 'hi'), 'hi');
    } finally {
      await successor.stopNow();
    }
  });

  it('a pod that the mesh does not know can neither send nor receive', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    mesh.view.removeAddress(mesh.workload('cart').uid);
    assert.equal(await ending(mesh.dial('out', 'cart', 8080)), 'ECONNRESET');
    assert.equal(await ending(mesh.dial('cart', 'out', 8080)), 'ECONNRESET');
    await eventually('both are told', () => mesh.pod('cart').observer.early.length === 2);
  });
});
