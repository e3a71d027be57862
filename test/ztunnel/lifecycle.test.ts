import assert from 'node:assert/strict';
import { eventually } from '../support/netns.ts';
import { Conversation, call, isAnswered, type Target, withDeadline } from './support/apps.ts';
import { freeze } from './support/frozen-thread.ts';
import { forEachImplementation, forEachPair, OURS } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { identityOf } from './support/resources.ts';
import { alone, inWorld } from './support/shared.ts';

const server = (world: MeshWorld): Target => ({ ip: world.host('server').ip4, port: 8080 });

forEachPair((pair) => {
  const scenario = inWorld(async () => {
    const world = await MeshWorld.create(pair);
    for (const name of ['server', 'other'] as const) await world.host(name).listenEcho(8080);
    return world;
  });

  scenario(
    'traffic does not notice that the control plane is away, and what changed meanwhile arrives when it is back',
    async (world) => {
      using open = await Conversation.open(world.host('client'), server(world));
      assert.equal(await call(world.host('near'), server(world)), 'hello'); // both callers have their certificates now
      await world.plane.down();
      await open.say('still here');
      assert.equal(await call(world.host('client'), server(world)), 'hello');
      assert.equal(await call(world.host('near'), server(world)), 'hello');
      world.plane.removeWorkload(world.workload('other'));
      await world.plane.up();
      await world.applied();
      await open.say('and now');
      const dump = await Promise.all([world.a, world.b].map((ztunnel) => ztunnel.get(15000, '/config_dump')));
      for (const { body } of dump) {
        const names = (JSON.parse(body).workloads as { name: string }[]).map(({ name }) => name).sort();
        assert.deepEqual(names, ['client', 'near', 'server']);
      }
      world.plane.setWorkload(world.workload('other'));
      await world.applied();
      assert.equal(await call(world.host('client'), { ip: world.host('other').ip4, port: 8080 }), 'hello');
    },
  );

  scenario('when the server pod is removed its connections break, and the caller is told', async (world) => {
    const target: Target = { ip: world.host('other').ip4, port: 8080 };
    using open = await Conversation.open(world.host('client'), target);
    const since = world.a.log.length;
    await world.node('b').link.del('pod-other');
    world.plane.removeWorkload(world.workload('other'));
    await open.ended();
    open.socket.destroy(); // the other half is the caller's to end
    await world.a.access({ direction: 'outbound', 'dst.identity': identityOf('other') }, since);
    await world.plane.applied(2);
    assert.equal(await isAnswered(world.host('near'), server(world)), true);
  });
});

forEachImplementation((implementation) => {
  const create = async (env: Readonly<Record<string, string>> = {}) => {
    const world = await MeshWorld.create({ a: implementation, b: implementation, env });
    await world.host('server').listenEcho(8080);
    return world;
  };
  const refused = (world: MeshWorld, from: 'client' | 'outside') =>
    eventually('new connections are refused', async () => !(await isAnswered(world.host(from), server(world))));

  alone('after SIGTERM on its node a caller finishes what is open and starts nothing new', async () => {
    await using world = await create();
    using open = await Conversation.open(world.host('client'), server(world));
    world.a.terminate();
    await refused(world, 'client');
    await open.say('still here');
    open.socket.end();
    assert.equal(await open.ended(), 'end');
    assert.equal(await withDeadline(world.a.exited, 'the end of the process'), 0);
  });

  alone('after SIGTERM on its node a server finishes what is open and gets nothing new', async () => {
    await using world = await create();
    using tunnel = await Conversation.open(world.host('client'), server(world));
    using plaintext = await Conversation.open(world.host('outside'), server(world));
    world.b.terminate();
    for (const from of ['client', 'outside'] as const) await refused(world, from);
    for (const open of [tunnel, plaintext]) {
      await open.say('still here');
      open.socket.end();
      assert.equal(await open.ended(), 'end');
    }
    assert.equal(await withDeadline(world.b.exited, 'the end of the process'), 0);
  });

  alone('what is still open at the deadline of the drain is cut', async () => {
    await using world = await create({ CONNECTION_TERMINATION_DEADLINE: '1s' });
    using open = await Conversation.open(world.host('client'), server(world));
    const begin = performance.now();
    world.b.terminate();
    await open.ended();
    assert.ok(performance.now() - begin > 800, 'it was cut before the deadline');
    assert.equal(await withDeadline(world.b.exited, 'the end of the process'), 0);
  });
});

alone('a thread that hangs ends its process, which says so: whoever started it starts it anew', async () => {
  const env = { ZTUNNEL_WORKER_THREADS: '2', AMBIT_ZTUNNEL_HANG_TIMEOUT: '4s' };
  await using world = await MeshWorld.create({ a: OURS, b: OURS, env });
  await world.host('server').listenEcho(8080);
  assert.equal(await call(world.host('client'), server(world)), 'hello');
  const thread = freeze(world.b.pid, 'pods 1');
  await eventually('the thread is gone', () => thread.reap());
  assert.equal(await withDeadline(world.b.exited, 'the end of the process'), 1);
  assert.match(world.b.output, /ends at once.*worker thread 1 has not answered for 4 s/);
  await using _again = await world.successor('b', OURS);
  assert.equal(await call(world.host('client'), server(world)), 'hello');
});

forEachPair(({ a: old, b: young }) => {
  alone('a new ztunnel takes the place of the old one of its node, and no caller notices', async () => {
    await using world = await MeshWorld.create({ a: old, b: old });
    await world.host('server').listenEcho(8080);
    using tunnel = await Conversation.open(world.host('client'), server(world));
    using plaintext = await Conversation.open(world.host('outside'), server(world));
    await using successor = await world.successor('b', young);
    world.b.terminate();
    for (let i = 0; i < 50; i++) {
      for (const from of ['client', 'near', 'outside'] as const) {
        const ask = (deadlineMs?: number) => call(world.host(from), server(world), `call ${i}`, deadlineMs);
        if (old.name === 'ours') assert.equal(await ask(), `call ${i}`, `call ${i} from ${from}`);
        // what reaches a reference that has just begun to drain may hang until its deadline
        else await eventually('an answer', () => ask(500).then(Boolean, () => false), 12_000);
      }
    }
    for (const from of ['client', 'near'] as const) {
      await successor.access({ direction: 'inbound', 'src.identity': identityOf(from) });
    }
    for (const open of [tunnel, plaintext]) {
      await open.say('still here');
      open.socket.end();
      assert.equal(await open.ended(), 'end');
    }
    assert.equal(await withDeadline(world.b.exited, 'the end of the old process'), 0);
    assert.equal(await call(world.host('client'), server(world)), 'hello');
  });
});
