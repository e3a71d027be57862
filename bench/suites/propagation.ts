/** From a policy at the control plane until the ztunnel has closed an open connection that it forbids, by workloads known. */
import { eventually } from '../../test/support/netns.ts';
import { authorization, identityOf, match } from '../../test/ztunnel/support/resources.ts';
import { ECHO_PORT } from '../load.ts';
import type { MeshRunning } from '../peers/ambit.ts';
import { arrive, strangers } from './population.ts';
import { addAll, messageOf, type Suite } from './suite.ts';

const POPULATIONS = [10, 1_000, 10_000] as const;
const DEADLINE_MS = 30_000;

const principals = [{ kind: 'exact' as const, value: identityOf('client').replace('spiffe://', '') }];
const NO_CLIENT = authorization({ name: 'no-client', action: 'DENY', matches: [match({ principals })] });

export const propagation: Suite = async (context) => {
  for (const mesh of context.meshes) {
    try {
      await using running = await mesh.startMesh(context);
      let known = 0;
      for (const population of POPULATIONS) {
        const began = performance.now();
        arrive(running.world.plane, strangers(known, population));
        await running.world.applied();
        const arrived = performance.now() - began;
        addAll(context, mesh.name, { suite: 'propagation', name: `${population - known} workloads arrive` }, [
          ['until both ztunnels acknowledge', 'ms', 'lower', arrived],
        ]);
        known = population;
        for (let round = 0; round < context.rounds; round++) {
          addAll(context, mesh.name, { suite: 'propagation', name: `a DENY among ${population} workloads` }, [
            ['until an open connection is closed', 'ms', 'lower', await deny(running)],
          ]);
        }
      }
    } catch (error) {
      context.skip(`propagation of ${mesh.name}: ${messageOf(error)}`);
    }
  }
};

/** Milliseconds from the push to the end of the connection. */
async function deny({ world, client, target }: MeshRunning): Promise<number> {
  const socket = await client.dial({ ip: target, port: ECHO_PORT });
  try {
    const ended = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    const echoed = new Promise<void>((resolve) => socket.once('data', () => resolve()));
    socket.on('error', () => {}); // a reset is the end that is waited for
    socket.resume();
    socket.write('?');
    await before(echoed, 'the connection carries');
    const began = performance.now();
    world.plane.setAuthorization(NO_CLIENT);
    return (await before(ended, 'the connection is closed')) - began;
  } finally {
    socket.destroy();
    world.plane.removeAuthorization(NO_CLIENT);
    await world.applied();
    await eventually('nothing is open', async () => (await world.a.connections()).outbound === 0);
  }
}

function before<T>(wait: Promise<T>, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not in ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS);
  return Promise.race([wait, promise]).finally(() => clearTimeout(timer));
}
