import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { RandomPolicies } from '../../mesh/http-policy/test-policies.ts';
import { DEFAULT_OUTLIERS, NO_LIMITS, type WaypointResource } from '../../mesh/index.ts';
import { seeded } from '../../mesh/test-support.ts';
import { WaypointSchema } from './gen/ambit/waypoint/v1/waypoint_pb.ts';
import { decodeWaypoint, encodeWaypoint } from './waypoint-codec.ts';

const service: WaypointResource = {
  minRevision: 1,
  name: 'shop/waypoint/service/shop/cart.shop.svc.cluster.local',
  service: {
    namespace: 'shop',
    hostname: 'cart.shop.svc.cluster.local',
    ports: [
      { port: 8080, protocol: 'HTTP11' },
      { port: 9090, protocol: 'UNKNOWN' },
    ],
    references: ['shop/cart.shop.svc.cluster.local'],
    policies: [],
    authentications: [],
    authorizers: [],
    backends: [
      {
        service: 'shop/cart.shop.svc.cluster.local',
        port: 8080,
        balancing: 'ROUND_ROBIN',
        refusal: '',
        limits: { ...NO_LIMITS, maxRequests: 7 },
        outliers: DEFAULT_OUTLIERS,
        slowStart: { windowMs: 1_000, minPercent: 10, aggression: 1.5 },
        tls: { sni: 'cart', names: ['cart', 'spiffe://a/b'], unverified: true, roots: 'r', chain: 'c', key: 'k' },
        hash: { key: 'COOKIE', name: 'user', cookieAttributes: '; HttpOnly', table: 'MAGLEV', size: 251 },
      },
    ],
  },
};

test('what a waypoint is told arrives as it was derived', () => {
  const random = new RandomPolicies(seeded(7));
  const rows: readonly WaypointResource[] = [
    service,
    {
      minRevision: 1,
      name: 'a/b',
      gateway: {
        namespace: 'a',
        name: 'b',
        trustDomains: ['cluster.local'],
        pathNormalization: 'BASE',
        receiptHeader: true,
        policies: random.policies(),
        authentications: [random.authentication()],
        authorizers: [random.authorizer()],
        references: ['shop/authz.shop.svc.cluster.local'],
        backends: service.service?.backends ?? [],
      },
    },
    { minRevision: 1, name: 'a/b/workload/x', workload: { uid: 'x' } },
  ];
  for (const row of rows) assert.deepEqual(decodeWaypoint(encodeWaypoint(row)), row);
});

test('what a newer reader is needed for is refused whole, and says so', () => {
  const newer = encodeWaypoint({ ...service, minRevision: 1_000 });
  assert.throws(() => decodeWaypoint(newer), /revision 1000, this one has \d+: upgrade it/);
});

test('a value that this revision does not know is refused, not passed on as a number', () => {
  const bytes = toBinary(
    WaypointSchema,
    create(WaypointSchema, { minRevision: 1, name: 'x', service: { ports: [{ port: 1, protocol: 77 as never }] } }),
  );
  assert.throws(() => decodeWaypoint(bytes), /protocol has a value that this waypoint does not know/);
});

test('bytes that are no such message, and a message about nothing, are refused', () => {
  assert.throws(() => decodeWaypoint(Uint8Array.of(0x0f)), /not a readable/);
  assert.throws(() => decodeWaypoint(new Uint8Array()), /about nothing/);
});
