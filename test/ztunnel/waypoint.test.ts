/** A destination behind a waypoint: nobody gets around it where that is required, and policies judge for whom it calls. */
import assert from 'node:assert/strict';
import { type GatewayAddress, mustParseIp, requireWaypointName } from '../../mesh/index.ts';
import { isAnswered, listenWhoAmI, withDeadline } from './support/apps.ts';
import { connectAndRead, holdOpen } from './support/hbone-caller.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { parseMetrics, total } from './support/metrics.ts';
import {
  authorization,
  hostnameOf,
  identityOf,
  match,
  NAMESPACE,
  portsOf,
  service,
  workload,
} from './support/resources.ts';
import { inWorld } from './support/shared.ts';

const exactly = (account: string) => [{ kind: 'exact', value: `cluster.local/ns/${NAMESPACE}/sa/${account}` }] as const;
const REQUIREMENT = authorization({
  name: requireWaypointName(NAMESPACE, 'svc', 'Service'),
  scope: 'WORKLOAD_SELECTOR',
  action: 'DENY',
  matches: [match({ notPrincipals: exactly('gate'), destinationPorts: [8080] })],
});
const ONLY_CLIENT = authorization({ name: 'only-client', matches: [match({ principals: exactly('client') })] });
/** Stands for the caller's pod. */
const CALLER_IP = '10.77.0.1';
const saying = (account: string) => ({ 'ambit-source': `${identityOf(account)};${CALLER_IP}` });

forEachImplementation((implementation) => {
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create({ a: implementation, b: implementation });
      for (const port of [8080, 8081]) await listenWhoAmI(world.host('server'), port);
      // A waypoint's pod is not captured: host `outside` is where it runs.
      world.plane.setWorkload(workload({ name: 'gate', node: 'c', ips: [world.host('outside').ip4] }));
      const waypoint: GatewayAddress = {
        destination: { kind: 'address', network: '', address: mustParseIp(world.host('outside').ip4) },
        hboneMtlsPort: 15008,
      };
      world.plane.setService(service({ name: 'svc', vips: ['10.96.0.20'], ports: { 80: 8080 }, waypoint }));
      await restore(world);
      return world;
    },
    (world) => restore(world),
  );
  /** An endpoint of the service that names these policies. */
  const setServer = (world: MeshWorld, authorizationPolicies: readonly string[]) => {
    const services = new Map([[`${NAMESPACE}/${hostnameOf('svc')}`, portsOf({ 80: 8080 })]]);
    world.plane.setWorkload({ ...world.workload('server'), services, authorizationPolicies });
  };
  const restore = async (world: MeshWorld) => {
    world.plane.removeAllAuthorizations();
    setServer(world, []);
    await world.applied();
  };
  const callOf = async (
    world: MeshWorld,
    account: string,
    headers: Readonly<Record<string, string>> = {},
    port = 8080,
  ) => {
    const [from, to] = [world.host('outside'), world.host('server')];
    const source = await world.plane.ca.material(world.plane.ca.id(NAMESPACE, account));
    return { from, to, source, authority: `${to.ip4}:${port}`, headers };
  };
  const receiptOf = async (world: MeshWorld, headers: ReadonlyMap<string, string>) =>
    (await world.b.get(15000, `/receipts?id=${headers.get('ambit-receipt')}`)).body;

  scenario('a required waypoint can not be gone around, and who tries is told which one it is', async (world) => {
    world.plane.setAuthorization(REQUIREMENT);
    setServer(world, [`${NAMESPACE}/${REQUIREMENT.name}`]);
    await world.applied();
    const around = { ip: world.host('server').ip4, port: 8080 };
    for (const from of ['client', 'near', 'outside'] as const) {
      assert.equal(await isAnswered(world.host(from), around), false, from);
      assert.equal(await isAnswered(world.host(from), { ...around, port: 8081 }), true, from);
    }
    assert.equal((await connectAndRead(await callOf(world, 'gate'))).status, 200);
    const { status, headers } = await connectAndRead(await callOf(world, 'client'));
    assert.equal(status, 401);
    if (!world.b.isOurs) return;
    assert.match(
      await receiptOf(world, headers),
      /service shop\/svc has L7 policy, so nobody gets around its waypoint: go through cluster.local\/ns\/shop\/sa\/gate/,
    );
    // The requirement is about the peer, whomever somebody else claims to call for.
    const { status: claimed } = await connectAndRead(await callOf(world, 'client', saying('gate')));
    assert.equal(claimed, 401);
  });
  scenario(
    'policies judge the caller that the waypoint names, and the application sees the waypoint',
    async (world, t) => {
      if (!world.b.isOurs) return t.skip('ambit-source is ours');
      world.plane.setAuthorization(ONLY_CLIENT);
      await world.applied();
      const since = world.b.log.length;
      const through = await connectAndRead(await callOf(world, 'gate', saying('client')));
      assert.deepEqual([through.status, through.said], [200, `server was called by ${world.host('outside').ip4}`]);
      const both = { 'src.identity': identityOf('gate'), 'src.original': identityOf('client') };
      await world.b.access({ direction: 'inbound', ...both }, since);
      const denied = await connectAndRead(await callOf(world, 'gate', saying('near')));
      assert.equal(denied.status, 401);
      const { src } = JSON.parse(await receiptOf(world, denied.headers)) as { readonly src: object };
      assert.partialDeepStrictEqual(src, {
        identity: identityOf('gate'),
        original: { identity: identityOf('near'), ip: CALLER_IP },
      });
      assert.equal((await connectAndRead(await callOf(world, 'gate'))).status, 401, 'for itself');
    },
  );

  scenario('a caller that is named by somebody else is not listened to, and that is counted', async (world, t) => {
    if (!world.b.isOurs) return t.skip('ambit-source is ours');
    world.plane.setAuthorization(ONLY_CLIENT);
    await world.applied();
    const dropped = async () => total(parseMetrics(await world.b.metrics()), 'ambit_source_headers_dropped_total', {});
    const before = await dropped();
    assert.equal((await connectAndRead(await callOf(world, 'near', saying('client')))).status, 401);
    assert.equal((await connectAndRead(await callOf(world, 'client', saying('near')))).status, 200);
    assert.equal(await dropped(), before + 2);
    const unreadable = { 'ambit-source': identityOf('client') };
    assert.equal((await connectAndRead(await callOf(world, 'gate', unreadable))).status, 400);
    assert.equal(await dropped(), before + 2);
  });

  scenario('a connection through the waypoint is cut by a policy that comes to deny its caller', async (world, t) => {
    if (!world.b.isOurs) return t.skip('ambit-source is ours');
    await using stack = new AsyncDisposableStack();
    await world.host('server').listenEcho(8082);
    const open = await holdOpen(await callOf(world, 'gate', saying('client'), 8082), stack);
    world.plane.setAuthorization(
      authorization({ name: 'no-client', action: 'DENY', matches: [match({ principals: exactly('client') })] }),
    );
    assert.notEqual(await withDeadline(open.cut, 'the cut'), 'end');
  });
});
