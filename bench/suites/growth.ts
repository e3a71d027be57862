/** Whether it stays as fast: one stream beside many open connections, new connections among many services. */
import { service } from '../../test/ztunnel/support/resources.ts';
import { hold, load } from '../load.ts';
import type { MeshRunning } from '../peers/ambit.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

const OPEN = [1, 1_000, 10_000] as const;
const SERVICES = [10, 1_000, 10_000] as const;

export const growth: Suite = async (context) => {
  for (const mesh of context.meshes) {
    for (const measured of [besideOpenConnections, amongServices]) {
      try {
        await using running = await mesh.startMesh(context);
        await measured(context, mesh.name, running);
      } catch (error) {
        context.skip(`growth of ${mesh.name}: ${messageOf(error)}`);
      }
    }
  }
};

async function besideOpenConnections(context: SuiteContext, who: string, running: MeshRunning): Promise<void> {
  const { client, target: ip } = running;
  await using held = new AsyncDisposableStack();
  let open = 0;
  for (const wanted of OPEN) {
    held.use(await hold(context.programs, client, ip, wanted - open));
    open = wanted;
    for (let round = 0; round < context.rounds; round++) {
      const o = { mode: 'stream', ip, seconds: context.seconds, connections: 1 } as const;
      const { count, seconds } = await load(context.programs, client, o);
      addAll(context, who, { suite: 'growth', name: `1 stream beside ${wanted} open connections` }, [
        ['throughput', 'Gbit/s', 'higher', (count * 8) / seconds / 1e9],
      ]);
    }
  }
}

async function amongServices(context: SuiteContext, who: string, { world, client, target }: MeshRunning) {
  let known = 0;
  for (const wanted of SERVICES) {
    for (; known < wanted; known++) {
      const vips = [`10.96.${known >> 8}.${known & 255}`];
      world.plane.setService(service({ name: `service-${known}`, vips, ports: { 80: 8080 } }));
    }
    await world.applied();
    for (let round = 0; round < context.rounds; round++) {
      const o = { mode: 'crr', ip: target, seconds: context.seconds, connections: 1 } as const;
      const { p50 } = await load(context.programs, client, o);
      addAll(context, who, { suite: 'growth', name: `connect among ${wanted} services` }, [
        ['p50', 'us', 'lower', p50],
      ]);
    }
  }
}
