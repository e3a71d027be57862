import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, found, object, peers, pod, policy } from './test-support.ts';

const about = (app: string) => ({ selector: { matchLabels: { app } } });
const SELECTOR = 'spec.selector.matchLabels';

const CASES = cases(
  ['IST0127', 'IST0166', 'AMB0101'],
  [
    ['a selector that selects', [ambient('shop'), pod('shop/cart'), policy('shop/p', about('cart'))], []],
    [
      'a selector that selects nothing',
      [ambient('shop'), pod('shop/cart'), policy('shop/p', about('card'))],
      [`IST0127 AuthorizationPolicy shop/p ${SELECTOR}`],
    ],
    [
      'a selector whose pods are in another namespace',
      [ambient('shop'), pod('shop/cart'), policy('office/p', about('cart'))],
      [`IST0127 AuthorizationPolicy office/p ${SELECTOR}`],
    ],
    [
      'a selector of the root namespace selects in all',
      [ambient('shop'), pod('shop/cart'), policy('istio-system/p', about('cart'))],
      [],
    ],
    [
      'but that of a PeerAuthentication does not',
      [ambient('shop'), pod('shop/cart'), peers('istio-system/p', about('cart'))],
      [`IST0127 PeerAuthentication istio-system/p ${SELECTOR}`],
    ],
    ['no selector, in a namespace to come', [policy('shop/p', {})], []],
    [
      'pods of which none is in the mesh',
      [pod('shop/cart', { captured: false }), policy('shop/p', about('cart'))],
      [`AMB0101 AuthorizationPolicy shop/p ${SELECTOR}`],
    ],
    [
      'a whole namespace of which nothing is in the mesh',
      [pod('shop/cart', { captured: false }), peers('shop/default', { mtls: { mode: 'STRICT' } })],
      ['AMB0101 PeerAuthentication shop/default'],
    ],
    [
      'pods of which some are in the mesh',
      [
        pod('shop/cart', { captured: false }),
        pod('shop/web', { labels: { 'istio.io/dataplane-mode': 'ambient' } }),
        policy('shop/p', {}),
      ],
      [],
    ],
    [
      'a selector that selects pods of a waypoint',
      [
        ambient('shop'),
        pod('shop/gate', { labels: { 'gateway.networking.k8s.io/gateway-name': 'gate' } }),
        policy('shop/p', about('gate')),
      ],
      [`IST0166 AuthorizationPolicy shop/p ${SELECTOR}`],
    ],
    [
      'targetRefs select no pods',
      [policy('shop/p', { targetRefs: [{ kind: 'Service', name: 'cart' }] }), object('v1', 'Service', 'shop/cart', {})],
      [],
    ],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));

test('a selector that selects nothing is told what there is instead', () => {
  const [one] = found([ambient('shop'), pod('shop/cart'), policy('shop/p', about('card'))]).filter(
    ({ code }) => code === 'IST0127',
  );
  assert.equal(one?.message, 'selects no pod: no pod of namespace shop has app=card; there are cart');
});
