import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ip, service, viewOf, workload } from '../test-support.ts';
import { usableServers } from './upstream.ts';

const DNS = 'kube-system/kube-dns.kube-system.svc.cluster.local';
const kubeDns = service('kube-dns', { namespace: 'kube-system', addresses: ['10.96.0.10'] });
const coreDns = workload('coredns', {
  namespace: 'kube-system',
  addresses: ['10.0.0.3'],
  services: { [DNS]: { 53: 53 } },
});
const web = workload('web', { addresses: ['10.0.0.4'] });
const onNode = workload('agent', { addresses: ['10.0.0.5'], networkMode: 'HOST_NETWORK' });

const rows = [
  ['an ordinary pod asks the DNS of the cluster', web, ['10.96.0.10', '192.0.2.1'], false, '10.96.0.10 192.0.2.1', ''],
  [
    'a server on loopback is not in the pod',
    web,
    ['127.0.0.53', '::1', '192.0.2.1'],
    false,
    '192.0.2.1',
    '127.0.0.53 loopback, ::1 loopback',
  ],
  ['a proxy of its own namespace may have one', web, ['127.0.0.53'], true, '127.0.0.53', ''],
  ['the DNS of the cluster does not ask its own service', coreDns, ['10.96.0.10'], false, '', '10.96.0.10 itself'],
  ['nor its own address', coreDns, ['10.0.0.3', '192.0.2.1'], false, '192.0.2.1', '10.0.0.3 itself'],
  ['the address of a node is not that of its pods alone', onNode, ['10.0.0.5'], false, '10.0.0.5', ''],
  ['there may be none', web, [], false, '', ''],
] as const;

for (const [what, client, servers, own, usable, leftOut] of rows) {
  test(`upstream: ${what}`, () => {
    const found = usableServers(viewOf(kubeDns, coreDns, web, onNode), client, servers.map(ip), own);
    assert.equal(found.usable.join(' '), usable);
    assert.equal(found.leftOut.map(({ server, because }) => `${server} ${because}`).join(', '), leftOut);
  });
}
