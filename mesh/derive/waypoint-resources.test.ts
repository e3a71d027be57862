import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriverOf } from './test-derive.ts';
import { gateway, kubeService, namespace, pod, serviceEntry } from './test-objects.ts';

const USE = { 'istio.io/use-waypoint': 'w' };
const ports = [{ name: 'http', port: 80, targetPort: 8080 }, { port: 53, protocol: 'UDP' }, { port: 3306 }];

test('a waypoint is told of itself and of each service that is bound to it, with what its ports speak', () => {
  const deriver = deriverOf(
    [namespace('shop'), gateway('shop/w'), kubeService('shop/cart', { ports }, { labels: USE })],
    {
      trustDomainAliases: ['old.example'],
    },
  );
  assert.deepEqual(deriver.waypoints.get('shop/w')?.gateway, {
    namespace: 'shop',
    name: 'w',
    trustDomains: ['cluster.local', 'old.example'],
    pathNormalization: 'BASE',
    receiptHeader: false,
    policies: [],
    authentications: [],
    authorizers: [],
    references: [],
    backends: [],
  });
  assert.deepEqual(deriver.waypoints.get('shop/w/service/shop/cart.shop.svc.cluster.local')?.service, {
    namespace: 'shop',
    hostname: 'cart.shop.svc.cluster.local',
    ports: [
      { port: 80, protocol: 'HTTP11' },
      { port: 3306, protocol: 'TCP' },
    ],
    references: ['shop/cart.shop.svc.cluster.local'],
    policies: [],
    authentications: [],
    authorizers: [],
    backends: [],
  });
});

test('a service that is not bound, or not any more, is told to nobody', () => {
  const deriver = deriverOf([
    namespace('shop'),
    gateway('shop/w'),
    kubeService('shop/free', { ports }),
    kubeService('shop/cart', { ports }, { labels: USE }),
  ]);
  const delta = deriver.apply(kubeService('shop/cart', { ports }));
  assert.deepEqual(delta.waypoints, { upserted: [], removed: ['shop/w/service/shop/cart.shop.svc.cluster.local'] });
  assert.deepEqual([...deriver.waypoints.keys()], ['shop/w']);
});

test('a waypoint for workloads is told of pods, and a canary of the services that it shares', () => {
  const deriver = deriverOf([
    namespace('shop', { labels: USE }),
    gateway('shop/w', { labels: { 'istio.io/waypoint-for': 'all' } }),
    gateway('shop/next', { labels: { 'istio.io/waypoint-for': 'service' } }),
    pod('shop/a', { ips: ['10.0.0.1'] }),
    kubeService(
      'shop/cart',
      { ports },
      {
        labels: { ...USE, 'istio.io/use-waypoint-canary': 'next' },
        annotations: { 'istio.io/use-waypoint-canary-weight': '10' },
      },
    ),
  ]);
  assert.deepEqual([...deriver.waypoints.keys()].sort(), [
    'shop/next',
    'shop/next/service/shop/cart.shop.svc.cluster.local',
    'shop/w',
    'shop/w/service/shop/cart.shop.svc.cluster.local',
    'shop/w/workload/Kubernetes//Pod/shop/a',
  ]);
});

test('each host of a ServiceEntry is a service of its own', () => {
  const spec = {
    hosts: ['a.example', 'b.example'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'DNS',
  };
  const deriver = deriverOf([namespace('shop'), gateway('shop/w'), serviceEntry('shop/ext', spec, { labels: USE })]);
  assert.deepEqual([...deriver.waypoints.keys()].sort(), [
    'shop/w',
    'shop/w/service/shop/a.example',
    'shop/w/service/shop/b.example',
  ]);
});
