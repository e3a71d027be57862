import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSocketAddress } from '../address.ts';
import type { LoadBalancing, RoutingScope, Service, Workload } from '../model.ts';
import { at, seeded, service, shuffled, viewOf, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { decideOutbound, type OutboundDecision } from './outbound.ts';

const source = workload('client', { addresses: ['10.0.0.9', 'fd00::9'] });
const ECHO = 'default/echo.default.svc.cluster.local';
const WAY = 'default/way.default.svc.cluster.local';
const never = () => 0;

function decide(
  resources: readonly (Workload | Service)[],
  dst: string,
  port: number,
  caller = source,
  random = never,
) {
  const flow = {
    source: caller,
    from: { ip: caller.addresses[0] ?? at('10.0.0.9', 1).ip, port: 40_000 },
    originalDst: at(dst, port),
  };
  return decideOutbound(viewOf(caller, ...resources), flow, random);
}

/** A decision in one line: kind, where to dial, authority, peer, via. */
function shown(d: OutboundDecision): string {
  if (d.kind === 'refuse') return `refuse ${d.reason}`;
  const dial = formatSocketAddress(d.dial);
  if (d.kind === 'passthrough') return `passthrough ${dial}`;
  if (d.kind === 'tcp') return `tcp ${dial} ${d.destination?.name}`;
  return `hbone ${dial} ${d.authority} ${d.destination.name} ${d.via}`;
}

const pod = workload('pod', { addresses: ['10.0.0.1'] });
const vip = { addresses: ['10.1.0.1'] };
const backend = (name: string, address: string, fields = {}) =>
  workload(name, { addresses: [address], services: { [ECHO]: {} }, ...fields });

test('outbound decisions follow the table of the reference', () => {
  const waypoint = workload('waypoint', { addresses: ['10.0.0.50'], namespace: 'infra' });
  const wayService = service('way', { addresses: ['10.1.0.50'], ports: { 15008: 15_008 } });
  const wayPod = workload('waypod', { addresses: ['10.0.0.51'], services: { [WAY]: {} } });
  const rows: readonly [string, readonly (Workload | Service)[], string, number, string][] = [
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
      'a named port, taken by an application tunnel',
      [
        service('echo', { ...vip, ports: { 80: 0 } }),
        backend('a', '10.0.0.1', { applicationTunnel: { protocol: 'NONE', port: 15_088 } }),
      ],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 a direct',
    ],
    [
      'a port that the service does not have',
      [service('echo', vip), backend('b', '10.0.0.1')],
      '10.1.0.1',
      81,
      'refuse port-not-served',
    ],
    ['a service without endpoints', [service('echo', vip)], '10.1.0.1', 80, 'refuse no-healthy-endpoint'],
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
      'PASSTHROUGH with a waypoint: the waypoint wins',
      [service('echo', { ...vip, loadBalancing: lb('PASSTHROUGH'), waypoint: waypointByIp('10.0.0.50') }), waypoint],
      '10.1.0.1',
      80,
      'hbone 10.0.0.50:15008 10.1.0.1:80 waypoint waypoint',
    ],
    [
      'an endpoint without any address is never chosen',
      [service('echo', vip), workload('b', { services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'refuse port-not-served',
    ],
    [
      'an endpoint known by name only',
      [service('echo', vip), workload('b', { hostname: 'b.example.com', services: { [ECHO]: {} } })],
      '10.1.0.1',
      80,
      'refuse hostname-not-resolved',
    ],
    [
      'endpoints on another network only',
      [service('echo', vip), backend('b', '10.0.0.1', { network: 'n2', networkGateway: waypointByIp('203.0.113.1') })],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'an endpoint here before one on another network',
      [service('echo', vip), backend('a', '10.0.0.1', { network: 'n2' }), backend('b', '10.0.0.2')],
      '10.1.0.1',
      80,
      'hbone 10.0.0.2:15008 10.0.0.2:8080 b direct',
    ],
    [
      'a workload waypoint by address',
      [waypoint, workload('p', { addresses: ['10.0.0.1'], waypoint: waypointByIp('10.0.0.50') })],
      '10.0.0.1',
      80,
      'hbone 10.0.0.50:15008 10.0.0.1:80 waypoint waypoint',
    ],
    [
      'a workload waypoint by service name',
      [
        wayService,
        wayPod,
        workload('p', { addresses: ['10.0.0.1'], waypoint: waypointByHost('default', wayService.hostname) }),
      ],
      '10.0.0.1',
      80,
      'hbone 10.0.0.51:15008 10.0.0.1:80 waypod waypoint',
    ],
    [
      "a workload waypoint by a workload's own name",
      [
        workload('w', { hostname: 'w.example.com', addresses: ['10.0.0.52'] }),
        workload('p', { addresses: ['10.0.0.1'], waypoint: waypointByHost('default', 'w.example.com') }),
      ],
      '10.0.0.1',
      80,
      'hbone 10.0.0.52:15008 10.0.0.1:80 w waypoint',
    ],
    [
      'a waypoint by virtual address',
      [wayService, wayPod, service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.51:15008 10.1.0.1:80 waypod waypoint',
    ],
    [
      'a waypoint whose service maps its port',
      [
        service('way', { ports: { 15009: 15_008 } }),
        wayPod,
        service('echo', { ...vip, waypoint: waypointByHost('default', wayService.hostname, 15_009) }),
      ],
      '10.1.0.1',
      80,
      'hbone 10.0.0.51:15008 10.1.0.1:80 waypod waypoint',
    ],
    [
      'a sandwiched waypoint behind a service without ports',
      [
        service('way', { addresses: ['10.1.0.50'], ports: {} }),
        workload('sw', {
          addresses: ['10.0.0.53'],
          tunnelProtocol: 'NONE',
          applicationTunnel: { protocol: 'PROXY', port: 15_088 },
          services: { [WAY]: {} },
        }),
        service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') }),
      ],
      '10.1.0.1',
      80,
      'hbone 10.0.0.53:15008 10.1.0.1:80 sw waypoint',
    ],
    [
      'a waypoint of the other family',
      [
        workload('w', { addresses: ['fd00::50'] }),
        workload('p', { addresses: ['10.0.0.1'], waypoint: waypointByIp('fd00::50') }),
      ],
      '10.0.0.1',
      80,
      'hbone [fd00::50]:15008 10.0.0.1:80 w waypoint',
    ],
    [
      'a service waypoint is for the service, not for its pods',
      [waypoint, service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50') }), backend('b', '10.0.0.1')],
      '10.0.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 b direct',
    ],
    [
      "a pod's waypoint is not for its service",
      [waypoint, service('echo', vip), backend('b', '10.0.0.1', { waypoint: waypointByIp('10.0.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:8080 b direct',
    ],
    [
      'a waypoint that does not exist is never gone around',
      [service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50') }), backend('b', '10.0.0.1')],
      '10.1.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint without endpoints, too',
      [
        wayService,
        workload('p', { addresses: ['10.0.0.1'], waypoint: waypointByHost('default', wayService.hostname) }),
      ],
      '10.0.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint on another network',
      [
        wayService,
        workload('w', { addresses: ['10.0.0.1'], network: 'n2', services: { [WAY]: {} } }),
        service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') }),
      ],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'a peer whose identity can not be verified',
      [workload('p', { addresses: ['10.0.0.1'], serviceAccount: 'a b' })],
      '10.0.0.1',
      80,
      'refuse identity-unknown',
    ],
  ];
  for (const [name, resources, dst, port, want] of rows) {
    for (let seed = 0; seed < 3; seed++) {
      assert.equal(shown(decide(shuffled(resources, seeded(seed)), dst, port)), want, name);
    }
  }
});

function lb(mode: LoadBalancing['mode'], ...routingPreference: RoutingScope[]): LoadBalancing {
  return { mode, routingPreference, healthPolicy: 'ONLY_HEALTHY' };
}

test("the caller's own waypoint plays no part, and a waypoint reaches its pods directly", () => {
  const target = workload('p', {
    addresses: ['10.0.0.1'],
    waypoint: waypointByHost('default', 'way.default.svc.cluster.local'),
  });
  const way = service('way', { ports: { 15008: 15_008 } });
  const a = workload('way-a', { addresses: ['10.0.0.51'], services: { [WAY]: {} } });
  const b = workload('way-b', { addresses: ['10.0.0.52'], services: { [WAY]: {} } });
  const withWaypoint = workload('c', { addresses: ['10.0.0.9'], waypoint: waypointByIp('10.0.0.50') });
  assert.equal(shown(decide([pod], '10.0.0.1', 80, withWaypoint)), 'hbone 10.0.0.1:15008 10.0.0.1:80 pod direct');
  assert.equal(shown(decide([target, way, a, b], '10.0.0.1', 80, b)), 'hbone 10.0.0.1:15008 10.0.0.1:80 p direct');
  assert.equal(shown(decide([target, way, a, b], '10.0.0.1', 80)), 'hbone 10.0.0.51:15008 10.0.0.1:80 way-a waypoint');
});

test('the family of a dual-stack endpoint follows the service and then the caller', () => {
  const rows: readonly [Service['ipFamilies'], string, string, string][] = [
    ['AUTOMATIC', '10.1.0.1', '10.0.0.1 fd00::1', '10.0.0.1:15008'],
    ['AUTOMATIC', 'fd01::1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['DUAL', 'fd01::1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['DUAL', 'fd01::1', '10.0.0.1', '10.0.0.1:15008'],
    ['IPV4_ONLY', 'fd01::1', 'fd00::1 10.0.0.1', '10.0.0.1:15008'],
    ['IPV6_ONLY', '10.1.0.1', '10.0.0.1 fd00::1', '[fd00::1]:15008'],
    ['IPV6_ONLY', '10.1.0.1', '10.0.0.1', 'no-address'],
  ];
  for (const [ipFamilies, dst, addresses, want] of rows) {
    const s = service('echo', { addresses: ['10.1.0.1', 'fd01::1'], ipFamilies });
    const w = workload('b', { addresses: addresses.split(' '), services: { [ECHO]: {} } });
    const d = decide([s, w], dst, 80);
    assert.equal(
      d.kind === 'refuse' ? d.reason : formatSocketAddress(d.dial),
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

const place = (region: string, zone: string, subzone = '') => ({ locality: { region, zone, subzone } });
const here = workload('here', { addresses: ['10.0.0.9'], node: 'n1', ...place('r', 'z', 's') });

test('locality narrows the choice as the mode says', () => {
  const names = (loadBalancing: LoadBalancing | undefined, endpoints: readonly Workload[]) => {
    const s = service('echo', { ...vip, ...(loadBalancing && { loadBalancing }) });
    const chosen = new Set<string>();
    for (let i = 0; i < 16; i++) {
      const d = decide([s, ...endpoints], '10.1.0.1', 80, here, () => i / 16);
      chosen.add(d.kind === 'hbone' ? d.destination.name : d.kind === 'refuse' ? d.reason : d.kind);
    }
    return [...chosen].sort().join(' ');
  };
  const a = backend('a', '10.0.0.1', { node: 'n1', ...place('r', 'z', 's') });
  const b = backend('b', '10.0.0.2', { node: 'n2', ...place('r', 'z', 's') });
  const c = backend('c', '10.0.0.3', { node: 'n3', ...place('r', 'z2', 's') });
  const d = backend('d', '10.0.0.4', { node: 'n4', ...place('r2', 'z', 's') });
  const rows: readonly [string, LoadBalancing | undefined, readonly Workload[], string][] = [
    ['no preference', undefined, [a, b, c, d], 'a b c d'],
    ['preferences without a mode', lb('UNSPECIFIED_MODE', 'NODE'), [a, b, c, d], 'a b c d'],
    ['failover to the best', lb('FAILOVER', 'REGION', 'ZONE'), [a, b, c, d], 'a b'],
    ['failover down to the node', lb('FAILOVER', 'NETWORK', 'REGION', 'ZONE', 'SUBZONE', 'NODE'), [a, b, c, d], 'a'],
    ['failover to the region', lb('FAILOVER', 'REGION', 'ZONE'), [c, d], 'c'],
    [
      'a mismatch stops the count',
      lb('FAILOVER', 'REGION', 'ZONE'),
      [d, { ...d, name: 'e', uid: 'e', ...place('r3', 'x') }],
      'd e',
    ],
    ['failover to anywhere', lb('FAILOVER', 'REGION', 'ZONE'), [d], 'd'],
    ['strict to the node', lb('STRICT', 'NODE'), [a, b, c], 'a'],
    ['strict without anybody', lb('STRICT', 'NODE'), [b, c], 'no-endpoint-in-scope'],
    ['strict wants every scope', lb('STRICT', 'REGION', 'ZONE'), [b, c, d], 'b'],
    ['same cluster', lb('STRICT', 'CLUSTER'), [a, { ...b, clusterId: 'other' }], 'a'],
    ['unhealthy ones do not count', lb('FAILOVER', 'NODE'), [{ ...a, status: 'UNHEALTHY' }, b, c], 'b c'],
  ];
  for (const [name, balancing, endpoints, want] of rows) assert.equal(names(balancing, endpoints), want, name);
});

test('the choice is weighted by capacity, and a capacity of nothing is not chosen', () => {
  const random = seeded(1);
  const count: Record<string, number> = { a: 0, b: 0, c: 0 };
  const resources = [
    service('echo', vip),
    backend('a', '10.0.0.1', { capacity: 3 }),
    backend('b', '10.0.0.2'),
    backend('c', '10.0.0.3', { capacity: 0 }),
  ];
  const view = viewOf(source, ...resources);
  for (let i = 0; i < 4000; i++) {
    const d = decideOutbound(view, { source, from: at('10.0.0.9', 1), originalDst: at('10.1.0.1', 80) }, random);
    if (d.kind === 'hbone') count[d.destination.name] = (count[d.destination.name] ?? 0) + 1;
  }
  assert.equal(count['c'], 0);
  assert.ok(Math.abs((count['a'] ?? 0) - 3000) < 120, JSON.stringify(count));
  const zeros = decide(
    [service('echo', vip), backend('a', '10.0.0.1', { capacity: 0 }), backend('b', '10.0.0.2', { capacity: 0 })],
    '10.1.0.1',
    80,
  );
  assert.equal(zeros.kind, 'hbone');
});

test('weighted waypoints share by weight, and without any weight the single one serves', () => {
  const ways = [
    workload('w1', { addresses: ['10.0.0.51'] }),
    workload('w2', { addresses: ['10.0.0.52'] }),
    workload('w3', { addresses: ['10.0.0.53'] }),
  ];
  const split = (first: number, second: number) => {
    const s = service('echo', {
      ...vip,
      waypoint: waypointByIp('10.0.0.53'),
      weightedWaypoints: [
        { destination: waypointByIp('10.0.0.51'), weight: first },
        { destination: waypointByIp('10.0.0.52'), weight: second },
      ],
    });
    const view = viewOf(source, s, ...ways);
    const count: Record<string, number> = {};
    for (let i = 0; i < 100; i++) {
      const d = decideOutbound(
        view,
        { source, from: at('10.0.0.9', 1), originalDst: at('10.1.0.1', 80) },
        () => i / 100,
      );
      if (d.kind === 'hbone') count[d.destination.name] = (count[d.destination.name] ?? 0) + 1;
    }
    return count;
  };
  assert.deepEqual(split(75, 25), { w1: 75, w2: 25 });
  assert.deepEqual(split(0, 1), { w2: 100 });
  assert.deepEqual(split(0, 0), { w3: 100 });
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
