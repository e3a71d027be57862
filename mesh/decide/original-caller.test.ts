import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service, Workload } from '../model.ts';
import { type SpiffeId, spiffeId } from '../spiffe.ts';
import { service, viewOf, waypointByHost, waypointByIp, workload } from '../test-support.ts';
import { judgeSource, type SourceClaim } from './original-caller.ts';

const CART = 'default/cart.default.svc.cluster.local';
const GATE = 'default/gate.default.svc.cluster.local';
const gate = workload('gate', { addresses: ['10.0.0.9'], services: { [GATE]: { 15008: 15008 } } });
const gateService = service('gate', { addresses: ['10.2.0.9'], ports: { 15008: 15008 } });
const byName = waypointByHost('default', gateService.hostname);
const other = workload('other', { addresses: ['10.0.0.8'] });
const CALLER = 'spiffe://cluster.local/ns/web/sa/alice';
const SAID = `${CALLER};10.0.7.7`;

const pod = (fields: Parameters<typeof workload>[1] = {}) => workload('cart', { addresses: ['10.0.0.1'], ...fields });
const endpoint = pod({ services: { [CART]: { 80: 8080 } } });
const idOf = (account: string) => spiffeId('cluster.local', 'default', account);
const GATE_ID = idOf('gate');

type Row = readonly [
  string,
  local: Workload,
  rest: readonly (Service | Workload)[],
  peer: SpiffeId,
  header: string,
  SourceClaim['kind'],
];
const cart = (fields: Parameters<typeof service>[1]) => service('cart', { addresses: ['10.2.0.1'], ...fields });
const way = [gate, gateService];
const rows: readonly Row[] = [
  [
    'the waypoint of the workload, by address',
    pod({ waypoint: waypointByIp('10.0.0.9') }),
    way,
    GATE_ID,
    SAID,
    'believed',
  ],
  ['the waypoint of the workload, by name', pod({ waypoint: byName }), way, GATE_ID, SAID, 'believed'],
  ['the waypoint of its service', endpoint, [...way, cart({ waypoint: byName })], GATE_ID, SAID, 'believed'],
  [
    'the waypoint that is being tried for its service',
    endpoint,
    [
      ...way,
      other,
      cart({
        waypoint: waypointByIp('10.0.0.8'),
        weightedWaypoints: [
          { destination: waypointByIp('10.0.0.8'), weight: 100 },
          { destination: byName, weight: 0 },
        ],
      }),
    ],
    GATE_ID,
    SAID,
    'believed',
  ],
  [
    'a waypoint that is not ready any more, and drains',
    endpoint,
    [{ ...gate, status: 'UNHEALTHY' }, gateService, cart({ waypoint: byName })],
    GATE_ID,
    SAID,
    'believed',
  ],
  ['somebody else', endpoint, [...way, other, cart({ waypoint: byName })], idOf('other'), SAID, 'dropped'],
  [
    'the account of that name in another namespace',
    endpoint,
    [...way, cart({ waypoint: byName })],
    spiffeId('cluster.local', 'evil', 'gate'),
    SAID,
    'dropped',
  ],
  [
    'that account under another trust domain',
    endpoint,
    [...way, cart({ waypoint: byName })],
    spiffeId('evil.example', 'default', 'gate'),
    SAID,
    'dropped',
  ],
  [
    'a waypoint of a service that it is no endpoint of',
    pod(),
    [...way, cart({ waypoint: byName })],
    GATE_ID,
    SAID,
    'dropped',
  ],
  ['anybody, where there is no waypoint', endpoint, [...way, cart({})], GATE_ID, SAID, 'dropped'],
  ['anybody, where the waypoint is not known', endpoint, [cart({ waypoint: byName })], GATE_ID, SAID, 'dropped'],
  ['somebody else, unreadably', endpoint, [...way, cart({ waypoint: byName })], idOf('other'), 'x', 'dropped'],
  ...[
    '',
    ';',
    CALLER,
    `${CALLER};`,
    `;10.0.7.7`,
    `${CALLER};10.0.7`,
    `${CALLER};10.0.7.7:80`,
    `${CALLER};10.0.7.7;`,
    `${SAID}, ${SAID}`,
    `web/alice;10.0.7.7`,
    `spiffe://cluster.local/ns/web;10.0.7.7`,
    `spiffe://x/ns/../sa/a;10.0.7.7`,
    `${CALLER}${'a'.repeat(3_000)};10.0.7.7`,
  ].map(
    (header): Row => [
      `its waypoint: ${JSON.stringify(header.slice(0, 60))}`,
      endpoint,
      [...way, cart({ waypoint: byName })],
      GATE_ID,
      header,
      'unreadable',
    ],
  ),
];
for (const [name, local, rest, peer, header, kind] of rows) {
  test(`a caller named by ${name} is ${kind}`, () => {
    assert.equal(judgeSource(viewOf(local, ...rest), local, peer, header).kind, kind);
  });
}

test('what a waypoint says is the identity and the address, of either family', () => {
  const view = viewOf(endpoint, ...way, cart({ waypoint: byName }));
  for (const ip of ['10.0.7.7', 'fd00::7']) {
    assert.deepEqual(judgeSource(view, endpoint, GATE_ID, `${CALLER};${ip}`), {
      kind: 'believed',
      original: { identity: CALLER, ip },
    });
  }
});
