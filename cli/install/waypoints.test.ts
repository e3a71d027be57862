import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCluster } from '../test-support.ts';
import { removeWaypoints } from './waypoints.ts';

const managed = (kind: string, apiVersion: string, name: string, annotations = {}) => ({
  apiVersion,
  kind,
  metadata: {
    name,
    namespace: 'shop',
    labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller', 'gateway.networking.k8s.io/gateway-name': 'w' },
    annotations,
  },
});
const all = (name: string, annotations?: object) => [
  managed('Deployment', 'apps/v1', name, annotations),
  managed('Service', 'v1', name, annotations),
  managed('ServiceAccount', 'v1', name, annotations),
];
const theClass = (labels = {}) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name: 'istio-waypoint', labels },
});
const programmed = { type: 'Programmed', status: 'True', reason: 'Programmed', message: '' };
const gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'w', namespace: 'shop' },
  status: { addresses: [{ value: '10.0.0.1' }], conditions: [{ type: 'Accepted' }, programmed] },
};

test('uninstalling takes away what our controller has made of Gateways, and leaves the Gateways, which say so', async () => {
  const others = all('theirs');
  const cluster = memoryCluster([
    ...all('w', { 'ambit.io/applied': 'x' }),
    ...others,
    gateway,
    theClass({ 'app.kubernetes.io/part-of': 'ambit' }),
  ]);
  const said: string[] = [];
  await removeWaypoints(cluster, (line) => void said.push(line));
  const [last, ...rest] = [...cluster.objects.values()].toReversed();
  assert.deepEqual(rest.toReversed(), others);
  assert.ok(last);
  const { addresses, conditions } = last['status'] as { addresses: unknown; conditions: Record<string, string>[] };
  assert.deepEqual(addresses, gateway.status.addresses);
  assert.deepEqual(
    conditions.map(({ type, status }) => [type, status]),
    [
      ['Accepted', undefined],
      ['Programmed', 'False'],
    ],
  );
  assert.deepEqual(said, [
    'waypoint shop/w: Deployment removed',
    'waypoint shop/w: Service removed',
    'waypoint shop/w: ServiceAccount removed',
  ]);
});

test('a class of waypoints that somebody else has made stays', async () => {
  const cluster = memoryCluster([theClass()]);
  await removeWaypoints(cluster, () => {});
  assert.equal(cluster.objects.size, 1);
});
