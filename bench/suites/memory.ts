/**
 * What ztunnels hold: idle, for each idle tunnel, and for each open connection. Of a connection both nodes count, since it lives in
 * both; of a tunnel the one that it leads to.
 */
import { residentBytes } from '../cpu.ts';
import { idleTunnels } from '../idle-tunnels.ts';
import { hold } from '../load.ts';
import type { MeshPeer } from '../peers/ambit.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

/** The first bring compiled code and a grown heap along, once for all; what a connection costs by itself is seen by the others. */
const CONNECTIONS = 2000;
const MORE_CONNECTIONS = 8000;
const FIRST_TUNNELS = 200;
const TUNNELS = 1_000;
const MEGABYTE = 1e6;

export const memory: Suite = async (context) => {
  for (const mesh of context.meshes) {
    for (let round = 0; round < context.rounds; round++) {
      try {
        await oneThread(context, mesh);
        await using running = await mesh.startMesh(context); // afresh: a heap that has grown does not shrink at once
        const { client, target, pids } = running;
        const resident = () => residentOf(pids);
        addAll(context, mesh.name, { suite: 'memory', name: 'idle ztunnel' }, [
          ['resident', 'MB', 'lower', resident() / pids.length / MEGABYTE],
        ]);
        using _warm = await hold(context.programs, client, target, 16); // code and tunnel are there from now on
        const before = resident();
        using _held = await hold(context.programs, client, target, CONNECTIONS);
        const each = (resident() - before) / CONNECTIONS / pids.length;
        addAll(context, mesh.name, { suite: 'memory', name: `${CONNECTIONS} open connections` }, [
          ['resident for each, a node', 'bytes', 'lower', each],
        ]);
        const withFirst = resident();
        using _more = await hold(context.programs, client, target, MORE_CONNECTIONS);
        const eachMore = (resident() - withFirst) / MORE_CONNECTIONS / pids.length;
        addAll(context, mesh.name, { suite: 'memory', name: `${MORE_CONNECTIONS} more open connections` }, [
          ['resident for each, a node', 'bytes', 'lower', eachMore],
        ]);
      } catch (error) {
        context.skip(`memory of ${mesh.name}, round ${round + 1}: ${messageOf(error)}`);
      }
    }
  }
};

async function oneThread(context: SuiteContext, mesh: MeshPeer): Promise<void> {
  await using running = await mesh.startMesh(context, { ZTUNNEL_WORKER_THREADS: '1' });
  const { world, pids } = running;
  addAll(context, mesh.name, { suite: 'memory', name: 'idle ztunnel, one thread' }, [
    ['resident', 'MB', 'lower', residentOf(pids) / pids.length / MEGABYTE],
  ]);
  await using _first = await idleTunnels(world, FIRST_TUNNELS);
  const before = residentBytes(world.b.pid);
  await using _tunnels = await idleTunnels(world, TUNNELS);
  addAll(context, mesh.name, { suite: 'memory', name: `${TUNNELS} more idle tunnels` }, [
    ['resident for each', 'bytes', 'lower', (residentBytes(world.b.pid) - before) / TUNNELS],
  ]);
}

const residentOf = (pids: readonly number[]) => pids.map(residentBytes).reduce((sum, bytes) => sum + bytes, 0);
