/** Request and response of 100 bytes on open connections. */
import { load } from '../load.ts';
import { isMesh } from '../peers/ambit.ts';
import { addAll, alternating, measure, type Suite } from './suite.ts';

export const latency: Suite = async (context) => {
  const { programs, seconds } = context;
  await alternating(context, async (peer, running) => {
    const one = await measure(programs, running, { mode: 'rr', seconds, connections: 1 });
    addAll(context, peer.name, { suite: 'latency', name: '1 connection' }, [
      ['p50', 'us', 'lower', one.p50],
      ['p99', 'us', 'lower', one.p99],
    ]);
    const many = await measure(programs, running, { mode: 'rr', seconds, connections: 16 });
    addAll(context, peer.name, { suite: 'latency', name: '16 connections' }, [
      ['exchanges', '1/s', 'higher', many.count / many.seconds],
      ['CPU of both proxies', 'us each', 'lower', (many.cpu * 1e6) / many.count],
    ]);
    // Without a proxy the near and the far pod are the same distance away: two hosts on one switch.
    const at = { suite: 'latency', name: 'same node, 1 connection' };
    if (isMesh(running)) {
      const ip = running.world.host('near').ip4;
      const near = await load(programs, running.client, { mode: 'rr', seconds, connections: 1, ip });
      addAll(context, peer.name, at, [['p50', 'us', 'lower', near.p50]]);
    } else if (peer.name === 'none') {
      addAll(context, peer.name, at, [['p50', 'us', 'lower', one.p50]]);
    }
  });
};
