import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSocketAddress } from '../address.ts';
import type { Service } from '../model.ts';
import { seeded, service, shuffled, waypointByIp, workload } from '../test-support.ts';
import { backend, decide, ECHO, lb, outcomes, pod, type Row, shown, source, vip } from './test-flow.ts';

const holds = (rows: readonly Row[]) => {
  for (const [name, got, want] of outcomes(rows)) assert.equal(got, want, name);
};

test('outbound decisions follow the table of the reference', () => {
  holds([
    ['an unknown destination passes through', [], '198.51.100.1', 80, 'passthrough 198.51.100.1:80'],
    [
      'a known pod outside the mesh is dialled plainly',
      [workload('p', { addresses: ['10.0.0.1'], tunnelProtocol: 'NONE' })],
      '10.0.0.1',
      80,
      'tcp 10.0.0.1:80 p',
    ],
    [
      'a pod of the mesh is tunnelled to, port kept',
      [pod],
      '10.0.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 pod direct',
    ],
    [
      'a pod on another node, too',
      [workload('p', { addresses: ['10.0.0.1'], node: 'node-2' })],
      '10.0.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 p direct',
    ],
    ['IPv6', [workload('p', { addresses: ['fd00::1'] })], 'fd00::1', 80, 'hbone [fd00::1]:15008 [fd00::1]:80 p direct'],
    ['the proxy itself on loopback', [], '127.0.0.1', 15_001, 'refuse self-call'],
    ['the proxy itself on IPv6 loopback', [], '::1', 15_008, 'refuse self-call'],
    ['another loopback port', [], '127.0.0.1', 8080, 'passthrough 127.0.0.1:8080'],
    ["the proxy's ports elsewhere are not blocked here", [], '198.51.100.1', 15_001, 'passthrough 198.51.100.1:15001'],
    [
      'a host-network pod by its node address',
      [workload('p', { addresses: ['192.0.2.1'], networkMode: 'HOST_NETWORK' })],
      '192.0.2.1',
      80,
      'passthrough 192.0.2.1:80',
    ],
    [
      'a host-network pod behind a service',
      [service('echo', vip), backend('h', '192.0.2.1', { networkMode: 'HOST_NETWORK', tunnelProtocol: 'NONE' })],
      '10.1.0.1',
      80,
      'tcp 192.0.2.1:8080 h',
    ],
    [
      'a service maps the port',
      [service('echo', vip), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:8080 b direct',
    ],
    [
      "the endpoint's own mapping first",
      [service('echo', vip), backend('b', '10.0.0.1', { services: { [ECHO]: { 80: 9090 } } })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:9090 b direct',
    ],
    [
      'a named port that only one pod has',
      [
        service('echo', { ...vip, ports: { 80: 0 } }),
        backend('a', '10.0.0.1'),
        backend('b', '10.0.0.2', { services: { [ECHO]: { 80: 7070 } } }),
      ],
      '10.1.0.1',
      80,
      'hbone 10.0.0.2:15008 10.0.0.2:7070 b direct',
    ],
    [
      'a named port that no pod has',
      [service('echo', { ...vip, ports: { 80: 0 } }), backend('a', '10.0.0.1')],
      '10.1.0.1',
      80,
      'refuse port-not-served',
    ],
    [
      'a named port is not what an application tunnel takes',
      [
        service('echo', { ...vip, ports: { 80: 0 } }),
        backend('a', '10.0.0.1', { applicationTunnel: { protocol: 'NONE', port: 15_088 } }),
      ],
      '10.1.0.1',
      80,
      'refuse port-not-served',
    ],
    [
      'a port that the service does not have',
      [service('echo', vip), backend('b', '10.0.0.1')],
      '10.1.0.1',
      81,
      'refuse port-not-served',
    ],
    ['a service without endpoints', [service('echo', vip)], '10.1.0.1', 80, 'refuse no-endpoint'],
    [
      'a service whose endpoints are sick',
      [service('echo', vip), backend('b', '10.0.0.1', { status: 'UNHEALTHY' })],
      '10.1.0.1',
      80,
      'refuse no-healthy-endpoint',
    ],
    [
      'a sick pod dialled by address',
      [backend('b', '10.0.0.1', { status: 'UNHEALTHY' })],
      '10.0.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 b direct',
    ],
    [
      'a service hidden from the caller',
      [service('echo', { ...vip, namespace: 'x', visibility: 'NAMESPACE' })],
      '10.1.0.1',
      80,
      'passthrough 10.1.0.1:80',
    ],
    [
      'PASSTHROUGH keeps the address',
      [service('echo', { ...vip, loadBalancing: lb('PASSTHROUGH') }), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'passthrough 10.1.0.1:80',
    ],
    [
      'an endpoint without any address is never chosen',
      [service('echo', vip), workload('b', { services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'refuse no-address',
    ],
    [
      'an endpoint known by name only',
      [service('echo', vip), workload('b', { hostname: 'b.example.com', services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'resolve b.example.com b direct',
    ],
    [
      'an endpoint here before one on another network',
      [service('echo', vip), backend('a', '10.0.0.1', { network: 'n2' }), backend('b', '10.0.0.2')],
      '10.1.0.1',
      80,
      'hbone 10.0.0.2:15008 10.0.0.2:8080 b direct',
    ],
    [
      'a peer whose identity can not be verified',
      [workload('p', { addresses: ['10.0.0.1'], serviceAccount: 'a b' })],
      '10.0.0.1',
      80,
      'refuse identity-unknown',
    ],
  ]);
});

test('a pod that calls itself gets no shortcut', () => {
  holds([
    ['by its own address', [], '10.0.0.9', 80, 'hbone 10.0.0.9:15008 10.0.0.9:80 client direct'],
    ['by its other address', [], 'fd00::9', 80, 'hbone [fd00::9]:15008 [fd00::9]:80 client direct'],
    [
      'through a service that it is behind',
      [service('echo', vip)],
      '10.1.0.1',
      80,
      'hbone 10.0.0.9:15008 10.0.0.9:8080 client direct',
      { ...source, services: new Map([[ECHO, []]]) },
    ],
  ]);
});

test('a service may stand for a range of addresses', () => {
  const range = service('range', { addresses: ['10.8.0.0/16', 'fd08::/64'], ports: { 443: 8443 } });
  const behind = workload('b', {
    addresses: ['10.0.0.1', 'fd00::1'],
    services: { 'default/range.default.svc.cluster.local': {} },
  });
  const wide = (fields = {}) => service('wide', { addresses: ['10.0.0.0/8'], ports: { 443: 1 }, ...fields });
  const way = workload('w', { addresses: ['10.0.0.50'] });
  holds([
    ['inside', [range, behind], '10.8.7.6', 443, 'hbone 10.0.0.1:15008 10.0.0.1:8443 b direct'],
    ['IPv6, inside', [range, behind], 'fd08::77', 443, 'hbone [fd00::1]:15008 [fd00::1]:8443 b direct'],
    ['outside', [range, behind], '10.9.0.1', 443, 'passthrough 10.9.0.1:443'],
    ['a port that it does not have', [range, behind], '10.8.7.6', 80, 'refuse port-not-served'],
    [
      'the tighter of two ranges',
      [range, wide(), behind],
      '10.8.7.6',
      443,
      'hbone 10.0.0.1:15008 10.0.0.1:8443 b direct',
    ],
    [
      'an exact address before a range',
      [wide(), service('echo', { addresses: ['10.8.7.6'], ports: { 443: 9 } }), backend('e', '10.0.0.2')],
      '10.8.7.6',
      443,
      'hbone 10.0.0.2:15008 10.0.0.2:9 e direct',
    ],
    [
      'a pod within the range is itself',
      [wide(), pod],
      '10.0.0.1',
      443,
      'hbone 10.0.0.1:15008 10.0.0.1:443 pod direct',
    ],
    [
      'a hidden range is not there',
      [{ ...range, namespace: 'x', visibility: 'NAMESPACE' }, behind],
      '10.8.7.6',
      443,
      'passthrough 10.8.7.6:443',
    ],
    [
      'PASSTHROUGH: whatever address the client chose',
      [wide({ loadBalancing: lb('PASSTHROUGH') })],
      '10.8.7.6',
      443,
      'passthrough 10.8.7.6:443',
    ],
    [
      'a range with a waypoint: it gets the address that was dialled',
      [{ ...range, waypoint: waypointByIp('10.0.0.50') }, way],
      '10.8.7.6',
      443,
      'hbone 10.0.0.50:15008 10.8.7.6:443 w waypoint',
    ],
    [
      'the range of another network',
      [service('far', { addresses: ['n2/10.8.0.0/16'] })],
      '10.8.7.6',
      443,
      'passthrough 10.8.7.6:443',
    ],
  ]);
});

test("an address that is a pod's and a service's: asked as a pod for waypoints, as a service for endpoints", () => {
  const both = workload('both', { addresses: ['10.1.0.1'] });
  const way = workload('w', { addresses: ['10.0.0.50'] });
  holds([
    [
      'the service',
      [both, service('echo', vip), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:8080 b direct',
    ],
    [
      "the service's waypoint is not asked for",
      [both, way, service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50') }), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:8080 b direct',
    ],
    [
      "the endpoint's waypoint is",
      [both, way, service('echo', vip), backend('b', '10.0.0.1', { waypoint: waypointByIp('10.0.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.50:15008 10.1.0.1:80 w waypoint',
    ],
  ]);
});

test('what is on other networks is refused, and never sent to a stranger at that address', () => {
  const abroad = { ...source, network: 'n2' };
  const gateway = { networkGateway: waypointByIp('203.0.113.1') };
  holds([
    [
      'endpoints on another network, behind a gateway',
      [service('echo', vip), backend('b', '10.0.0.1', { network: 'n2', ...gateway })],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'endpoints on another network, without a gateway',
      [service('echo', vip), backend('b', '10.0.0.1', { network: 'n2' })],
      '10.1.0.1',
      80,
      'refuse no-network-gateway',
    ],
    [
      'no address at all, but a gateway',
      [service('echo', vip), workload('b', { network: 'n2', ...gateway, services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'a gateway of our own network is not for us',
      [service('echo', vip), workload('b', { ...gateway, services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'refuse no-address',
    ],
    [
      'the only one here is sick',
      [
        service('echo', vip),
        backend('a', '10.0.0.1', { network: 'n2', ...gateway }),
        backend('b', '10.0.0.2', { status: 'UNHEALTHY' }),
      ],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'a pod there, by address',
      [workload('p', { addresses: ['10.0.0.1'], network: 'n2' })],
      '10.0.0.1',
      80,
      'passthrough 10.0.0.1:80',
    ],
    [
      "a service of the proxy's network, for a caller of another",
      [service('echo', vip), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'refuse other-network',
      abroad,
    ],
    [
      'PASSTHROUGH, for a caller of another network',
      [service('echo', { ...vip, loadBalancing: lb('PASSTHROUGH') })],
      '10.1.0.1',
      80,
      'passthrough 10.1.0.1:80',
      abroad,
    ],
    [
      "a service of the caller's network only",
      [service('echo', { addresses: ['n2/10.1.0.1'] }), backend('b', '10.0.0.1', { network: 'n2' })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:8080 b direct',
      abroad,
    ],
  ]);
});

test('the family of a dual-stack endpoint follows the service and then the caller', () => {
  const rows: readonly [Service['ipFamilies'], string, string, string][] = [
    ['AUTOMATIC', '10.1.0.1', '10.0.0.1 fd00::1', '10.0.0.1:15008'],
    ['AUTOMATIC', 'fd01::1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['DUAL', 'fd01::1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['DUAL', 'fd01::1', '10.0.0.1', '10.0.0.1:15008'],
    ['IPV4_ONLY', 'fd01::1', 'fd00::1 10.0.0.1', '10.0.0.1:15008'],
    ['IPV6_ONLY', '10.1.0.1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['IPV6_ONLY', '10.1.0.1', '10.0.0.1', 'refuse no-address'],
  ];
  for (const [ipFamilies, dst, addresses, want] of rows) {
    const s = service('echo', { addresses: ['10.1.0.1', 'fd01::1'], ipFamilies });
    const w = workload('b', { addresses: addresses.split(' '), services: { [ECHO]: {} } });
    const d = decide([s, w], dst, 80);
    assert.equal(
      d.kind === 'refuse' || d.kind === 'resolve' ? shown(d) : formatSocketAddress(d.dial),
      want,
      `${ipFamilies} ${dst} ${addresses}`,
    );
  }
});

test('the peer may be the workload or who the service names, and names that are no identity do not count', () => {
  const san = 'spiffe://other/ns/x/sa/y';
  const d = decide(
    [service('echo', { ...vip, subjectAltNames: [san, 'dns.example.com'] }), backend('b', '10.0.0.1')],
    '10.1.0.1',
    80,
  );
  assert.deepEqual(d.kind === 'hbone' && d.expectedIdentities, ['spiffe://cluster.local/ns/default/sa/b', san]);
});

test('a decision does not depend on the order in which the view was filled', () => {
  const resources = [
    service('echo', vip),
    service('twin', { ...vip, namespace: 'b' }),
    ...['a', 'b', 'c', 'd'].map((n, i) => backend(n, `10.0.0.${i + 1}`, { capacity: i + 1 })),
    workload('shares', { addresses: ['10.0.0.1'] }),
  ];
  const decisions = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const order = shuffled(resources, seeded(seed));
    decisions.add(shown(decide(order, '10.1.0.1', 80, source, () => 0.42)) + shown(decide(order, '10.0.0.1', 80)));
  }
  assert.equal(decisions.size, 1, [...decisions].join('\n'));
});
