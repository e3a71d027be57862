import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needsRoot } from '../support/netns.ts';
import { DataMesh, exchange, type MeshOptions } from './data-mesh.ts';

const twoPods: MeshOptions = { pods: ['web', 'cart'], outside: ['out'] };

/** Answers each line with the address that the application saw. */
async function whoAmI(mesh: DataMesh, host: string, port: number): Promise<void> {
  await mesh.host(host).listen(port, (socket) => {
    const address = socket.remoteAddress ?? 'nobody';
    socket.on('error', () => {}).on('end', () => socket.end(`you are ${address}`));
    socket.resume();
  });
}

describe('traffic between enrolled pods', { skip: needsRoot }, () => {
  for (const family of [4, 6] as const) {
    it(`goes through a mutual TLS tunnel, and the application sees its caller's IPv${family} address`, async () => {
      await using mesh = await DataMesh.create(twoPods);
      await whoAmI(mesh, 'cart', 8080);
      const answer = await exchange(await mesh.dial('web', 'cart', 8080, family), 'hello');
      const web = mesh.host('web');
      const cart = mesh.host('cart');
      assert.equal(answer, family === 4 ? `you are ::ffff:${web.ip4}` : `you are ${web.ip6}`);
      const [there, here] = await Promise.all([mesh.pod('web').observer.over(), mesh.pod('cart').observer.over()]);
      for (const { context, result } of [there, here]) {
        assert.deepEqual(result, { flags: '-' });
        assert.equal(context.securityPolicy, 'mutual_tls');
        assert.equal(context.src.identity, 'spiffe://cluster.local/ns/shop/sa/web');
        assert.equal(context.dst.identity, 'spiffe://cluster.local/ns/shop/sa/cart');
        assert.equal(context.src.workload?.name, 'web');
        assert.equal(context.dst.workload?.name, 'cart');
        assert.equal(context.dst.addr.port, 15008);
        assert.equal(context.hboneAddr, family === 4 ? `${cart.ip4}:8080` : `[${cart.ip6}]:8080`);
      }
      assert.equal(there.context.id, here.context.id, 'both ends log the same trace');
      assert.deepEqual(there.counters, { received: 5, sent: answer.length });
      assert.deepEqual(here.counters, { received: 5, sent: answer.length });
      assert.equal(here.context.src.baggage?.workloadName, 'web');
      assert.deepEqual([mesh.pod('web').observer.warnings, mesh.pod('cart').observer.warnings], [[], []]);
    });
  }

  it('reaches a service by its address, at the port that the service maps', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await whoAmI(mesh, 'cart', 8080);
    mesh.service('cart', '10.77.0.200', { 80: 8080 }, ['cart']);
    assert.match(await exchange(await mesh.dialIp('web', '10.77.0.200', 80), 'x'), /^you are/);
    const [there, here] = await Promise.all([mesh.pod('web').observer.over(), mesh.pod('cart').observer.over()]);
    assert.equal(there.context.service?.hostname, 'cart.shop.svc.cluster.local');
    assert.equal(here.context.service?.hostname, 'cart.shop.svc.cluster.local');
    assert.equal(here.context.originalDst, 'cart.shop.svc.cluster.local');
  });

  it('from a pod to itself works, by its own address', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await whoAmI(mesh, 'web', 8080);
    assert.match(await exchange(await mesh.dial('web', 'web', 8080), 'x'), /^you are/);
  });

  it('shares one tunnel among connections of a pair', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await mesh.host('cart').listenEcho(8080);
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => exchange(await mesh.dial('web', 'cart', 8080), `number ${i}`)),
    );
    assert.deepEqual(
      answers,
      Array.from({ length: 50 }, (_, i) => `number ${i}`),
    );
    assert.ok(mesh.pod('cart').observer.sockets <= 2, 'sockets on 15008');
  });

  it('a destination that the mesh does not know is passed through as it is, with its caller unknown', async () => {
    await using mesh = await DataMesh.create(twoPods);
    await whoAmI(mesh, 'out', 9000);
    assert.equal(await exchange(await mesh.dial('web', 'out', 9000), 'x'), `you are ::ffff:${mesh.host('web').ip4}`);
    const { context } = await mesh.pod('web').observer.over();
    assert.deepEqual([context.protocol, context.securityPolicy, context.dst.workload], ['TCP', 'unknown', undefined]);
  });

  for (const family of [4, 6] as const) {
    it(`a caller outside the mesh is served in the clear, and its IPv${family} address is kept`, async () => {
      await using mesh = await DataMesh.create(twoPods);
      await whoAmI(mesh, 'cart', 8080);
      const out = mesh.host('out');
      const answer = await exchange(await mesh.dial('out', 'cart', 8080, family), 'x');
      assert.equal(answer, family === 4 ? `you are ::ffff:${out.ip4}` : `you are ${out.ip6}`);
      const { context } = await mesh.pod('cart').observer.over();
      assert.equal(context.src.identity, undefined);
      assert.equal(context.securityPolicy, 'unknown');
    });
  }

  it('is refused with a reset when nobody listens, and the failure is reported on both ends', async () => {
    await using mesh = await DataMesh.create(twoPods);
    const socket = await mesh.dial('web', 'cart', 8080);
    await assert.rejects(exchange(socket, 'x'), { code: 'ECONNRESET' });
    const [there, here] = await Promise.all([mesh.pod('web').observer.over(), mesh.pod('cart').observer.over()]);
    assert.deepEqual([there.result.flags, here.result.flags], ['CONNECT', 'CONNECT']);
    assert.match(there.result.error ?? '', /http status: 503/);
  });
});
