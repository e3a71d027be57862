/** What a suite is given, and how one measurement is made. */
import { cpuSeconds } from '../cpu.ts';
import { type Load, type LoadOptions, load, type Programs } from '../load.ts';
import type { MeshPeer } from '../peers/ambit.ts';
import type { Peer, PeerContext, Running } from '../peers/peer.ts';
import type { Metric, Samples } from '../report.ts';

export type SuiteContext = PeerContext & {
  readonly programs: Programs;
  readonly samples: Samples;
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  readonly peers: readonly Peer[];
  /** Ambit, and the reference if it was named: those that know pods. */
  readonly meshes: readonly MeshPeer[];
  /** Says why something was not measured. */
  readonly skip: (why: string) => void;
};
export type Suite = (context: SuiteContext) => Promise<void>;

export type Measured = Load & { readonly cpu: number };

export async function measure(programs: Programs, at: Running, o: Omit<LoadOptions, 'ip'>): Promise<Measured> {
  const before = cpuSeconds(at.pids);
  const result = await load(programs, at.client, { ...o, ip: at.target });
  return { ...result, cpu: cpuSeconds(at.pids) - before };
}

/** Starts all peers, then lets them take turns. One that does not start or breaks is skipped from then on, and said so. */
export async function alternating(
  context: SuiteContext,
  measureOne: (peer: Peer, running: Running) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const started = new Map<Peer, Running>();
  for (const peer of context.peers) {
    try {
      started.set(peer, stack.use(await peer.start(context)));
    } catch (error) {
      context.skip(`${peer.name} did not start: ${messageOf(error)}`);
    }
  }
  for (let round = 0; round < context.rounds; round++) {
    for (const [peer, running] of started) {
      try {
        await measureOne(peer, running);
      } catch (error) {
        context.skip(`${peer.name} from round ${round + 1} on: ${messageOf(error)}`);
        started.delete(peer);
      }
    }
  }
}

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Adds several metrics of one measurement. CPU is left out where there is no proxy to use any. */
export function addAll(
  context: SuiteContext,
  who: string,
  at: Pick<Metric, 'suite' | 'name'>,
  metrics: readonly (readonly [metric: string, unit: string, better: Metric['better'], value: number])[],
): void {
  for (const [metric, unit, better, value] of metrics) {
    if (metric.startsWith('CPU') && who === 'none') continue;
    context.samples.add({ ...at, metric, unit, better }, who, value);
  }
}
