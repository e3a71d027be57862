/** New connections through a tunnel that is open already: each carries one exchange of 100 bytes. */
import { addAll, alternating, measure, type Suite } from './suite.ts';

export const connect: Suite = async (context) => {
  await alternating(context, async (peer, running) => {
    for (const connections of [1, 16]) {
      await measure(context.programs, running, { mode: 'crr', seconds: 1, connections }); // the tunnel is warm then, and so is what is compiled at run time
      const { count, seconds, cpu, p99 } = await measure(context.programs, running, {
        mode: 'crr',
        seconds: context.seconds,
        connections,
      });
      addAll(context, peer.name, { suite: 'connect', name: `${connections} at a time` }, [
        ['connections', '1/s', 'higher', count / seconds],
        ['p99', 'us', 'lower', p99],
        ['CPU of both proxies', 'us each', 'lower', (cpu * 1e6) / count],
      ]);
    }
  });
};
