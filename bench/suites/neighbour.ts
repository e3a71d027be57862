/** What a pod feels of its neighbours on the node: its p99 alone, beside one that floods connects, while a large mesh arrives. */
import type { TestHost } from '../../test/support/netns.ts';
import { type Load, load } from '../load.ts';
import type { MeshRunning } from '../peers/ambit.ts';
import type { Peer, Running } from '../peers/peer.ts';
import { arrive, leave, strangers } from './population.ts';
import { addAll, messageOf, type Suite, type SuiteContext } from './suite.ts';

const FLOOD_CONNECTIONS = 64;
const ARRIVING = 10_000;

export const neighbour: Suite = async (context) => {
  for (const peer of context.peers) if (!('startMesh' in peer)) await ofPeer(context, peer);
  for (const mesh of context.meshes) {
    try {
      await using running = await mesh.startMesh(context);
      for (let round = 0; round < context.rounds; round++) await oneRound(context, mesh.name, running);
    } catch (error) {
      context.skip(`neighbour of ${mesh.name}: ${messageOf(error)}`);
    }
  }
};

/** Without a proxy: what two cores do to the same victim, and no proxy's fault. With one that knows no pods, the flood comes by the victim's own. */
async function ofPeer(context: SuiteContext, peer: Peer): Promise<void> {
  try {
    await using running = await peer.start(context);
    for (let round = 0; round < context.rounds; round++) await besideFlood(context, peer.name, running, running.client);
  } catch (error) {
    context.skip(`neighbour of ${peer.name}: ${messageOf(error)}`);
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
  const [flooded, { count, seconds: took }] = await Promise.all([
    victimOf(context, running),
    load(programs, neighbour, flood),
  ]);
  addAll(context, who, { suite: 'neighbour', name: 'alone' }, [['p99', 'us', 'lower', alone.p99]]);
  const beside = 'beside a flood of connects';
  tell(context, who, beside, flooded.p99, alone.p99);
  addAll(context, who, { suite: 'neighbour', name: beside }, [
    ['p50', 'us', 'lower', flooded.p50],
    ['connections of the flood', '1/s', 'higher', count / took],
  ]);
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
