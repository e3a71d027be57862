import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatSocketAddress, type SocketAddress } from '../address.ts';
import type { Service, Workload } from '../model.ts';
import { at, seeded, service, shuffled, viewOf, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { decideInboundHbone, decideInboundPlaintext, type InboundDecision } from './inbound.ts';
import { formatReason } from './reason.ts';

const ECHO = 'default/echo.default.svc.cluster.local';
const WAY = 'default/way.default.svc.cluster.local';
const local = workload('pod', { addresses: ['10.0.0.1', 'fd00::1'], services: { [ECHO]: { 80: 8080, 81: 9090 } } });
const echo = service('echo', { addresses: ['10.1.0.1'], ports: { 80: 8080, 81: 0, 82: 7070, 83: 0 } });
const waypoint = workload('way', { addresses: ['10.0.0.50'], services: { [WAY]: {} } });
const wayService = service('way', { addresses: ['10.1.0.50'], ports: { 15008: 15_008 } });

function shown(d: InboundDecision): string {
  if (d.kind === 'reject') return `reject ${d.status}`;
  const header = d.proxyDestination ? ` proxy ${formatSocketAddress(d.proxyDestination)}` : '';
  return `accept ${formatSocketAddress(d.target)}${d.service ? ` ${d.service.name}` : ''}${header}`;
}

type Row = readonly [string, readonly (Workload | Service)[], Workload, SocketAddress, string, string];

test('inbound tunnel requests are checked and mapped as the table says', () => {
  const here = at('10.0.0.1', 15_008);
  const wayHere = at('10.0.0.50', 15_008);
  const proxied = { ...waypoint, applicationTunnel: { protocol: 'PROXY', port: 15_088 } } as const;
  const renumbered = { ...waypoint, applicationTunnel: { protocol: 'NONE', port: 15_088 } } as const;
  const attached = (ref: Workload['waypoint'] & object) => [
    wayService,
    workload('p', { addresses: ['10.0.0.7'], waypoint: ref }),
  ];
  const byVip = waypointByIp('10.1.0.50');
  const byIp = waypointByIp('10.0.0.50');
  const byName = waypointByHost('default', wayService.hostname);
  const rows: readonly Row[] = [
    ['our own address', [echo], local, here, '10.0.0.1:8080', 'accept 10.0.0.1:8080 echo'],
    ['our own IPv6 address', [echo], local, at('fd00::1', 15_008), '[fd00::1]:9090', 'accept [fd00::1]:9090 echo'],
    ['our address with a port of no service', [echo], local, here, '10.0.0.1:1234', 'accept 10.0.0.1:1234'],
    [
      "another pod's address",
      [echo, workload('q', { addresses: ['10.0.0.2'] })],
      local,
      here,
      '10.0.0.2:8080',
      'reject 400',
    ],
    ['an unknown address', [], local, here, '10.0.0.2:8080', 'reject 400'],
    ['our other address on this connection', [], local, here, '[fd00::1]:80', 'reject 400'],
    ['nonsense', [], local, here, 'what', 'reject 400'],
    ['no port', [], local, here, '10.0.0.1', 'reject 400'],
    ['the proxy itself', [], local, here, '10.0.0.1:15008', 'reject 503'],
    ['the plaintext port of the proxy', [], local, here, '10.0.0.1:15006', 'reject 503'],
    ['a name, numeric target', [echo], local, here, 'echo.default.svc.cluster.local:82', 'accept 10.0.0.1:7070 echo'],
    ['a name, own mapping', [echo], local, here, 'echo.default.svc.cluster.local:81', 'accept 10.0.0.1:9090 echo'],
    ['a name in other case', [echo], local, here, 'ECHO.default.svc.cluster.local.:80', 'accept 10.0.0.1:8080 echo'],
    ['a name, named port that we lack', [echo], local, here, 'echo.default.svc.cluster.local:83', 'reject 503'],
    ['a name, port that nobody has', [echo], local, here, 'echo.default.svc.cluster.local:99', 'reject 503'],
    ['an unknown name', [echo], local, here, 'nobody.default.svc.cluster.local:80', 'reject 503'],
    [
      'a hidden name',
      [service('s', { namespace: 'x', hostname: 's.x', visibility: 'NAMESPACE' })],
      local,
      here,
      's.x:80',
      'reject 503',
    ],
    ['a waypoint of a pod, by address', attached(byIp), waypoint, wayHere, '10.0.0.7:80', 'accept 10.0.0.50:80'],
    [
      'a waypoint of a pod, by virtual address',
      attached(byVip),
      waypoint,
      wayHere,
      '10.0.0.7:80',
      'accept 10.0.0.50:80',
    ],
    ['a waypoint of a pod, by name', attached(byName), waypoint, wayHere, '10.0.0.7:80', 'accept 10.0.0.50:80'],
    [
      'a waypoint of a service',
      [wayService, { ...echo, waypoint: byVip }],
      waypoint,
      wayHere,
      '10.1.0.1:80',
      'accept 10.0.0.50:80',
    ],
    [
      'attached to the service, called for the pod',
      [wayService, { ...echo, waypoint: byVip }, local],
      waypoint,
      wayHere,
      '10.0.0.1:80',
      'reject 400',
    ],
    [
      'attached to the pod, called for the service',
      [...attached(byVip), echo],
      waypoint,
      wayHere,
      '10.1.0.1:80',
      'reject 400',
    ],
    ['not attached at all', [wayService, echo], waypoint, wayHere, '10.1.0.1:80', 'reject 400'],
    [
      'a waypoint on a connection to another address',
      attached(byName),
      waypoint,
      at('10.0.0.99', 15_008),
      '10.0.0.7:80',
      'reject 400',
    ],
    ['an application tunnel changes the port', [], renumbered, wayHere, '10.0.0.7:80', 'accept 10.0.0.50:15088'],
    [
      'an application tunnel with PROXY names the destination',
      [],
      proxied,
      wayHere,
      '10.0.0.7:80',
      'accept 10.0.0.50:15088 proxy 10.0.0.7:80',
    ],
    [
      'with PROXY and a name, a virtual address is named',
      [echo],
      { ...proxied, services: local.services },
      wayHere,
      'echo.default.svc.cluster.local:80',
      'accept 10.0.0.50:15088 echo proxy 10.1.0.1:80',
    ],
    [
      'with PROXY and a name without addresses',
      [{ ...echo, addresses: [] }],
      { ...proxied, services: local.services },
      wayHere,
      'echo.default.svc.cluster.local:80',
      'reject 503',
    ],
    [
      'an application tunnel does not make up a port that the named service lacks',
      [echo],
      { ...renumbered, services: local.services },
      wayHere,
      'echo.default.svc.cluster.local:99',
      'reject 503',
    ],
    [
      'with PROXY and a name, a range is not an address to name',
      [{ ...echo, addresses: [{ network: '', address: at('10.8.0.0', 1).ip, length: 16 }] }],
      { ...proxied, services: local.services },
      wayHere,
      'echo.default.svc.cluster.local:80',
      'reject 503',
    ],
    [
      'with PROXY and a name, an address of this network and IPv4 is named first',
      [service('echo', { addresses: ['n2/10.1.0.9', 'fd01::1', '10.1.0.1'], ports: { 80: 8080 } })],
      { ...proxied, services: local.services },
      wayHere,
      'echo.default.svc.cluster.local:80',
      'accept 10.0.0.50:15088 echo proxy 10.1.0.1:80',
    ],
    [
      'only the single waypoint of a service counts, not the weighted ones',
      [wayService, { ...echo, weightedWaypoints: [{ destination: byVip, weight: 1 }] }],
      waypoint,
      wayHere,
      '10.1.0.1:80',
      'reject 400',
    ],
    [
      'a pod and a service at one address: the pod is asked for its waypoint',
      [wayService, { ...echo, waypoint: byVip }, workload('both', { addresses: ['10.1.0.1'] })],
      waypoint,
      wayHere,
      '10.1.0.1:80',
      'reject 400',
    ],
    [
      'a service that stands for a range, called at an address within',
      [wayService, service('range', { addresses: ['10.8.0.0/16'], waypoint: byVip })],
      waypoint,
      wayHere,
      '10.8.7.6:443',
      'accept 10.0.0.50:443',
    ],
    ['the proxy itself, asked through an application tunnel', [], renumbered, wayHere, '10.0.0.7:15008', 'reject 503'],
    [
      'an application tunnel into the proxy',
      [],
      { ...waypoint, applicationTunnel: { protocol: 'NONE', port: 15_008 } },
      wayHere,
      '10.0.0.7:80',
      'reject 503',
    ],
  ];
  for (const [name, resources, pod, connectionDst, authority, want] of rows) {
    for (let seed = 0; seed < 2; seed++) {
      const view = viewOf(
        ...shuffled([pod, ...resources.filter((r) => !('uid' in r) || r.uid !== pod.uid)], seeded(seed)),
      );
      assert.equal(shown(decideInboundHbone(view, { local: pod, connectionDst, authority })), want, name);
    }
  }
});

test('a forwarded host labels only services that the pod is behind', () => {
  const other = service('other', { addresses: ['10.1.0.2'] });
  const key = 'default/other.default.svc.cluster.local';
  const pod = workload('pod', { addresses: ['10.0.0.1'], services: { [ECHO]: {}, [key]: {} } });
  const foreign = service('foreign', {});
  const view = viewOf(pod, echo, other, foreign);
  const label = (forwardedHost?: string) => {
    const d = decideInboundHbone(view, {
      local: pod,
      connectionDst: at('10.0.0.1', 15_008),
      authority: '10.0.0.1:8080',
      ...(forwardedHost !== undefined && { forwardedHost }),
    });
    return d.kind === 'accept' ? d.service?.name : formatReason(d.because);
  };
  assert.equal(label(), 'echo');
  assert.equal(label(other.hostname), 'other');
  assert.equal(label(foreign.hostname), 'echo');
  assert.equal(label('forged'), 'echo');
  const named = decideInboundHbone(view, {
    local: pod,
    connectionDst: at('10.0.0.1', 15_008),
    authority: `${echo.hostname}:80`,
    forwardedHost: other.hostname,
  });
  assert.equal(named.kind === 'accept' && named.service?.name, 'echo', 'what the authority names is meant');
});

test('plaintext goes where it was going, unless that is the proxy', () => {
  const view = viewOf(local, echo);
  const decide = (port: number) => shown(decideInboundPlaintext(view, { local, originalDst: at('10.0.0.1', port) }));
  assert.deepEqual([8080, 1234, 15_001, 15_006, 15_008].map(decide), [
    'accept 10.0.0.1:8080 echo',
    'accept 10.0.0.1:1234',
    'reject 503',
    'reject 503',
    'reject 503',
  ]);
});
