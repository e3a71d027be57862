import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LookUp } from '../../core/hostnames/index.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { DataMesh, exchange } from './data-mesh.ts';

const VIP = '10.77.0.200';

/** A service at VIP whose one endpoint, pod `cart`, is known by name only. */
async function meshWith(lookUp: (mesh: () => DataMesh) => LookUp): Promise<DataMesh> {
  let made: DataMesh | undefined;
  const current = () => made ?? assert.fail('asked before there is a mesh');
  const mesh = await DataMesh.create({ pods: ['web', 'cart'], lookUp: lookUp(current) });
  made = mesh;
  await mesh.host('cart').listenEcho(8080);
  mesh.service('cart', VIP, { 80: 8080 }, ['cart']);
  // The pod's own record stays as it is: who it is, is not asked of DNS.
  const byName = { ...mesh.workload('cart'), uid: 'c1//Entry/shop/cart', name: 'cart-by-name', addresses: [] };
  mesh.update('cart', { services: new Map() });
  mesh.view.upsertAddress({ kind: 'workload', workload: { ...byName, hostname: 'cart.example.com' } });
  return mesh;
}

describe('an endpoint that the mesh knows by name only', { skip: needsRoot }, () => {
  it('is tunnelled to at the address that its name has, asked for once and counted for each connection', async () => {
    let questions = 0;
    await using mesh = await meshWith((current) => async (hostname, family) => {
      assert.equal(hostname, 'cart.example.com');
      questions += 1;
      const { ip4, ip6 } = current().host('cart');
      return [{ address: family === 4 ? ip4 : ip6, ttl: 60 }];
    });
    assert.equal(await exchange(await mesh.dialIp('web', VIP, 80), 'one'), 'one');
    assert.equal(await exchange(await mesh.dialIp('web', VIP, 80), 'two'), 'two');
    const { observer } = mesh.pod('web');
    const { context } = await observer.over();
    assert.equal(context.hboneAddr, `${mesh.host('cart').ip4}:8080`);
    assert.equal(context.dst.workload?.name, 'cart-by-name');
    assert.equal(questions, 2, 'A and AAAA, once');
    assert.deepEqual(observer.hostnames, ['cart.example.com', 'cart.example.com']);
  });

  it('is refused with the reason while its name has no address', async () => {
    await using mesh = await meshWith(() => async () => {
      throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    });
    const socket = await mesh.dialIp('web', VIP, 80);
    const { observer } = mesh.pod('web');
    const denied = await eventually('the connection is refused', () => observer.early[0]);
    socket.destroy();
    assert.match(denied.error, /^hostname-not-resolved: .*cart\.example\.com: the name has no address$/);
  });

  it('does not hold up the end of the pod that waits for its name', async () => {
    let asked = false;
    await using mesh = await meshWith(() => () => {
      asked = true;
      return new Promise(() => {});
    });
    const socket = await mesh.dialIp('web', VIP, 80);
    await eventually('the name is asked for', () => asked);
    await mesh.pod('web').proxy.stopNow();
    socket.destroy();
    assert.equal(mesh.pod('web').observer.early.length, 1);
  });
});
