import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RevocationGate, type TlsMaterial } from '../../core/hbone/index.ts';
import { connectTcp, KernelError, listenTcp, localAddress, TcpListener } from '../../core/net/index.ts';
import { mustParseIp, type OutboundDecision, type Workload } from '../../mesh/index.ts';
import { TestCa } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/netns.ts';
import { NodePods } from './node-pods.ts';
import { ShortWays } from './same-node.ts';

const ip = mustParseIp('127.0.0.1');

/** A pod beside ours whose certificate and network the test changes. */
async function neighbours(now: () => number = () => performance.now()) {
  const ca = await TestCa.create();
  const identity = ca.id('shop', 'cart');
  const fd = listenTcp({ ip, port: 0 });
  const port = localAddress(fd)?.port ?? 0;
  const listener = new TcpListener(fd, (connection) => connection.close(), { perTurn: 64, onError: assert.ifError });
  const world = { theirs: await ca.material(identity), isClosed: false, looks: 0 };
  const nodePods = new NodePods();
  const workload = (name: string): Workload => ({
    uid: name,
    name,
    namespace: 'shop',
    addresses: [ip],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'POD',
    workloadName: '',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: '',
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
  });
  nodePods.add({
    info: workload('cart'),
    hbonePort: port,
    gone: new AbortController().signal,
    material: async () => world.theirs,
    serve: async () => {},
  });
  const own: TlsMaterial = await ca.material(ca.id('shop', 'web'));
  const ways = new ShortWays({
    nodePods,
    dial: async (to) => {
      world.looks += 1;
      if (world.isClosed) throw new KernelError('ETIMEDOUT', 'connect', 'closed by the test');
      return connectTcp({ to });
    },
    material: async () => own,
    gate: new RevocationGate(undefined),
    lookEveryMs: 30,
    now,
  });
  const route: Extract<OutboundDecision, { kind: 'hbone' }> = {
    kind: 'hbone',
    dial: { ip, port },
    authority: `127.0.0.1:${port}`,
    expectedIdentities: [identity],
    destination: workload('cart'),
    via: 'direct',
    because: { code: 'speaks-hbone', workload: workload('cart') },
  };
  const way = () => ways.to(workload('web'), route);
  const dispose = () => {
    ways[Symbol.dispose]();
    listener[Symbol.dispose]();
  };
  return { ca, identity, world, way, [Symbol.dispose]: dispose };
}

test('a certificate that ran out cuts nothing that runs, and lets nothing new in', async () => {
  using t = await neighbours();
  const way = await t.way();
  assert.ok(way);
  const cuts: string[] = [];
  const release = way.hold((reason) => cuts.push(reason));
  t.world.theirs = await t.ca.expired(t.identity);
  await eventually('it is closed for new ones', async () => (await t.way()) === undefined);
  const before = t.world.looks;
  await eventually('some looks more', () => t.world.looks > before + 3);
  assert.deepEqual(cuts, []);
  t.world.theirs = await t.ca.material(t.identity);
  await eventually('a renewed one opens it again', async () => (await t.way()) !== undefined);
  release();
});

test('a network that refuses twice in a row cuts what runs, and once that it is open again lets new ones in', async () => {
  using t = await neighbours();
  const way = await t.way();
  assert.ok(way);
  const cuts: string[] = [];
  way.hold((reason) => cuts.push(reason));
  t.world.isClosed = true;
  await eventually('it is cut', () => cuts.length > 0);
  assert.match(cuts.join(), /NetworkPolicy/);
  assert.equal(await t.way(), undefined);
  t.world.isClosed = false;
  await eventually('it is open again', async () => (await t.way()) !== undefined);
});

test('what was seen counts for a while: nobody waits twice for a network that does not answer', async () => {
  using t = await neighbours(() => 0); // the while is never over
  t.world.isClosed = true;
  for (let i = 0; i < 3; i++) assert.equal(await t.way(), undefined);
  assert.equal(t.world.looks, 1);
});
