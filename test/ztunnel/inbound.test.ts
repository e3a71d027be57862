import assert from 'node:assert/strict';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import { type GatewayAddress, mustParseIp, spiffeId } from '../../mesh/index.ts';
import { TestCa } from '../support/certificates.ts';
import { call, isRefusal, listenWhoAmI } from './support/apps.ts';
import { connect, connectAndRead } from './support/hbone-caller.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { requestStatus } from './support/raw-http2.ts';
import { hostnameOf, portsOf, service } from './support/resources.ts';
import { inWorld } from './support/shared.ts';

const VIP = '10.96.0.20';
const PROXY_PORTS = [15001, 15006, 15008];

/** Behind the tunnel port of a pod: what any peer with a socket, and any with a certificate, may try. */
forEachImplementation((implementation) => {
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create({ a: implementation, b: implementation });
      await listenWhoAmI(world.host('server'), 8080);
      await listenWhoAmI(world.host('server'), 8081);
      await listenWhoAmI(world.host('other'), 8080);
      return world;
    },
    async (world) => {
      world.plane.setWorkload(world.workload('server'));
      world.plane.setWorkload(world.workload('other'));
      world.plane.removeService(service({ name: 'svc', vips: [], ports: {} }));
      await world.applied();
    },
  );
  const asClient = (world: MeshWorld) => world.plane.ca.material(world.plane.ca.id('shop', 'client'));
  /** A caller that is no captured pod, so that nothing but what it sends is in play. */
  const peers = (world: MeshWorld) => ({ from: world.host('outside'), to: world.host('server') });

  scenario('CONNECT to the pod itself reaches its application, in both families', async (world) => {
    const source = await asClient(world);
    const { from, to } = peers(world);
    const { status, said } = await connectAndRead({ from, to, source, authority: `${to.ip4}:8080` });
    assert.deepEqual([status, said], [200, `server was called by ${from.ip4}`]);
  });

  scenario('CONNECT to the address of another pod is a 400', async (world) => {
    const { from, to } = peers(world);
    const source = await asClient(world);
    const since = world.b.log.length;
    for (const authority of [
      `${world.host('other').ip4}:8080`,
      `[${world.host('other').ip6}]:8080`,
      '127.0.0.1:8080',
    ]) {
      assert.equal(await connect({ from, to, source, authority }), 400, authority);
    }
    await world.b.denial({ 'src.addr': new RegExp(`^${from.ip4}:`), direction: 'inbound' }, since);
  });

  scenario('CONNECT to what is no authority is a 400', async (world) => {
    const { from, to } = peers(world);
    const source = await asClient(world);
    for (const authority of [to.ip4, 'server']) {
      assert.equal(
        await requestStatus({ from, to, source, headers: { ':method': 'CONNECT', ':authority': authority } }),
        400,
      );
    }
  });

  scenario('a request that is not CONNECT is a 400', async (world) => {
    const { from, to } = peers(world);
    const headers = { ':method': 'GET', ':path': '/', ':scheme': 'https', ':authority': `${to.ip4}:8080` };
    assert.equal(await requestStatus({ from, to, source: await asClient(world), headers }), 400);
  });

  for (const [what, targetPort, own] of [
    ['by number', 8081, 0],
    ['by name', 0, 8080],
  ] as const) {
    scenario(`CONNECT to the host name of a service whose target port is given ${what} reaches it`, async (world) => {
      const { from, to } = peers(world);
      const endpoint = own === 0 ? [] : portsOf({ 80: own });
      world.plane.setWorkload({
        ...world.workload('server'),
        services: new Map([[`shop/${hostnameOf('svc')}`, endpoint]]),
      });
      world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 80: targetPort } }));
      await world.applied();
      const authority = `${hostnameOf('svc')}:80`;
      const { status, said } = await connectAndRead({ from, to, source: await asClient(world), authority });
      assert.deepEqual([status, said], [200, `server was called by ${from.ip4}`]);
    });
  }

  scenario('CONNECT to a host name that nobody knows, or a port that it has not, is a 503', async (world) => {
    const { from, to } = peers(world);
    const source = await asClient(world);
    assert.equal(await connect({ from, to, source, authority: 'nowhere.shop.svc.cluster.local:80' }), 503);
    world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 80: 8080 } }));
    await world.applied();
    assert.equal(await connect({ from, to, source, authority: `${hostnameOf('svc')}:81` }), 503);
  });

  scenario('CONNECT to a port where nobody listens is a 503', async (world) => {
    const { from, to } = peers(world);
    assert.equal(await connect({ from, to, source: await asClient(world), authority: `${to.ip4}:7` }), 503);
  });

  scenario('CONNECT to the ports of the proxy is a 503', async (world) => {
    const { from, to } = peers(world);
    const source = await asClient(world);
    for (const port of PROXY_PORTS) {
      assert.equal(await connect({ from, to, source, authority: `${to.ip4}:${port}` }), 503, `port ${port}`);
    }
  });

  scenario(
    'a waypoint takes calls for the service and the workload that it stands before, and for no others',
    async (world) => {
      const { from, to } = peers(world);
      const source = await asClient(world);
      const waypoint: GatewayAddress = {
        destination: { kind: 'address', network: '', address: mustParseIp(to.ip4) },
        hboneMtlsPort: 15008,
      };
      const other = world.host('other').ip4;
      const status = (ip: string) => connect({ from, to, source, authority: `${ip}:8080` });
      world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 8080: 8080 }, waypoint }));
      await world.applied();
      assert.deepEqual([await status(VIP), await status(other)], [200, 400]);
      world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 8080: 8080 } }));
      world.plane.setWorkload({ ...world.workload('other'), waypoint });
      await world.applied();
      assert.deepEqual([await status(VIP), await status(other)], [400, 200]);
    },
  );

  const strangers: Readonly<Record<string, (world: MeshWorld) => Promise<TlsMaterial>>> = {
    'a certificate of another trust domain': ({ plane }) =>
      plane.ca.material(spiffeId('elsewhere.example', 'shop', 'client')),
    'a certificate of another authority': async ({ plane }) => {
      const theirs = await TestCa.create();
      return theirs.material(theirs.id('shop', 'client'), { roots: plane.ca.authority.rootPem });
    },
    'a certificate that has expired': ({ plane }) => plane.ca.expired(plane.ca.id('shop', 'client')),
    'a certificate that names no workload': ({ plane }) => plane.ca.nameless(plane.ca.id('shop', 'client')),
    'a certificate that is not for clients': ({ plane }) =>
      plane.ca.odd(plane.ca.id('shop', 'client'), { only: 'server' }),
  };
  for (const [what, material] of Object.entries(strangers)) {
    scenario(`a peer with ${what} gets no tunnel`, async (world) => {
      const { from, to } = peers(world);
      const since = world.b.log.length;
      const status = await connect({ from, to, source: await material(world), authority: `${to.ip4}:8080` });
      assert.equal(typeof status, 'string', `it got ${status}`);
      await world.b.denial({ 'src.addr': new RegExp(`^${from.ip4}:`), direction: 'inbound' }, since);
    });
  }

  scenario('a peer that speaks plaintext to the tunnel port gets nothing', async (world) => {
    const { from, to } = peers(world);
    // a TLS alert is an answer, but not one of the application
    assert.doesNotMatch(await refusedOrNothing(() => call(from, { ip: to.ip4, port: 15008 })), /called by/);
  });

  scenario('no port of the proxy can be used as a proxy, from inside or outside of the mesh', async (world) => {
    const since = world.b.log.length;
    const callers = [world.host('outside'), world.host('client'), world.host('server')];
    for (const from of callers) {
      for (const to of [world.host('server').ip4, world.host('server').ip6, '127.0.0.1', '::1']) {
        for (const port of PROXY_PORTS) {
          if (isLoopback(to) && from.name === 'outside') continue; // nothing of the mesh is in there
          const answer = await refusedOrNothing(() =>
            call(from, { ip: to, port }, 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
          );
          assert.doesNotMatch(answer, /called by/, `${from.name} to ${to} port ${port}`);
        }
      }
    }
    assert.ok(world.b.log.length > since);
    assert.equal(
      await call(world.host('client'), { ip: world.host('server').ip4, port: 8080 }),
      `server was called by ${world.host('client').ip4}`,
    );
  });
});

const isLoopback = (ip: string) => ip === '127.0.0.1' || ip === '::1';

/** What came back; an end, a reset or a refusal is nothing. A call that hangs rejects. */
async function refusedOrNothing(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (isRefusal(error)) return '';
    throw error;
  }
}
