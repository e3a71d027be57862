import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ScratchDir } from '../support/leftovers.ts';
import { eventually } from '../support/netns.ts';
import { Conversation, call, isAnswered, type Target } from './support/apps.ts';
import { connect } from './support/hbone-caller.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { parseMetrics, total } from './support/metrics.ts';
import { identityOf } from './support/resources.ts';
import { alone } from './support/shared.ts';
import type { ZtunnelProcess } from './support/ztunnel-process.ts';

const target = (world: MeshWorld, name: 'server' | 'other'): Target => ({ ip: world.host(name).ip4, port: 8080 });

/** A world whose ztunnels read one list, which is replaced as careful people do it. */
async function revocable(implementation: Parameters<Parameters<typeof forEachImplementation>[0]>[0]) {
  await using stack = new AsyncDisposableStack();
  const path = join(stack.use(new ScratchDir('ambit-crl')).path, 'crl.pem');
  writeFileSync(path, '');
  const world = stack.use(await MeshWorld.create({ a: implementation, b: implementation, env: { CRL_PATH: path } }));
  for (const name of ['server', 'other'] as const) await world.host(name).listenEcho(8080);
  const owned = stack.move();
  return {
    world,
    revoke: async (serials: readonly string[]) => {
      writeFileSync(`${path}.new`, await world.plane.ca.crl(serials));
      renameSync(`${path}.new`, path);
    },
    serialsOf: (account: string) =>
      world.plane.issued.filter(({ identity }) => identity === identityOf(account)).map(({ serial }) => serial),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const rejections = async (ztunnel: ZtunnelProcess, reporter: 'source' | 'destination') =>
  total(parseMetrics(await ztunnel.metrics()), 'istio_crl_policy_rejections_total', { reporter });

forEachImplementation((implementation) => {
  alone('a revoked client is refused on 15008, and counted; others are served', async () => {
    await using it = await revocable(implementation);
    const { world } = it;
    const [from, to] = [world.host('outside'), world.host('server')];
    const ca = world.plane.ca;
    const [bad, good] = [await ca.material(ca.id('shop', 'other')), await ca.material(ca.id('shop', 'other'))];
    const authority = `${to.ip4}:8080`;
    assert.equal(await connect({ from, to, source: bad, authority }), 200);
    await it.revoke([bad.serial]);
    // One that came in just before the list is cut by it: answered with 200, and reset.
    const answer = () => connect({ from, to, source: bad, authority }).catch((error: Error) => error.message);
    await eventually('it is refused', async () => (await answer()) !== 200, 8_000);
    assert.equal(await connect({ from, to, source: good, authority }), 200);
    assert.ok((await rejections(world.b, 'destination')) > 0);
  });

  alone('a revoked server loses its tunnels and gets no new ones; other tunnels stay', async () => {
    await using it = await revocable(implementation);
    const { world } = it;
    using lost = await Conversation.open(world.host('client'), target(world, 'server'));
    using kept = await Conversation.open(world.host('client'), target(world, 'other'));
    await it.revoke(it.serialsOf('server'));
    await lost.ended();
    await kept.say('still');
    assert.equal(await isAnswered(world.host('client'), target(world, 'server')), false);
    assert.equal(await call(world.host('client'), target(world, 'other')), 'hello');
    await world.a.denial({ error: /revoked/ });
    assert.ok((await rejections(world.a, 'source')) >= 2);
    await kept.say('and still');
  });

  alone('a revoked client loses its tunnel at the server, and gets no new one', async () => {
    await using it = await revocable(implementation);
    const { world } = it;
    using lost = await Conversation.open(world.host('client'), target(world, 'server'));
    using kept = await Conversation.open(world.host('near'), target(world, 'server'));
    await it.revoke(it.serialsOf('client'));
    await lost.ended();
    await kept.say('still');
    assert.equal(await isAnswered(world.host('client'), target(world, 'server')), false);
    assert.ok((await rejections(world.b, 'destination')) >= 2);
  });
});
