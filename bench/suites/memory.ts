/** What ztunnels hold: idle, and for each open connection. Both nodes count, since a connection lives in both. */
import { residentBytes } from '../cpu.ts';
import { hold } from '../load.ts';
import { addAll, messageOf, type Suite } from './suite.ts';

/** Enough that what a connection costs stands out from what the heap does by itself. */
const CONNECTIONS = 2000;
const MEGABYTE = 1e6;

export const memory: Suite = async (context) => {
  for (const mesh of context.meshes) {
    for (let round = 0; round < context.rounds; round++) {
      try {
        await using running = await mesh.startMesh(context); // afresh: a heap that has grown does not shrink at once
        const { client, target, pids } = running;
        const resident = () => pids.map(residentBytes).reduce((sum, bytes) => sum + bytes, 0);
        const idle = resident() / pids.length;
        addAll(context, mesh.name, { suite: 'memory', name: 'idle ztunnel' }, [
          ['resident', 'MB', 'lower', idle / MEGABYTE],
        ]);
        using _warm = await hold(context.programs, client, target, 16); // code and tunnel are there from now on
        const before = resident();
        using _held = await hold(context.programs, client, target, CONNECTIONS);
        const each = (resident() - before) / CONNECTIONS / pids.length;
        addAll(context, mesh.name, { suite: 'memory', name: `${CONNECTIONS} open connections` }, [
          ['resident for each, a node', 'bytes', 'lower', each],
        ]);
      } catch (error) {
        context.skip(`memory of ${mesh.name}, round ${round + 1}: ${messageOf(error)}`);
      }
    }
  }
};
