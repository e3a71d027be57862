import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeFds, listenTcp, openUdp } from '../../core/net/index.ts';
import { needsRoot, TestNet } from '../../test/support/netns.ts';
import { hasPort, proxyInPod } from './proxy-in-pod.ts';

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state: string) =>
  `${HEAD}   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n`;

const rows: readonly (readonly [
  what: string,
  table: string | undefined,
  port: number,
  state: string | undefined,
  found: boolean,
])[] = [
  ['a UDP socket on loopback', row('0100007F:3ACD', '07'), 15_053, undefined, true],
  ['one of IPv6', row('00000000000000000000000001000000:3ACD', '07'), 15_053, undefined, true],
  ['a port with zeros in front', row('0100007F:0035', '07'), 53, undefined, true],
  ['a listener', row('00000000:3A99', '0A'), 15_001, '0A', true],
  ['a connection is no listener', row('0100000A:3A99', '01'), 15_001, '0A', false],
  ['another port', row('0100007F:3ACE', '07'), 15_053, undefined, false],
  ['no sockets', HEAD, 15_053, undefined, false],
  ['no table', undefined, 15_053, undefined, false],
];

for (const [what, table, port, state, found] of rows) {
  test(`sockets of a pod: ${what}`, () => assert.equal(hasPort(table, port, state), found));
}

test('the sockets that count are those of the pod, not ours', { skip: needsRoot }, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, other: {} } });
  const { netns } = net.host('pod');
  assert.equal(proxyInPod(netns), 'none');
  const outbound = listenTcp({ netns, port: 15_001 });
  assert.equal(proxyInPod(netns), 'without-dns');
  const dns = openUdp({ netns, bind: { ip: '::1', port: 15_053 } });
  assert.equal(proxyInPod(netns), 'with-dns');
  assert.equal(proxyInPod(net.host('other').netns), 'none');
  closeFds([outbound, dns]);
  assert.equal(proxyInPod(netns), 'none');
});
