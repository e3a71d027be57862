import assert from 'node:assert/strict';
import {
  decideInboundHbone,
  decideInboundPlaintext,
  decideOutbound,
  formatReason,
  formatSocketAddress,
  type LoadBalancing,
  mustParseIp,
  type OutboundDecision,
  type Service,
  type SocketAddress,
  View,
  type Workload,
} from '../../mesh/index.ts';
import { isAnswered, listenWhoAmI } from './support/apps.ts';
import { connect } from './support/hbone-caller.ts';
import { OURS } from './support/implementation.ts';
import { MeshWorld, type PodName } from './support/mesh-world.ts';
import { hostnameOf, portsOf, service, workload } from './support/resources.ts';
import { inWorld } from './support/shared.ts';

/**
 * What the pure functions say of a mesh, and what ztunnels do that got the same mesh from a control plane: one table, tried both
 * ways. Nothing here says what is right; the tables of `mesh/decide` do.
 */

const BALANCED = { routingPreference: [], healthPolicy: 'ONLY_HEALTHY' } as const;
const lb = (o: Partial<LoadBalancing>): { readonly loadBalancing: LoadBalancing } => ({
  loadBalancing: { ...BALANCED, mode: 'UNSPECIFIED_MODE', ...o },
});

type Endpoints = Partial<Record<PodName | 'sick' | 'abroad', Readonly<Record<number, number>>>>;
type Case = {
  readonly name: string;
  readonly fields: Omit<Partial<Service>, 'name' | 'addresses' | 'ports'>;
  readonly ports: Readonly<Record<number, number>>;
  readonly behind: Endpoints;
};

/** Services by what is special about them; the n-th has the address 10.96.1.n. */
const SERVICES: readonly Case[] = [
  { name: 'mapped', fields: {}, ports: { 80: 8080 }, behind: { server: {} } },
  { name: 'own-port', fields: {}, ports: { 80: 8080 }, behind: { server: { 80: 8081 } } },
  { name: 'named-port', fields: {}, ports: { 80: 0 }, behind: { server: { 80: 8081 }, other: {} } },
  { name: 'nobody', fields: {}, ports: { 80: 8080 }, behind: {} },
  { name: 'sick-only', fields: {}, ports: { 80: 8080 }, behind: { sick: {} } },
  { name: 'sick-wanted', fields: lb({ healthPolicy: 'ALLOW_ALL' }), ports: { 80: 8080 }, behind: { sick: {} } },
  {
    name: 'strict',
    fields: lb({ mode: 'STRICT', routingPreference: ['NODE'] }),
    ports: { 80: 8080 },
    behind: { server: {}, near: {} },
  },
  {
    name: 'strict-far',
    fields: lb({ mode: 'STRICT', routingPreference: ['NODE'] }),
    ports: { 80: 8080 },
    behind: { server: {} },
  },
  {
    name: 'failover',
    fields: lb({ mode: 'FAILOVER', routingPreference: ['REGION', 'NODE'] }),
    ports: { 80: 8080 },
    behind: { server: {}, near: {} },
  },
  { name: 'weightless', fields: {}, ports: { 80: 8080 }, behind: { server: {}, other: {} } },
  { name: 'abroad', fields: {}, ports: { 80: 8080 }, behind: { abroad: {} } },
  {
    name: 'unwaypointed',
    fields: {
      waypoint: { destination: { kind: 'hostname', namespace: 'shop', hostname: 'nowhere' }, hboneMtlsPort: 15008 },
    },
    ports: { 80: 8080 },
    behind: { server: {} },
  },
  { name: 'v6-only', fields: { ipFamilies: 'IPV6_ONLY' }, ports: { 80: 8080 }, behind: { server: {} } },
  { name: 'self', fields: {}, ports: { 80: 8080 }, behind: { client: {} } },
];
const vipOf = (name: string) => `10.96.1.${SERVICES.findIndex((s) => s.name === name) + 1}`;

function resourcesOf(world: MeshWorld): readonly (Workload | Service)[] {
  const { ip4, ip6 } = world.host('outside');
  const sick = workload({
    name: 'sick',
    node: 'b',
    ips: [world.host('server').ip4],
    serviceAccount: 'server',
    status: 'UNHEALTHY',
  });
  const abroad = workload({ name: 'abroad', node: 'far', ips: ['10.0.0.1'], network: 'n2' });
  const plain = workload({ name: 'plain', node: 'b', ips: [ip6], tunnelProtocol: 'NONE' });
  const pods = (['client', 'near', 'server', 'other'] as const).map((name) => world.workload(name));
  const behind = (w: Workload): Workload => ({
    ...w,
    ...(w.name === 'other' && { capacity: 0 }),
    services: new Map(
      SERVICES.flatMap(({ name, behind: of }) => {
        const ports = of[w.name as keyof Endpoints];
        return ports === undefined ? [] : [[`shop/${hostnameOf(name)}`, portsOf(ports)] as const];
      }),
    ),
  });
  const range: Service = {
    ...service({ name: 'range', vips: [], ports: { 80: 8080 } }),
    addresses: [{ network: '', address: mustParseIp('10.96.2.0'), length: 24 }],
  };
  const hidden = service({
    name: 'hidden',
    vips: [ip4],
    ports: { 8080: 1 },
    namespace: 'else',
    hostname: 'hidden.else',
    visibility: 'NAMESPACE',
  });
  const services = SERVICES.map(({ name, fields, ports }) => service({ name, vips: [vipOf(name)], ports, ...fields }));
  const all = [...pods, sick, abroad, plain].map(behind);
  const server = all.find((w) => w.name === 'server');
  assert.ok(server);
  const inRange = { ...server, services: new Map([...server.services, [`shop/${hostnameOf('range')}`, portsOf({})]]) };
  return [...all, inRange, ...services, range, hidden];
}

const view = new View({ network: '', localNode: '' });
const scenario = inWorld(async () => {
  const world = await MeshWorld.create({ a: OURS, b: OURS });
  await using made = new AsyncDisposableStack();
  made.use(world);
  for (const name of ['client', 'near', 'server', 'other', 'outside'] as const) {
    for (const port of [8080, 8081]) await listenWhoAmI(world.host(name), port);
  }
  for (const resource of resourcesOf(world)) {
    if ('uid' in resource) {
      world.plane.setWorkload(resource);
      view.upsertAddress({ kind: 'workload', workload: resource });
    } else {
      world.plane.setService(resource);
      view.upsertAddress({ kind: 'service', service: resource });
    }
  }
  await world.applied();
  made.move();
  return world;
});

const OUTBOUND: readonly [string, (world: MeshWorld) => readonly [string, number]][] = [
  ...SERVICES.map(({ name }): (typeof OUTBOUND)[number] => [`service ${name}`, () => [vipOf(name), 80]]),
  ['a port that a service has not', () => [vipOf('mapped'), 81]],
  ['an address within a range', () => ['10.96.2.77', 80]],
  ['a pod', (world) => [world.host('server').ip4, 8080]],
  ['a pod by IPv6', (world) => [world.host('server').ip6, 8080]],
  ['a pod of the same node', (world) => [world.host('near').ip4, 8080]],
  ['a hidden service, which is a stranger then', (world) => [world.host('outside').ip4, 8080]],
  ['a pod outside the mesh', (world) => [world.host('outside').ip6, 8080]],
];

/** What a ztunnel's access line of such a connection must say. */
function expected(d: OutboundDecision): Readonly<Record<string, string | undefined>> {
  assert.notEqual(d.kind, 'resolve');
  if (d.kind === 'resolve') return {};
  if (d.kind === 'refuse') return { error: `${d.reason}: ${formatReason(d.because)}` };
  const bare = { 'dst.addr': formatSocketAddress(d.dial), error: undefined };
  if (d.kind === 'passthrough') return { ...bare, 'dst.workload': undefined, 'dst.hbone_addr': undefined };
  const known = { ...bare, 'dst.workload': d.destination?.name, 'dst.service': d.service?.hostname };
  if (d.kind === 'tcp') return { ...known, 'dst.hbone_addr': undefined };
  return { ...known, 'dst.hbone_addr': d.authority, 'dst.identity': d.expectedIdentities[0] };
}

scenario('where the pure function sends a connection, there it goes', async (world) => {
  const client = world.host('client');
  const source = view.localWorkload({ name: 'client', namespace: 'shop', serviceAccount: 'client' });
  assert.ok(source);
  for (const [name, of] of OUTBOUND) {
    const [ip, port] = of(world);
    const from = { ip: mustParseIp(ip.includes(':') ? client.ip6 : client.ip4), port: 40_000 };
    const decision = decideOutbound(view, { source, from, originalDst: { ip: mustParseIp(ip), port } }, () => 0.5);
    const since = world.a.log.length;
    assert.equal(await isAnswered(client, { ip, port }), decision.kind !== 'refuse', name);
    const outbound = { direction: 'outbound', 'src.addr': new RegExp(`^\\[?${from.ip}\\]?:`) };
    const line = decision.kind === 'refuse' ? world.a.denial(outbound, since) : world.a.access(outbound, since);
    const { fields } = await line;
    const wanted = expected(decision);
    const said = Object.fromEntries(Object.keys(wanted).map((key) => [key, fields[key]]));
    assert.deepEqual(said, wanted, name);
  }
});

const INBOUND: readonly [string, (world: MeshWorld) => string][] = [
  ['its own address', (world) => `${world.host('server').ip4}:8080`],
  ['another port of it', (world) => `${world.host('server').ip4}:8081`],
  ['the address of another pod', (world) => `${world.host('other').ip4}:8080`],
  ['an address of nobody', () => '10.9.9.9:8080'],
  ['the virtual address of a service that it is behind', () => `${vipOf('mapped')}:80`],
  ['the name of a service', () => `${hostnameOf('mapped')}:80`],
  ['the name of a service for which it has a port of its own', () => `${hostnameOf('own-port')}:80`],
  ['the name of a service with a named port', () => `${hostnameOf('named-port')}:80`],
  ['a port that the named service has not', () => `${hostnameOf('mapped')}:81`],
  ['a name that nobody has', () => 'nowhere.shop.svc.cluster.local:80'],
  ['a hidden name', () => 'hidden.else:8080'],
  ["the proxy's own port", (world) => `${world.host('server').ip4}:15006`],
];

scenario('what the pure function admits through a tunnel is admitted, with its status and reason', async (world) => {
  const [from, to] = [world.host('outside'), world.host('server')];
  const material = await world.plane.ca.material(world.plane.ca.id('shop', 'client'));
  const local = view.localWorkload({ name: 'server', namespace: 'shop', serviceAccount: 'server' });
  assert.ok(local);
  const connectionDst: SocketAddress = { ip: mustParseIp(to.ip4), port: 15008 };
  for (const [name, of] of INBOUND) {
    const authority = of(world);
    const decision = decideInboundHbone(view, { local, connectionDst, authority });
    const since = world.b.log.length;
    const status = await connect({ from, to, source: material, authority });
    assert.equal(status, decision.kind === 'accept' ? 200 : decision.status, name);
    if (decision.kind === 'accept') continue;
    const { fields } = await world.b.denial({ direction: 'inbound' }, since);
    assert.equal(fields['error'], formatReason(decision.because), name);
  }
});

scenario('what the pure function admits in the clear is admitted', async (world) => {
  const [from, to] = [world.host('outside'), world.host('server')];
  const local = view.localWorkload({ name: 'server', namespace: 'shop', serviceAccount: 'server' });
  assert.ok(local);
  for (const port of [8080, 8081, 15001, 15006]) {
    const originalDst = { ip: mustParseIp(to.ip4), port };
    const decision = decideInboundPlaintext(view, { local, originalDst });
    const answered = await isAnswered(from, { ip: to.ip4, port });
    assert.equal(answered, decision.kind === 'accept', `port ${port}`);
  }
});
