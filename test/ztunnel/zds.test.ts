import assert from 'node:assert/strict';
import { KernelError, listenTcp, type NetnsRef, serveFd } from '../../core/net/index.ts';
import { encodeRequest } from '../../core/zds/index.ts';
import { mustParseIp } from '../../mesh/index.ts';
import { eventually } from '../support/netns.ts';
import { Conversation, call, isAnswered } from './support/apps.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { inWorld } from './support/shared.ts';
import type { AgentLink } from './support/zds-agent.ts';

/** What an agent tells a ztunnel, and what becomes of the pods. Node b is told; the callers are on node a. */
forEachImplementation((implementation) => {
  let link: AgentLink;
  const scenario = inWorld(
    async () => {
      const world = await MeshWorld.create({ a: implementation, b: implementation });
      for (const name of ['server', 'other'] as const) await world.host(name).listenEcho(8080);
      link = world.node('b').link;
      return world;
    },
    // every scenario ends on a connection that knows both pods
    async (world) => {
      for (const name of ['server', 'other'] as const) await link.add(world.agentPod(name));
      await eventually('node b is ready', () => world.b.isReady());
    },
  );
  const dial = (world: MeshWorld, name: 'server' | 'other') =>
    Conversation.open(world.host('client'), { ip: world.host(name).ip4, port: 8080 });
  const answers = (world: MeshWorld, name: 'server' | 'other') =>
    isAnswered(world.host('client'), { ip: world.host(name).ip4, port: 8080 });
  const reconnect = async (world: MeshWorld) => {
    link.close();
    link = await world.node('b').agent.link();
  };
  const podsUp = async (world: MeshWorld) => {
    const dump = JSON.parse((await world.b.get(15000, '/config_dump')).body);
    return Object.entries(dump.workloadState as Record<string, { state: string }>)
      .map(([uid, { state }]) => `${uid} ${state}`)
      .sort();
  };

  scenario('a deleted pod is cut off at once, and served again when it is added again', async (world) => {
    using open = await dial(world, 'server');
    using others = await dial(world, 'other');
    await link.del('pod-server');
    await open.ended();
    await others.say('still here');
    assert.equal(await answers(world, 'server'), false);
    assert.deepEqual(await podsUp(world), ['pod-other Up']);
    await link.add(world.agentPod('server'));
    assert.equal(await answers(world, 'server'), true);
    assert.deepEqual(await podsUp(world), ['pod-other Up', 'pod-server Up']);
  });

  scenario('adding a pod that is served already disturbs nothing', async (world) => {
    using open = await dial(world, 'server');
    await link.add(world.agentPod('server'));
    await link.add(world.agentPod('server'));
    await open.say('still here');
  });

  scenario('deleting a pod that nobody knows is fine', async () => {
    await link.del('nobody');
  });

  scenario('a pod whose namespace is another one now is served there', async (world) => {
    using open = await dial(world, 'server');
    // the same uid in the namespace of another host: what happens when a pod's sandbox is made anew
    const moved = { ...world.agentPod('server'), netns: world.agentPod('other').netns };
    await link.del('pod-other');
    await link.add(moved);
    await open.ended();
    assert.equal(await answers(world, 'server'), false);
    await link.add(world.agentPod('server'));
    assert.equal(await answers(world, 'server'), true);
  });

  scenario('pods go on while the agent is away, and readiness says that it is', async (world) => {
    using open = await dial(world, 'server');
    await reconnect(world);
    await eventually('node b is not ready', async () => !(await world.b.isReady()));
    await open.say('still here');
    assert.equal(await answers(world, 'server'), true);
    await link.snapshot([world.agentPod('server'), world.agentPod('other')]);
    await eventually('node b is ready', () => world.b.isReady());
    await open.say('and now');
  });

  scenario(
    'a pod that the next snapshot does not name is stopped, and one that it says to keep is not',
    async (world) => {
      using server = await dial(world, 'server');
      using other = await dial(world, 'other');
      await reconnect(world);
      await link.keep('pod-server');
      await other.say('until the snapshot is complete');
      await link.snapshotSent();
      await other.ended();
      await server.say('still here');
      assert.deepEqual(await podsUp(world), ['pod-server Up']);
    },
  );

  scenario('a delete before the snapshot is complete counts for it', async (world) => {
    using other = await dial(world, 'other');
    await reconnect(world);
    await link.add(world.agentPod('server'));
    await link.add(world.agentPod('other'));
    await link.del('pod-other');
    await link.snapshotSent();
    await other.ended();
    assert.deepEqual(await podsUp(world), ['pod-server Up']);
  });

  scenario(
    'a pod that cannot be served yet is refused, kept in mind, and served as soon as it can be',
    async (world) => {
      await link.del('pod-server');
      const { netns, ip4 } = world.host('server');
      // not 15008, where connections that are over may still hold the port; and listeners close a little after the answer
      const fd = await eventually('port 15001 is free', () => listenIfFree(netns, 15001));
      const squatter = await serveFd(fd, (socket) => socket.destroy());
      try {
        await assert.rejects(link.add(world.agentPod('server')), /^Error: add: (?!the ztunnel hung up)/);
        assert.deepEqual(await podsUp(world), ['pod-other Up', 'pod-server Pending']);
        await link.add(world.agentPod('other')); // the reference looks at its readiness only after what went well
        await eventually('node b is not ready', async () => !(await world.b.isReady()));
      } finally {
        await new Promise((done) => squatter.close(done));
      }
      await eventually('the pod is up', async () => (await podsUp(world)).includes('pod-server Up'), 8_000);
      assert.equal(await call(world.host('client'), { ip: ip4, port: 8080 }), 'hello');
    },
  );

  scenario('a pod that the control plane has never heard of is not served as anybody', async (world) => {
    world.plane.removeWorkload(world.workload('server'));
    await world.applied();
    const ip = mustParseIp(world.host('server').ip4);
    assert.equal(await isAnswered(world.host('outside'), { ip, port: 8080 }), false);
    world.plane.setWorkload(world.workload('server'));
    await world.applied();
    assert.equal(await isAnswered(world.host('outside'), { ip, port: 8080 }), true);
  });

  const uid = 'pod-server';
  const info = { name: 'server', namespace: 'shop', serviceAccount: 'server' };
  type Fault = { readonly packet: Uint8Array; readonly withFd: boolean; readonly endsTheReference?: true };
  const faults: Readonly<Record<string, Fault>> = {
    'bytes that are no message': { packet: Uint8Array.of(0xff, 0xff, 0xff), withFd: false },
    'a pod without its namespace': { packet: encodeRequest({ kind: 'add', uid, info }), withFd: false },
    'a descriptor that does not belong there': { packet: encodeRequest({ kind: 'del', uid: 'nobody' }), withFd: true },
    'a second end of the snapshot': {
      packet: encodeRequest({ kind: 'snapshotSent' }),
      withFd: false,
      endsTheReference: true,
    },
  };
  for (const [what, { packet, withFd, endsTheReference }] of Object.entries(faults)) {
    scenario(`${what}: refused, and the pods stay`, async (world, t) => {
      // For some of them the reference ends its process; ours always refuses, and asks the agent anew.
      if (endsTheReference && !world.b.isOurs) return t.skip('a ztunnel of the reference does not survive it');
      using open = await dial(world, 'other');
      const answer = await link.raw(packet, withFd ? [world.agentPod('server').netns.fd] : []);
      assert.ok(answer === undefined || answer !== '', 'it was accepted');
      link = await world.node('b').agent.link();
      await link.snapshot([world.agentPod('server'), world.agentPod('other')]);
      await open.say('still here');
    });
  }

  scenario('pods that come and go are counted', async (world) => {
    const count = async (name: string) => {
      const text = await world.b.metrics();
      return Number(new RegExp(`^workload_manager_${name}(?:_total)? (\\d+)`, 'm').exec(text)?.[1]);
    };
    const [started, stopped] = [await count('proxies_started'), await count('proxies_stopped')];
    await link.del('pod-server');
    await link.add(world.agentPod('server'));
    assert.equal(await count('proxies_started'), started + 1);
    assert.equal(await count('proxies_stopped'), stopped + 1);
    assert.equal(await count('active_proxy_count'), 2);
    assert.equal(await count('pending_proxy_count'), 0);
  });
});

function listenIfFree(netns: NetnsRef, port: number): number | undefined {
  try {
    return listenTcp({ netns, port });
  } catch (error) {
    if (error instanceof KernelError && error.code === 'EADDRINUSE') return undefined;
    throw error;
  }
}
