import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, service, viewOf, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { decideOutbound } from './outbound.ts';
import {
  backend,
  decide,
  lb,
  outcomes,
  pod,
  type Row,
  shown,
  source,
  vip,
  WAY,
  wayPod,
  wayService,
} from './test-flow.ts';

const holds = (rows: readonly Row[]) => {
  for (const [name, got, want] of outcomes(rows)) assert.equal(got, want, name);
};

const waypoint = workload('waypoint', { addresses: ['10.0.0.50'], namespace: 'infra' });

test('waypoints are found and used as the table of the reference says', () => {
  holds([
    [
      'PASSTHROUGH with a waypoint: the waypoint wins',
      [service('echo', { ...vip, loadBalancing: lb('PASSTHROUGH'), waypoint: waypointByIp('10.0.0.50') }), waypoint],
      '10.1.0.1',
      80,
      'hbone 10.0.0.50:15008 10.1.0.1:80 waypoint waypoint',
    ],
    [
      'endpoints on another network only',
      [service('echo', vip), backend('b', '10.0.0.1', { network: 'n2', networkGateway: waypointByIp('203.0.113.1') })],
      '10.1.0.1',
      80,
      'refuse cross-network',
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
      'a waypoint on another network, behind a gateway',
      [
        wayService,
        workload('w', {
          addresses: ['10.0.0.1'],
          network: 'n2',
          networkGateway: waypointByIp('203.0.113.1'),
          services: { [WAY]: {} },
        }),
        service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') }),
      ],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'a waypoint on another network, without a gateway',
      [wayService, { ...wayPod, network: 'n2' }, service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') })],
      '10.1.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint behind a service that only its own namespace sees',
      [
        service('way', {
          namespace: 'infra',
          addresses: ['10.1.0.50'],
          visibility: 'NAMESPACE',
          ports: { 15008: 15_008 },
        }),
        workload('w', { addresses: ['10.0.0.51'], services: { 'infra/way.infra.svc.cluster.local': {} } }),
        service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') }),
      ],
      '10.1.0.1',
      80,
      'hbone 10.0.0.51:15008 10.1.0.1:80 w waypoint',
    ],
    [
      'a waypoint that is sick',
      [
        wayService,
        { ...wayPod, status: 'UNHEALTHY' },
        service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') }),
      ],
      '10.1.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint whose service lacks the port',
      [wayService, wayPod, service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50', 15_009) })],
      '10.1.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint reached by address on another network',
      [
        workload('w', { addresses: ['10.0.0.50'], network: 'n2' }),
        service('echo', {
          ...vip,
          waypoint: {
            ...waypointByIp('10.0.0.50'),
            destination: { kind: 'address', network: 'n2', address: at('10.0.0.50', 1).ip },
          },
        }),
      ],
      '10.1.0.1',
      80,
      'refuse cross-network',
    ],
    [
      'a waypoint whose identity can not be verified',
      [{ ...waypoint, serviceAccount: 'a b' }, service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50') })],
      '10.1.0.1',
      80,
      'refuse identity-unknown',
    ],
    [
      'a waypoint that is a workload without an address',
      [
        workload('w', { hostname: '' }),
        service('way', { ports: { 15008: 15_008 } }),
        workload('x', { services: { [WAY]: {} } }),
        service('echo', { ...vip, waypoint: waypointByHost('default', wayService.hostname) }),
      ],
      '10.1.0.1',
      80,
      'refuse waypoint-not-resolved',
    ],
    [
      'a waypoint that is not in the mesh is tunnelled to all the same',
      [{ ...waypoint, tunnelProtocol: 'NONE' }, service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.50:15008 10.1.0.1:80 waypoint waypoint',
    ],
    [
      'a service with a waypoint needs no endpoint',
      [waypoint, service('echo', { ...vip, ports: {}, waypoint: waypointByIp('10.0.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.50:15008 10.1.0.1:80 waypoint waypoint',
    ],
    [
      'a pod outside the mesh with a waypoint',
      [waypoint, { ...pod, tunnelProtocol: 'NONE', waypoint: waypointByIp('10.0.0.50') }],
      '10.0.0.1',
      80,
      'hbone 10.0.0.50:15008 10.0.0.1:80 waypoint waypoint',
    ],
    [
      'the waypoint itself, by address',
      [{ ...pod, waypoint: waypointByIp('10.0.0.50') }],
      '10.0.0.1',
      80,
      'hbone 10.0.0.1:15008 10.0.0.1:80 pod direct',
      workload('waypoint', { addresses: ['10.0.0.50'] }),
    ],
    [
      'another pod with the identity of the waypoint is not the waypoint',
      [waypoint, { ...pod, waypoint: waypointByIp('10.0.0.50') }],
      '10.0.0.1',
      80,
      'hbone 10.0.0.50:15008 10.0.0.1:80 waypoint waypoint',
      workload('other', { addresses: ['10.0.0.60'], namespace: 'infra', serviceAccount: 'waypoint' }),
    ],
    [
      "a waypoint's call to a service with that waypoint goes to the waypoint again",
      [wayService, service('echo', { ...vip, waypoint: waypointByIp('10.1.0.50') })],
      '10.1.0.1',
      80,
      'hbone 10.0.0.51:15008 10.1.0.1:80 waypod waypoint',
      wayPod,
    ],
  ]);
});

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

test('a weighted waypoint that can not be used is never gone around', () => {
  const weightedWaypoints = [{ destination: waypointByIp('10.0.0.99'), weight: 1 }];
  const echo = service('echo', { ...vip, waypoint: waypointByIp('10.0.0.50'), weightedWaypoints });
  assert.equal(
    shown(decide([waypoint, echo, backend('b', '10.0.0.1')], '10.1.0.1', 80)),
    'refuse waypoint-not-resolved',
  );
});
