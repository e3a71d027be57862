import assert from 'node:assert/strict';
import { eventually } from '../support/netns.ts';
import { Conversation, call, type Target } from './support/apps.ts';
import { connect } from './support/hbone-caller.ts';
import { forEachImplementation } from './support/implementation.ts';
import { MeshWorld } from './support/mesh-world.ts';
import { servedSerial } from './support/raw-http2.ts';
import { identityOf } from './support/resources.ts';
import { inWorld } from './support/shared.ts';

const server = (world: MeshWorld): Target => ({ ip: world.host('server').ip4, port: 8080 });

forEachImplementation((implementation) => {
  // Half of the lifetime, which began 2 min ago for the sake of slow clocks, is over in a few seconds.
  const scenario = inWorld(async () => {
    const world = await MeshWorld.create({
      a: implementation,
      b: implementation,
      env: { SECRET_TTL: '126s' },
    });
    await world.host('server').listenEcho(8080);
    return world;
  });

  scenario('certificates are renewed under load without an error', async (world, t) => {
    using open = await Conversation.open(world.host('client'), server(world));
    const serials = (account: string) =>
      world.plane.issued.filter(({ identity }) => identity === identityOf(account)).map(({ serial }) => serial);
    const renewed = () => serials('client').length >= 2 && serials('server').length >= 2;
    // pooled tunnels outlive a renewal, so there is also a caller that makes a new one for every call
    const [from, to] = [world.host('outside'), world.host('server')];
    const source = await world.plane.ca.material(world.plane.ca.id('shop', 'other'));
    const deadline = performance.now() + 18_000;
    let calls = 0;
    for (let left = 20; left > 0; left -= renewed() ? 1 : 0, calls++) {
      assert.ok(performance.now() < deadline, 'the certificates were not renewed');
      assert.equal(await call(world.host('client'), server(world), `call ${calls}`), `call ${calls}`);
      assert.equal(await connect({ from, to, source, authority: `${to.ip4}:8080` }), 200);
    }
    await open.say('still here');
    assert.notEqual(serials('server').at(0), serials('server').at(-1));
    const served = await eventually('the new certificate is served', async () => {
      const serial = await servedSerial({ from, to, source });
      return serials('server').indexOf(serial) > 0 && serial;
    });
    t.diagnostic(`${calls} calls; ${serials('server').length} certificates of the server, now ${served}`);
    assert.ok(calls > 20, `only ${calls} calls`);
  });
});
