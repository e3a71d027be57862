import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gateway, kubeService, namespace } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { among, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
const CART = { group: '', kind: 'Service', name: 'cart', port: 80 };
const EDGE = { name: 'edge' };

const route = (spec: object, kind = 'HTTPRoute', parents: readonly object[] = [CART]): KubeObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind,
  metadata: { name: 'r', namespace: 'shop' },
  spec: { parentRefs: parents, ...spec },
});
const TO = [{ name: 'cart', port: 80 }];
const rule = (rule: object, ...parents: readonly object[]) =>
  route({ rules: [{ backendRefs: TO, ...rule }] }, 'HTTPRoute', parents.length > 0 ? parents : undefined);
const filter = (type: string, field: string, content: object) => ({ filters: [{ type, [field]: content }] });
const match = (path: object) => ({ matches: [{ path }] });
const AT = 'spec.rules[0]';
const BAD_PATTERN = match({ type: 'RegularExpression', value: '/a(' });

table('a route of the mesh is refused for what its CRD can not see', [
  ['nothing is amiss', rule(match({ value: '/a' })), []],
  ['a pattern that can not be run', rule(BAD_PATTERN), [`${AT}.matches[0].path.value: "/a(" is not a pattern`]],
  [
    'a pattern for a header',
    rule({ matches: [{}, { headers: [{ type: 'RegularExpression', name: 'a', value: '*' }] }] }),
    [`${AT}.matches[1].headers[0]: "*" is not a pattern`],
  ],
  [
    'a value that no header can have',
    rule(filter('RequestHeaderModifier', 'requestHeaderModifier', { set: [{ name: 'a', value: 'b\nc' }] })),
    [`${AT}.filters[0]: RequestHeaderModifier: set: the value of a has characters`],
  ],
  [
    'a header that says how long a message is',
    rule(filter('ResponseHeaderModifier', 'responseHeaderModifier', { add: [{ name: 'Content-Length', value: '1' }] })),
    [`${AT}.filters[0]: ResponseHeaderModifier: add: content-length says how a message is framed`],
  ],
  [
    'a prefix that is replaced where none matches',
    rule({
      ...match({ type: 'Exact', value: '/a' }),
      ...filter('URLRewrite', 'urlRewrite', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } }),
    }),
    [`${AT}.filters[0]: URLRewrite: path`],
  ],
  [
    'a try that may take longer than the request',
    rule({ timeouts: { request: '1s', backendRequest: '1001ms' } }),
    [`${AT}.timeouts.backendRequest: 1001ms is longer than the whole request may take, 1s`],
  ],
  ['a request that may take for ever', rule({ timeouts: { request: '0s', backendRequest: '5s' } }), []],
  ['no duration', rule({ timeouts: { request: 'soon' } }), [`${AT}.timeouts.request: "soon" is no duration`]],
  [
    'a share that is none',
    rule(filter('RequestMirror', 'requestMirror', { backendRef: TO[0], percent: 101 })),
    [`${AT}.filters[0]: RequestMirror: percent: is not 0 to 100`],
  ],
  [
    'a filter of a backend',
    rule({
      backendRefs: [{ ...TO[0], ...filter('RequestHeaderModifier', 'requestHeaderModifier', { remove: ['host'] }) }],
    }),
    [`${AT}.backendRefs[0].filters[0]: RequestHeaderModifier: remove: "host" can not be removed`],
  ],
  [
    'a method of gRPC',
    route(
      { rules: [{ backendRefs: TO, matches: [{ method: { type: 'RegularExpression', service: '(', method: 'a' } }] }] },
      'GRPCRoute',
    ),
    [`${AT}.matches[0].method: "(" is not a pattern`],
  ],
]);

table('what is for others is left to them', [
  ['a route of a Gateway', rule(BAD_PATTERN, EDGE), []],
  ['no parent at all', route({ rules: [BAD_PATTERN] }, 'HTTPRoute', []), []],
  ['a route of both', rule(BAD_PATTERN, EDGE, CART), [], [`${AT}.matches[0].path.value: "/a(" is not a pattern`]],
]);

table('what is legal, and does less than it says, is a warning', [
  [
    'a filter that waypoints do not have',
    rule(filter('ExtensionRef', 'extensionRef', { group: 'a', kind: 'B', name: 'c' })),
    [],
    [`${AT}.filters[0]: ExtensionRef: is not supported on a rule: requests of this rule are answered with 500`],
  ],
  ['host names', route({ hostnames: ['a.b'], rules: [{ backendRefs: TO }] }), [], ['spec.hostnames: mean nothing']],
  ['server names of TLS', route({ hostnames: ['a.b'], rules: [{ backendRefs: TO }] }, 'TLSRoute'), []],
  [
    'more retries than are made',
    rule({ retry: { attempts: 101 } }),
    [],
    [`${AT}.retry.attempts: 101: no request is tried again more than 100 times`],
  ],
  ['as many retries as are made', rule({ retry: { attempts: 100 } }), []],
  ['no weight at all', rule({ backendRefs: [{ ...TO[0], weight: 0 }] }), [], [`${AT}.backendRefs: all weights are 0`]],
  [
    'a backend of another kind',
    rule({ backendRefs: [{ group: 'a.io', kind: 'Bucket', name: 'b' }] }),
    [],
    [`${AT}.backendRefs[0]: a Bucket can not be a backend`],
  ],
]);

const GATE = { 'istio.io/use-waypoint': 'gate' };
const ports = { ports: [{ port: 80 }] };
const MESH = [
  namespace('shop', { labels: GATE }),
  namespace('bare'),
  namespace('lost', { labels: { 'istio.io/use-waypoint': 'gone' } }),
  gateway('shop/gate'),
  kubeService('shop/cart', ports),
  kubeService('bare/cart', ports),
  kubeService('bare/open', ports),
  kubeService('lost/cart', ports),
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'ReferenceGrant',
    metadata: { name: 'g', namespace: 'bare' },
    spec: {
      from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' }],
      to: [{ group: '', kind: 'Service', name: 'open' }],
    },
  },
];
const to = (ref: object) => rule({ backendRefs: [{ port: 80, ...ref }] });
const parent = (parent: object) => rule({}, { ...CART, ...parent });

table(
  'a route that leads nowhere, or that nothing follows, is warned about',
  [
    ['nothing is amiss', rule({}), []],
    ['a backend that is not there', to({ name: 'x' }), [], [`${AT}.backendRefs[0]: Service shop/x does not exist`]],
    [
      'a port that it has not',
      to({ name: 'cart', port: 81 }),
      [],
      [`${AT}.backendRefs[0]: Service shop/cart has no port 81`],
    ],
    ['a backend without a port', rule({ backendRefs: [{ name: 'cart' }] }), [], ['is named without a port']],
    ['a backend elsewhere, with a grant', to({ name: 'open', namespace: 'bare' }), []],
    [
      'a backend elsewhere, without one',
      to({ name: 'cart', namespace: 'bare' }),
      [],
      [`${AT}.backendRefs[0]: no ReferenceGrant lets HTTPRoutes of shop name Service bare/cart`],
    ],
    [
      'a mirror that is not there',
      rule(filter('RequestMirror', 'requestMirror', { backendRef: { name: 'x', port: 80 } })),
      [],
      [`${AT}.filters[0].requestMirror.backendRef: Service shop/x does not exist`],
    ],
    ['a parent that is not there', parent({ name: 'x' }), [], ['spec.parentRefs[0]: Service shop/x does not exist']],
    [
      'a port of the parent that it has not',
      parent({ port: 81 }),
      [],
      ['spec.parentRefs[0].port: Service shop/cart has no port 81'],
    ],
    ['a parent without a waypoint', parent({ namespace: 'bare' }), [], ['Service bare/cart has no waypoint']],
    ['a parent whose waypoint is not there', parent({ namespace: 'lost' }), [], ['Gateway lost/gone, does not exist']],
  ],
  among(...MESH),
);
