/** How fast bytes pass two proxies, and what a gigabyte costs them. */
import { type Load, load } from '../load.ts';
import { isMesh } from '../peers/ambit.ts';
import { addAll, alternating, measure, type Suite } from './suite.ts';

const GIGABYTE = 1e9;

export const hbone: Suite = async (context) => {
  const addSameNode = (who: string, { count, seconds }: Load) =>
    addAll(context, who, { suite: 'hbone', name: 'same node, 1 stream' }, [
      ['throughput', 'Gbit/s', 'higher', (count * 8) / seconds / 1e9],
    ]);
  await alternating(context, async (peer, running) => {
    for (const connections of [1, 16]) {
      const o = { mode: 'stream', seconds: context.seconds, connections } as const;
      const measured = await measure(context.programs, running, o);
      const { count, seconds, cpu } = measured;
      // Without a proxy the near and the far pod are the same distance away: two hosts on one switch.
      if (peer.name === 'none' && connections === 1) addSameNode(peer.name, measured);
      addAll(context, peer.name, { suite: 'hbone', name: `${connections} stream${connections > 1 ? 's' : ''}` }, [
        ['throughput', 'Gbit/s', 'higher', (count * 8) / seconds / 1e9],
        ['CPU of both proxies', 's/GB', 'lower', cpu / (count / GIGABYTE)],
      ]);
    }
    if (isMesh(running)) {
      const o = {
        mode: 'stream',
        seconds: context.seconds,
        connections: 1,
        ip: running.world.host('near').ip4,
      } as const;
      addSameNode(peer.name, await load(context.programs, running.client, o));
    }
  });
};
