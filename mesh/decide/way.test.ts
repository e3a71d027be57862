import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '../model.ts';
import { ip, service, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { formatReason } from './reason.ts';
import { decide, ECHO, type Resources, shown, vip } from './test-flow.ts';
import { type Resolution, resolved } from './way.ts';

const named = (fields: Partial<Workload> = {}) => {
  const { addresses: _, services: __, ...rest } = { ...workload('db'), hostname: 'db.example.com', ...fields };
  return workload('db', { ...rest, services: { [ECHO]: {} } });
};
const echo = service('echo', { addresses: [...vip.addresses, 'fd01::1'] });
const means = (...addresses: string[]): Resolution => ({ addresses: addresses.map((a) => ip(a)) });

type Row = readonly [string, Resources, string, Resolution, number, string];
const rows: readonly Row[] = [
  [
    'a pod of the mesh',
    [echo, named()],
    '10.1.0.1',
    means('10.0.0.7'),
    0,
    'hbone 10.0.0.7:15008 10.0.0.7:8080 db direct',
  ],
  [
    'a host outside',
    [echo, named({ tunnelProtocol: 'NONE' })],
    '10.1.0.1',
    means('192.0.2.7'),
    0,
    'tcp 192.0.2.7:8080 db',
  ],
  [
    'of several addresses, one by chance',
    [echo, named({ tunnelProtocol: 'NONE' })],
    '10.1.0.1',
    means('192.0.2.7', '192.0.2.8', '192.0.2.9'),
    0.5,
    'tcp 192.0.2.8:8080 db',
  ],
  [
    'of both families, the one that was dialled',
    [echo, named({ tunnelProtocol: 'NONE' })],
    'fd01::1',
    means('192.0.2.7', '2001:db8::7'),
    0,
    'tcp [2001:db8::7]:8080 db',
  ],
  [
    'of the other family only',
    [echo, named({ tunnelProtocol: 'NONE' })],
    'fd01::1',
    means('192.0.2.7'),
    0.9,
    'tcp 192.0.2.7:8080 db',
  ],
  ['no address', [echo, named()], '10.1.0.1', means(), 0, 'refuse hostname-not-resolved'],
  [
    'an identity that can not be verified',
    [echo, named({ serviceAccount: 'a b' })],
    '10.1.0.1',
    means('10.0.0.7'),
    0,
    'refuse identity-unknown',
  ],
  [
    'a waypoint',
    [
      workload('w', { hostname: 'w.example.com' }),
      service('echo', { ...vip, waypoint: waypointByHost('default', 'w.example.com', 15_009) }),
    ],
    '10.1.0.1',
    means('10.0.0.50'),
    0,
    'hbone 10.0.0.50:15009 10.1.0.1:80 w waypoint',
  ],
];
for (const [name, resources, dst, resolution, chance, want] of rows) {
  test(`an endpoint that is known by name only, resolved: ${name}`, () => {
    const decision = decide(resources, dst, 80);
    assert.equal(decision.kind, 'resolve');
    if (decision.kind === 'resolve') assert.equal(shown(resolved(decision, resolution, () => chance)), want);
  });
}

test('a name that could not be resolved is refused with the reason', () => {
  const decision = decide([echo, named()], '10.1.0.1', 80);
  assert.equal(decision.kind, 'resolve');
  if (decision.kind !== 'resolve') return;
  const end = resolved(decision, { error: 'no answer within 5 s' }, () => 0);
  assert.equal(formatReason(end.because), 'default/db is only known as db.example.com: no answer within 5 s');
  assert.equal(end.kind === 'refuse' && end.service?.name, 'echo');
});

test('what has an address is never looked up, and what has neither is refused', () => {
  const both = workload('db', { hostname: 'db.example.com', addresses: ['10.0.0.7'], services: { [ECHO]: {} } });
  assert.equal(shown(decide([echo, both], '10.1.0.1', 80)), 'hbone 10.0.0.7:15008 10.0.0.7:8080 db direct');
  const onlyV4 = service('echo', { ...vip, ipFamilies: 'IPV6_ONLY' });
  assert.equal(shown(decide([onlyV4, both], '10.1.0.1', 80)), 'refuse no-address');
  const gateway = workload('w', {
    network: 'n2',
    networkGateway: waypointByIp('203.0.113.1'),
    hostname: 'w.example.com',
    services: { [ECHO]: {} },
  });
  assert.equal(shown(decide([echo, gateway], '10.1.0.1', 80)), 'refuse cross-network');
});
