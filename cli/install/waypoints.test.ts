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
    labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' },
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
const gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'w', namespace: 'shop' },
};

test('uninstalling takes away what our controller has made of Gateways, and leaves the Gateways', async () => {
  const others = all('theirs');
  const cluster = memoryCluster([
    ...all('w', { 'ambit.io/applied': 'x' }),
    ...others,
    gateway,
    theClass({ 'app.kubernetes.io/part-of': 'ambit' }),
  ]);
  const said: string[] = [];
  await removeWaypoints(cluster, (line) => void said.push(line));
  assert.deepEqual([...cluster.objects.values()], [...others, gateway]);
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
