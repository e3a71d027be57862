/** What a pod feels of its neighbours on the node: its p99 alone, beside one that floods connects, while a large mesh arrives. */
import type { TestHost } from '../../test/support/netns.ts';
import { type Load, load } from '../load.ts';
import type { MeshRunning } from '../peers/ambit.ts';
import type { Running } from '../peers/peer.ts';
import { arrive, leave, strangers } from './population.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

const FLOOD_CONNECTIONS = 64;
const ARRIVING = 10_000;

export const neighbour: Suite = async (context) => {
  await withoutProxy(context);
  for (const mesh of context.meshes) {
    try {
      await using running = await mesh.startMesh(context);
      for (let round = 0; round < context.rounds; round++) await oneRound(context, mesh.name, running);
    } catch (error) {
      context.skip(`neighbour of ${mesh.name}: ${messageOf(error)}`);
    }
  }
};

/** What two cores do to the same victim when there is no proxy whose fault it could be. */
async function withoutProxy(context: SuiteContext): Promise<void> {
  for (const peer of context.peers.filter(({ name }) => name === 'none')) {
    await using running = await peer.start(context);
    for (let round = 0; round < context.rounds; round++) await besideFlood(context, peer.name, running, running.client);
  }
}

async function oneRound(context: SuiteContext, who: string, running: MeshRunning): Promise<void> {
  const { world } = running;
  const alone = await besideFlood(context, who, running, world.host('near'));
  const many = strangers(0, ARRIVING);
  arrive(world.plane, many);
  const crowded = await victimOf(context, running);
  await world.applied();
  leave(world.plane, many);
  await world.applied();

  tell(context, who, `while ${ARRIVING} workloads arrive`, crowded.p99, alone);
}

/** Microseconds: the victim's p99 alone. */
async function besideFlood(context: SuiteContext, who: string, running: Running, neighbour: TestHost): Promise<number> {
  const { programs, seconds } = context;
  const alone = await victimOf(context, running);
  const flood = {
    mode: 'crr',
    ip: running.target,
    seconds: seconds + 0.2,
    connections: FLOOD_CONNECTIONS,
    isPod: true,
  } as const;
  const [flooded] = await Promise.all([victimOf(context, running), load(programs, neighbour, flood)]);
  addAll(context, who, { suite: 'neighbour', name: 'alone' }, [['p99', 'us', 'lower', alone.p99]]);
  tell(context, who, 'beside a flood of connects', flooded.p99, alone.p99);
  return alone.p99;
}

function victimOf({ programs, seconds }: SuiteContext, { client, target }: Running): Promise<Load> {
  return load(programs, client, { mode: 'rr', ip: target, seconds, connections: 1 });
}

function tell(context: SuiteContext, who: string, name: string, p99: number, alone: number): void {
  addAll(context, who, { suite: 'neighbour', name }, [
    ['p99', 'us', 'lower', p99],
    ['p99 against alone', 'times', 'lower', p99 / alone],
  ]);
}
