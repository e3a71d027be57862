import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedFlow } from './finding.ts';
import { ambient, cases, found, object, peers, pod, policy, service } from './test-support.ts';

const STRICT = { mtls: { mode: 'STRICT' } };
const OUT = { captured: false, labels: { 'istio.io/dataplane-mode': 'none' } };
const CART = { selector: { matchLabels: { app: 'cart' } } };
const SHOP = [ambient('shop'), pod('shop/cart', { ip: '10.1.0.1' }), pod('shop/web', { ip: '10.1.0.2' })];
const OF_GATE = {
  captured: false,
  labels: { 'istio.io/dataplane-mode': 'none', 'gateway.networking.k8s.io/gateway-name': 'gate' },
};
const GATE = object('gateway.networking.k8s.io/v1', 'Gateway', 'shop/gate', {
  gatewayClassName: 'istio-waypoint',
  listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }],
});
const BATCH = pod('legacy/batch', { ip: '10.3.0.1', captured: false });

const STATIC = cases(
  ['AMB0201', 'AMB0204'],
  [
    ['all of a namespace in the mesh', [...SHOP, peers('shop/default', STRICT)], []],
    [
      'a pod of the namespace outside',
      [...SHOP, pod('shop/old', OUT), peers('shop/default', STRICT)],
      ['AMB0201 PeerAuthentication shop/default'],
    ],
    [
      'the pod of a waypoint is nobody outside',
      [...SHOP, GATE, pod('shop/gate', OF_GATE), peers('shop/default', STRICT)],
      [],
    ],
    [
      'a pod that only says it is of a waypoint is outside',
      [...SHOP, pod('shop/gate', OF_GATE), peers('shop/default', STRICT)],
      ['AMB0201 PeerAuthentication shop/default'],
    ],
    [
      'PERMISSIVE shuts nobody out',
      [...SHOP, pod('shop/old', OUT), peers('shop/default', { mtls: { mode: 'PERMISSIVE' } })],
      [],
    ],
    [
      'strict for the mesh is told at the object that says it',
      [...SHOP, pod('shop/old', OUT), peers('istio-system/default', STRICT)],
      ['AMB0201 PeerAuthentication istio-system/default'],
    ],
    [
      'a namespace that overrules the mesh',
      [
        ...SHOP,
        pod('shop/old', OUT),
        peers('istio-system/default', STRICT),
        peers('shop/default', { mtls: { mode: 'PERMISSIVE' } }),
      ],
      [],
    ],
    ['pods of namespaces outside are no news', [...SHOP, BATCH, peers('shop/default', STRICT)], []],
    [
      'a NodePort before strict pods',
      [...SHOP, peers('shop/default', STRICT), service('shop/cart', { type: 'NodePort', selector: { app: 'cart' } })],
      ['AMB0204 Service shop/cart spec.type'],
    ],
    [
      'a LoadBalancer before pods that are not strict',
      [
        ...SHOP,
        peers('shop/cart', { ...STRICT, ...CART }),
        service('shop/web', { type: 'LoadBalancer', selector: { app: 'web' } }),
      ],
      [],
    ],
    [
      'external addresses before strict pods',
      [
        ...SHOP,
        peers('shop/cart', { ...STRICT, ...CART }),
        service('shop/cart', { externalIPs: ['192.0.2.1'], selector: { app: 'cart' } }),
      ],
      ['AMB0204 Service shop/cart spec.externalIPs'],
    ],
    [
      'an ordinary service before strict pods',
      [...SHOP, peers('shop/default', STRICT), service('shop/cart', { selector: { app: 'cart' } })],
      [],
    ],
  ],
);
for (const { name, got, want } of STATIC) test(name, () => assert.deepEqual(got(), want));

const flow = (source: string, port = 8080): ObservedFlow => ({
  source,
  destination: 'Kubernetes//Pod/shop/cart',
  port,
  verdict: 'allow',
  count: 3,
  lastSeen: '2026-01-01T00:00:00.000Z',
});
const LIVE: readonly [string, Parameters<typeof found>[0], ObservedFlow, readonly string[]][] = [
  ['a plaintext caller that was seen', [...SHOP, BATCH, peers('shop/default', STRICT)], flow('10.3.0.1'), ['AMB0202']],
  [
    'a caller with an identity',
    [...SHOP, peers('shop/default', STRICT)],
    flow('spiffe://cluster.local/ns/shop/sa/web'),
    [],
  ],
  ['a plaintext caller without STRICT', [...SHOP, BATCH, policy('shop/p', { rules: [{}] })], flow('10.3.0.1'), []],
  [
    'a port that is exempt',
    [...SHOP, BATCH, peers('shop/cart', { ...STRICT, ...CART, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } })],
    flow('10.3.0.1'),
    [],
  ],
  [
    'another port of the same pod',
    [...SHOP, BATCH, peers('shop/cart', { ...STRICT, ...CART, portLevelMtls: { 8080: { mode: 'PERMISSIVE' } } })],
    flow('10.3.0.1', 9090),
    ['AMB0202'],
  ],
  [
    'a strict port of a pod that is not strict',
    [...SHOP, BATCH, peers('shop/cart', { ...CART, portLevelMtls: { 8080: { mode: 'STRICT' } } })],
    flow('10.3.0.1'),
    ['AMB0202'],
  ],
];
for (const [name, objects, seen, want] of LIVE) {
  test(`seen by the ztunnels: ${name}`, () => {
    const got = found(objects, [seen]).filter(({ code }) => code === 'AMB0202');
    assert.deepEqual(
      got.map(({ code }) => code),
      want,
    );
    for (const { message } of got)
      assert.match(message, /^legacy\/batch called cart without identity, on port \d+, 3 times/);
  });
}
