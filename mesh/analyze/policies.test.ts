import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { ambient, cases, found, object, peers, pod, policy, service } from './test-support.ts';

const source = (fields: object) => ({ rules: [{ from: [{ source: fields }] }] });
const toPorts = (...ports: string[]) => ({ rules: [{ to: [{ operation: { ports } }] }] });
const SHOP = [ambient('shop'), pod('shop/cart', { ports: { http: 8080 } }), pod('shop/web')];
const AT = 'AMB0106 AuthorizationPolicy shop/p spec.rules[0].from[0].source';
const PORT = 'AMB0107 AuthorizationPolicy shop/p spec.rules[0].to[0].operation.ports[0]';
const CART = { selector: { app: 'cart' } };
const named = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
const mesh = (rootNamespace: string): KubeObject => ({
  ...object('v1', 'ConfigMap', 'istio-system/istio', {}),
  data: { mesh: `rootNamespace: ${rootNamespace}` },
});

const CASES = cases(
  ['AMB0105', 'AMB0106', 'AMB0107', 'AMB0203'],
  [
    ['a caller that runs', [...SHOP, policy('shop/p', source({ principals: ['cluster.local/ns/shop/sa/web'] }))], []],
    [
      'an account that nothing runs as',
      [...SHOP, policy('shop/p', source({ principals: ['cluster.local/ns/shop/sa/wbe'] }))],
      [`${AT}.principals[0]`],
    ],
    [
      'an account that exists without pods',
      [
        ...SHOP,
        object('v1', 'ServiceAccount', 'shop/late', {}),
        policy('shop/p', source({ serviceAccounts: ['late'] })),
      ],
      [],
    ],
    [
      'a namespace that does not exist',
      [...SHOP, policy('shop/p', source({ namespaces: ['shpo'] }))],
      [`${AT}.namespaces[0]`],
    ],
    ['a namespace that is empty', [...SHOP, named('office'), policy('shop/p', source({ namespaces: ['office'] }))], []],
    ['a pattern', [...SHOP, policy('shop/p', source({ namespaces: ['team-*'] }))], []],
    [
      'somebody of another trust domain',
      [...SHOP, policy('shop/p', source({ principals: ['other.example/ns/x/sa/y'] }))],
      [],
    ],
    ['what is no identity', [...SHOP, policy('shop/p', source({ principals: ['web'] }))], [`${AT}.principals[0]`]],
    [
      'an account of another namespace',
      [...SHOP, policy('shop/p', source({ serviceAccounts: ['shop/web', 'shop/nobody'] }))],
      [`${AT}.serviceAccounts[1]`],
    ],
    ['policies without any workload', [policy('shop/p', source({ namespaces: ['anywhere'] }))], []],

    [
      "the pod's port",
      [
        ...SHOP,
        service('shop/cart', { ...CART, ports: [{ port: 80, targetPort: 'http' }] }),
        policy('shop/p', toPorts('8080')),
      ],
      [],
    ],
    [
      "the service's port in its place",
      [
        ...SHOP,
        service('shop/cart', { ...CART, ports: [{ port: 80, targetPort: 'http' }] }),
        policy('shop/p', toPorts('80')),
      ],
      [PORT],
    ],
    [
      'a port that is both',
      [
        ...SHOP,
        pod('shop/proxy', { ports: { http: 80 } }),
        service('shop/cart', { ...CART, ports: [{ port: 80, targetPort: 'http' }] }),
        policy('shop/p', toPorts('80')),
      ],
      [],
    ],
    [
      'the port of a service that is about other pods',
      [
        ...SHOP,
        service('shop/cart', { ...CART, ports: [{ port: 80, targetPort: 'http' }] }),
        policy('shop/p', { selector: { matchLabels: { app: 'web' } }, ...toPorts('80') }),
      ],
      [],
    ],

    ['one object for the namespace', [peers('shop/a', {})], []],
    [
      'two objects for the namespace',
      [peers('shop/a', {}), peers('shop/b', {}, 2)],
      ['AMB0203 PeerAuthentication shop/b'],
    ],
    [
      'the older one counts, whatever its name',
      [peers('shop/a', {}, 2), peers('shop/b', {})],
      ['AMB0203 PeerAuthentication shop/a'],
    ],
    [
      'one for the namespace, one for some of it',
      [...SHOP, peers('shop/a', {}), peers('shop/b', { selector: { matchLabels: { app: 'cart' } } }, 2)],
      [],
    ],
    [
      'two selectors that meet',
      [
        ...SHOP,
        peers('shop/a', { selector: { matchLabels: { app: 'cart' } } }),
        peers('shop/b', { selector: { matchLabels: { app: 'cart' } } }, 2),
      ],
      ['AMB0203 PeerAuthentication shop/b'],
    ],
    [
      'two selectors that do not',
      [
        ...SHOP,
        peers('shop/a', { selector: { matchLabels: { app: 'cart' } } }),
        peers('shop/b', { selector: { matchLabels: { app: 'web' } } }, 2),
      ],
      [],
    ],

    ['a policy for the mesh in its root namespace', [peers('istio-system/default', {})], []],
    [
      'in a usual root namespace that is none here',
      [mesh('mesh-root'), policy('istio-system/p', {})],
      ['AMB0105 AuthorizationPolicy istio-system/p metadata.namespace'],
    ],
    [
      'in a namespace that is nearly the root namespace',
      [peers('istio-sytem/default', {})],
      ['AMB0105 PeerAuthentication istio-sytem/default metadata.namespace'],
    ],
    ['in an ordinary namespace', [peers('shop/default', {})], []],
    [
      'with a selector it is meant for its namespace',
      [mesh('mesh-root'), pod('istio-system/x'), policy('istio-system/p', { selector: { matchLabels: { app: 'x' } } })],
      [],
    ],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));

test('a slip in a name is told with what there is', () => {
  const [one] = found([...SHOP, policy('shop/p', source({ principals: ['cluster.local/ns/shop/sa/wbe'] }))]).filter(
    (f) => f.code === 'AMB0106',
  );
  assert.equal(one?.message, 'nothing in namespace shop runs as wbe; there is web: it allows nobody');
});

const DENIALS = cases(
  ['AMB0109'],
  [
    ['a DENY of some', [...SHOP, policy('shop/p', { action: 'DENY', ...toPorts('80') })], []],
    [
      'a DENY of everybody',
      [...SHOP, policy('shop/p', { action: 'DENY', rules: [{}] })],
      ['AMB0109 AuthorizationPolicy shop/p spec.rules[0]'],
    ],
  ],
);
for (const { name, got, want } of DENIALS) test(name, () => assert.deepEqual(got(), want));
