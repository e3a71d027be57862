import assert from 'node:assert/strict';
import { test } from 'node:test';
import { render } from '../output.ts';
import { type NodeDump, parseDump } from './dump.ts';
import * as sections from './sections.ts';

const DAY = 86_400_000;
const cert = (serialNumber: string, days: number) => ({
  serialNumber,
  validFrom: new Date(Date.now() - DAY).toISOString(),
  expirationTime: new Date(Date.now() + days * DAY).toISOString(),
});

const dump = parseDump(
  JSON.stringify({
    workloads: [
      {
        uid: 'Kubernetes//Pod/shop/cart-1',
        name: 'cart-1',
        namespace: 'shop',
        workloadIps: ['10.244.2.3', 'fd00:244:2::3'],
        node: 'node-2',
        protocol: 'HBONE',
        waypoint: { destination: 'shop/gate.shop.svc.cluster.local', hboneMtlsPort: 15008 },
        fromTheFuture: 1,
      },
    ],
    services: [
      {
        name: 'cart',
        namespace: 'shop',
        hostname: 'cart.shop.svc.cluster.local',
        vips: ['/10.96.0.7', '/fd00:96::7'],
        endpoints: { a: { status: 'Healthy' }, b: { status: 'Unhealthy' } },
      },
    ],
    policies: [{ name: 'deny', namespace: 'shop', scope: 'Namespace', action: 'Deny' }],
    certificates: [
      {
        identity: 'spiffe://cluster.local/ns/shop/sa/cart',
        state: 'Available',
        certChain: [cert('255', 1)],
        rootCerts: [cert('1', 30)],
      },
      { identity: 'spiffe://cluster.local/ns/shop/sa/late', state: 'Unavailable: the CA did not answer' },
    ],
    workloadState: {
      u1: {
        state: 'Up',
        info: { name: 'cart-1', namespace: 'shop', serviceAccount: 'cart' },
        connections: {
          inbound: [{ src: '10.244.1.2:40000', originalDst: null, actualDst: '10.244.2.3:8080', protocol: 'HBONE' }],
          outbound: [
            { src: '10.244.2.3:50000', originalDst: '10.96.0.9:9000', actualDst: '10.244.1.9:9000', protocol: 'HBONE' },
          ],
        },
      },
    },
  }),
  'dump.json',
);
const dumps: readonly NodeDump[] = [{ node: 'node-2', dump }];
const rows = (section: sections.Section, filter: sections.SectionFilter = {}) => section.table(dumps, filter).rows;

test('workloads are listed with all their addresses and the name of their waypoint', () => {
  assert.deepEqual(rows(sections.workloads), [
    ['shop', 'cart-1', '10.244.2.3,fd00:244:2::3', 'node-2', 'gate', 'HBONE'],
  ]);
  assert.deepEqual(rows(sections.workloads, { address: '10.0.0.1' }), []);
  assert.equal(rows(sections.workloads, { address: 'fd00:244:2::3' }).length, 1);
});

test('services count their healthy endpoints', () => {
  assert.deepEqual(rows(sections.services), [['shop', 'cart', '10.96.0.7,fd00:96::7', 'None', '1/2']]);
});

test('certificates show serial numbers as openssl does, and those that could not be had', () => {
  const [root, missing, leaf] = rows(sections.certificates)
    .map((row) => row.slice(0, 5))
    .sort((a, b) => String(b[1]).localeCompare(String(a[1])));
  assert.deepEqual(root, ['spiffe://cluster.local/ns/shop/sa/cart', 'Root', 'Available', 'true', '1']);
  assert.deepEqual(leaf, ['spiffe://cluster.local/ns/shop/sa/cart', 'Leaf', 'Available', 'true', 'ff']);
  assert.deepEqual(missing, ['spiffe://cluster.local/ns/shop/sa/late', 'NA', 'Unavailable', 'false', 'NA']);
});

test('connections are seen from the workload: its own end is local in both directions', () => {
  assert.deepEqual(rows(sections.connections), [
    ['shop/cart-1', 'inbound', '10.244.2.3:8080', '10.244.1.2:40000', '', 'HBONE', 'node-2'],
    ['shop/cart-1', 'outbound', '10.244.2.3:50000', '10.244.1.9:9000', '10.96.0.9:9000', 'HBONE', 'node-2'],
  ]);
  assert.equal(rows(sections.connections, { direction: 'inbound' }).length, 1);
  assert.equal(rows(sections.connections, { pod: 'shop/other' }).length, 0);
});

test('keys that the CLI does not know are kept in -o json', () => {
  const text = render('json', sections.workloads.data(dumps, {}), () => sections.workloads.table(dumps, {}), '');
  assert.match(text, /"fromTheFuture": 1/);
});

test('an empty section says what that means instead of printing a bare header', () => {
  const empty: readonly NodeDump[] = [{ node: 'n', dump: parseDump('{}', 'x') }];
  assert.equal(
    render('short', [], () => sections.policies.table(empty, {}), sections.policies.empty),
    sections.policies.empty,
  );
});

test('a file that is not a dump is refused with its name and the field', () => {
  assert.throws(() => parseDump('{"workloads":[{"uid":1}]}', 'x.json'), {
    name: 'CliError',
    message: /x\.json.*workloads\.0\.uid/,
  });
  assert.throws(() => parseDump('no', 'x.json'), { name: 'CliError', message: /x\.json: not JSON/ });
});
