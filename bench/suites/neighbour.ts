/** What a pod feels of its neighbours on the node: its p99 alone, beside one that floods connects, while a large mesh arrives. */
import { load } from '../load.ts';
import type { MeshRunning } from '../peers/ambit.ts';
import { arrive, leave, strangers } from './population.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

const FLOOD_CONNECTIONS = 64;
const ARRIVING = 10_000;

export const neighbour: Suite = async (context) => {
  for (const mesh of context.meshes) {
    try {
      await using running = await mesh.startMesh(context);
      for (let round = 0; round < context.rounds; round++) await oneRound(context, mesh.name, running);
    } catch (error) {
      context.skip(`neighbour of ${mesh.name}: ${messageOf(error)}`);
    }
  }
};

async function oneRound(context: SuiteContext, who: string, { world, client, target }: MeshRunning): Promise<void> {
  const { programs, seconds } = context;
  const victim = () => load(programs, client, { mode: 'rr', ip: target, seconds, connections: 1 });
  const alone = await victim();

  const flood = { mode: 'crr', ip: target, seconds: seconds + 0.2, connections: FLOOD_CONNECTIONS } as const;
  const [flooded] = await Promise.all([victim(), load(programs, world.host('near'), flood)]);

  const many = strangers(0, ARRIVING);
  arrive(world.plane, many);
  const crowded = await victim();
  await world.applied();
  leave(world.plane, many);
  await world.applied();

  addAll(context, who, { suite: 'neighbour', name: 'alone' }, [['p99', 'us', 'lower', alone.p99]]);
  const cases = { 'beside a flood of connects': flooded, [`while ${ARRIVING} workloads arrive`]: crowded };
  for (const [name, { p99 }] of Object.entries(cases)) {
    addAll(context, who, { suite: 'neighbour', name }, [
      ['p99', 'us', 'lower', p99],
      ['p99 against alone', 'times', 'lower', p99 / alone.p99],
    ]);
  }
}
