import assert from 'node:assert/strict';
import { type GatewayAddress, mustParseIp } from '../../mesh/index.ts';
import { call, isAnswered, listenWhoAmI, type Target } from './support/apps.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { hostnameOf, identityOf, portsOf, service, workload } from './support/resources.ts';
import { inWorld } from './support/shared.ts';
import { type Asked, listenWaypoint } from './support/waypoint.ts';

const VIP = '10.96.0.30';

/** Where a captured pod's connections go, as the tunnel's other end and the applications see it. */
forEachImplementation((implementation) => {
  let asked: readonly Asked[] = [];
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create({ a: implementation, b: implementation });
      await listenWhoAmI(world.host('server'), 8080);
      await listenWhoAmI(world.host('other'), 8080);
      asked = await listenWaypoint(world.host('outside'), world.plane);
      world.plane.setWorkload(waypointWorkload(world));
      await world.applied();
      return world;
    },
    async (world) => {
      for (const name of ['server', 'other'] as const) world.plane.setWorkload(world.workload(name));
      world.plane.setWorkload(waypointWorkload(world));
      for (const name of ['svc', 'waypoint']) world.plane.removeService(service({ name, vips: [], ports: {} }));
      await world.applied();
    },
  );
  const waypointWorkload = (world: MeshWorld) => {
    const { ip4, ip6 } = world.host('outside');
    return workload({ name: 'outside', node: 'elsewhere', ips: [ip4, ip6] });
  };
  const atAddress = (world: MeshWorld): GatewayAddress => ({
    destination: { kind: 'address', network: '', address: mustParseIp(world.host('outside').ip4) },
    hboneMtlsPort: 15008,
  });
  const last = () => asked.at(-1);
  const from = (world: MeshWorld) => world.host('client');

  scenario('a workload with a waypoint is reached through it, by the address that was called', async (world) => {
    const { ip4, ip6 } = world.host('server');
    world.plane.setWorkload({ ...world.workload('server'), waypoint: atAddress(world) });
    await world.applied();
    const since = world.a.log.length;
    assert.equal(await call(from(world), { ip: ip4, port: 8080 }), `outside was asked for ${ip4}:8080`);
    assert.equal(await call(from(world), { ip: ip6, port: 8080 }), `outside was asked for [${ip6}]:8080`);
    assert.equal(last()?.peer, identityOf('client'));
    const { fields } = await world.a.access({ direction: 'outbound', 'dst.identity': identityOf('outside') }, since);
    assert.equal(fields['dst.addr'], `${world.host('outside').ip4}:15008`);
    assert.equal(fields['dst.hbone_addr'], `${ip4}:8080`);
  });

  scenario('a service with a waypoint is reached through it, and the port of the service stays', async (world) => {
    const endpoint = {
      ...world.workload('server'),
      services: new Map([[`shop/${hostnameOf('svc')}`, portsOf({ 80: 8080 })]]),
    };
    world.plane.setWorkload(endpoint);
    world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 80: 8080 }, waypoint: atAddress(world) }));
    await world.applied();
    assert.equal(await call(from(world), { ip: VIP, port: 80 }), `outside was asked for ${VIP}:80`);
    // whoever calls the pod itself has nothing to do with the service's waypoint
    const { ip4 } = world.host('server');
    assert.equal(await call(from(world), { ip: ip4, port: 8080 }), `server was called by ${from(world).ip4}`);
  });

  scenario('a waypoint is found by the host name of its service', async (world) => {
    const waypoint: GatewayAddress = {
      destination: { kind: 'hostname', namespace: 'shop', hostname: hostnameOf('waypoint') },
      hboneMtlsPort: 15008,
    };
    const services = new Map([[`shop/${hostnameOf('waypoint')}`, portsOf({ 15008: 15008 })]]);
    world.plane.setWorkload({ ...waypointWorkload(world), services });
    world.plane.setService(service({ name: 'waypoint', vips: ['10.96.0.31'], ports: { 15008: 15008 } }));
    world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 80: 8080 }, waypoint }));
    await world.applied();
    assert.equal(await call(from(world), { ip: VIP, port: 80 }), `outside was asked for ${VIP}:80`);
  });

  scenario('a waypoint that is nowhere to be found is never gone around', async (world) => {
    const waypoint: GatewayAddress = {
      destination: { kind: 'hostname', namespace: 'shop', hostname: hostnameOf('waypoint') },
      hboneMtlsPort: 15008,
    };
    world.plane.setWorkload({ ...world.workload('server'), waypoint });
    await world.applied();
    const since = world.a.log.length;
    assert.equal(await isAnswered(from(world), { ip: world.host('server').ip4, port: 8080 }), false);
    await world.a.denial({ direction: 'outbound' }, since);
  });

  scenario('CONNECT tells who calls, for whom, and under which trace', async (world) => {
    world.plane.setWorkload({ ...world.workload('server'), waypoint: atAddress(world) });
    await world.applied();
    await call(from(world), { ip: world.host('server').ip4, port: 8080 });
    const headers = last()?.headers ?? new Map<string, string>();
    assert.equal(
      headers.get('baggage'),
      'k8s.cluster.name=c1,k8s.namespace.name=shop,k8s.deployment.name=client,service.name=client,service.version=v1',
    );
    assert.match(headers.get('forwarded') ?? '', new RegExp(`^for="${from(world).ip4}:\\d+"$`));
    assert.match(headers.get('traceparent') ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    assert.equal(headers.get('user-agent'), undefined);
    assert.equal(headers.get('x-forwarded-for'), undefined);
  });

  scenario('a server with another identity than the one that is expected gets no data', async (world) => {
    // what the control plane says of that address is not what its certificate says
    world.plane.setWorkload({ ...waypointWorkload(world), serviceAccount: 'impostor' });
    await world.applied();
    const before = asked.length;
    const target: Target = { ip: world.host('outside').ip4, port: 8080 };
    const since = world.a.log.length;
    assert.equal(await isAnswered(from(world), target), false);
    assert.equal(asked.length, before);
    await world.a.denial({ direction: 'outbound' }, since);
  });

  scenario('a service may name further identities of its endpoints', async (world) => {
    const services = new Map([[`shop/${hostnameOf('svc')}`, portsOf({ 80: 8080 })]]);
    world.plane.setWorkload({ ...waypointWorkload(world), serviceAccount: 'impostor', services });
    world.plane.setService(
      service({ name: 'svc', vips: [VIP], ports: { 80: 8080 }, subjectAltNames: [identityOf('outside')] }),
    );
    await world.applied();
    const { ip4 } = world.host('outside');
    assert.equal(await call(from(world), { ip: VIP, port: 80 }), `outside was asked for ${ip4}:8080`);
  });

  scenario('a service without endpoints is a failure, not a passthrough', async (world) => {
    world.plane.setService(service({ name: 'svc', vips: [VIP], ports: { 80: 8080 } }));
    await world.applied();
    const since = world.a.log.length;
    assert.equal(await isAnswered(from(world), { ip: VIP, port: 80 }), false);
    await world.a.denial({ direction: 'outbound' }, since);
  });

  scenario('a pod that is known, but without a tunnel, is called in plaintext', async (world) => {
    world.plane.setWorkload({ ...waypointWorkload(world), tunnelProtocol: 'NONE' });
    await world.applied();
    const since = world.a.log.length;
    await listenWhoAmI(world.host('outside'), 8080);
    const { ip4 } = world.host('outside');
    assert.equal(await call(from(world), { ip: ip4, port: 8080 }), `outside was called by ${from(world).ip4}`);
    const { fields } = await world.a.access({ direction: 'outbound', 'dst.workload': 'outside' }, since);
    assert.equal(fields['dst.identity'], undefined);
  });
});
