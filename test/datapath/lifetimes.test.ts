import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { resetSocket } from '../../core/net/index.ts';
import { type PodProxy, startPodProxy } from '../../ztunnel/data/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, ending, exchange, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'], outside: ['out'] };

/** A connection through the mesh, and the application's end of it. Later ones are ended at once. */
async function through(mesh: DataMesh, from = 'web'): Promise<{ client: Socket; app: Socket }> {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  let isFirst = true;
  await mesh.host('cart').listen(8080, (socket) => {
    socket.on('error', () => {});
    if (isFirst) resolve(socket);
    else socket.end();
    isFirst = false;
  });
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
    await eventually('new ones are refused', () =>
      mesh
        .dial('web', 'cart', 8080)
        .then((socket) => exchange(socket, 'new'))
        .then(
          () => false,
          () => true,
        ),
    );
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

  it('ten generations take over from one another at both ends, and no new connection is lost', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const lost: unknown[] = [];
    let [made, isOver] = [0, false];
    const call = async () => {
      while (!isOver) {
        try {
          assert.equal(await exchange(await mesh.dial('web', 'cart', 8080), 'hi'), 'hi');
          made += 1;
        } catch (error) {
          lost.push(error);
        }
      }
    };
    const callers = [call(), call(), call(), call()];
    const names = ['web', 'cart'];
    let serving: readonly PodProxy[] = names.map((name) => mesh.pod(name).proxy);
    const drained: Promise<void>[] = [];
    for (let generation = 0; generation < 10; generation += 1) {
      const before = made;
      const elders = serving;
      serving = await Promise.all(names.map((name) => startPodProxy(mesh.depsOf(name))));
      for (const elder of elders) drained.push(elder.drain(20_000));
      await eventually('more connections', () => made + lost.length > before + 20);
    }
    isOver = true;
    await Promise.all(callers);
    await Promise.all(drained);
    for (const proxy of serving) await proxy.stopNow();
    assert.deepEqual(lost, []);
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
