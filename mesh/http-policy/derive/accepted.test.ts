import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionIn, deriverOf } from '../../derive/test-derive.ts';
import {
  authorizationPolicy,
  gateway,
  gatewayClass,
  kubeService,
  namespace,
  requestAuthentication,
  serviceEntry,
} from '../../derive/test-objects.ts';
import { DEFAULT_MESH_CONFIG, type KubeObject, type MeshConfig } from '../../kube-object.ts';
import { authorizersOf, extensionProviders } from './authorizers.ts';

const GATEWAY_API = 'gateway.networking.k8s.io';
const USE = { labels: { 'istio.io/use-waypoint': 'w' } };
const ports = [{ name: 'http', port: 80 }];
const mesh: readonly KubeObject[] = [
  namespace('shop'),
  gateway('shop/w'),
  gateway('shop/edge', { className: 'istio', listeners: [{ port: 80, protocol: 'HTTP' }] }),
  gatewayClass('istio-waypoint'),
  kubeService('shop/cart', { ports }, USE),
  kubeService('shop/free', { ports }),
  kubeService('shop/lost', { ports }, { labels: { 'istio.io/use-waypoint': 'gone' } }),
  serviceEntry('shop/out', { hosts: ['api.example'], ports: [{ name: 'http', number: 80 }] }, USE),
];
const service = (name: string) => ({ kind: 'Service', name });
const target = (...targetRefs: readonly object[]) => ({ rules: [{}], targetRefs });

const saidOf = (object: KubeObject) => conditionIn(deriverOf(mesh).apply(object), 'WaypointAccepted');

test('a policy says which waypoints enforce it, and of each target why none does', () => {
  const rows: readonly [string, string, object, string][] = [
    ['a service', 'shop/p', target(service('cart')), 'True Accepted: bound to shop/w'],
    [
      'a ServiceEntry',
      'shop/p',
      target({ group: 'networking.istio.io', kind: 'ServiceEntry', name: 'out' }),
      'True Accepted: bound to shop/w',
    ],
    [
      'a waypoint',
      'shop/p',
      target({ group: GATEWAY_API, kind: 'Gateway', name: 'w' }),
      'True Accepted: bound to shop/w',
    ],
    [
      'all waypoints',
      'istio-system/p',
      target({ group: GATEWAY_API, kind: 'GatewayClass', name: 'istio-waypoint' }),
      'True Accepted: bound to every waypoint',
    ],
    [
      'a service that is not there',
      'shop/p',
      target(service('none')),
      'False TargetNotFound: not enforced: Service.core:shop/none: does not exist',
    ],
    [
      'a service without waypoint',
      'shop/p',
      target(service('free')),
      'False AncestorNotBound: not enforced: Service.core:shop/free: has no waypoint (label istio.io/use-waypoint)',
    ],
    [
      'a service whose waypoint is not there',
      'shop/p',
      target(service('lost')),
      'False AncestorNotBound: not enforced: Service.core:shop/lost: waypoint shop/gone does not exist',
    ],
    [
      'a gateway that is no waypoint',
      'shop/p',
      target({ group: GATEWAY_API, kind: 'Gateway', name: 'edge' }),
      'False AncestorNotBound: not enforced: Gateway.gateway.networking.k8s.io:shop/edge: a Gateway of class istio is no waypoint',
    ],
    [
      'a service elsewhere',
      'shop/p',
      target({ ...service('cart'), namespace: 'b' }),
      'False Invalid: not enforced: spec.targetRefs[0]: a target is always in the namespace of the policy',
    ],
    [
      'some of its targets',
      'shop/p',
      target(service('cart'), service('none')),
      'True PartiallyInvalid: bound to shop/w; not bound: Service.core:shop/none: does not exist',
    ],
    [
      'a rule that can not be read',
      'shop/p',
      { ...target(service('cart')), rules: [{}, { to: [{ operation: { path: ['/'] } }] }] },
      'True PartiallyInvalid: bound to shop/w; rules[1] is left out, so less is allowed than written (not readable: spec.rules[1].to[0].operation.path: unknown field)',
    ],
    [
      'a policy that can not be read',
      'shop/p',
      { ...target(service('cart')), action: 'REFUSE' },
      'False Invalid: spec.action: "REFUSE" is no action; until it is corrected, it denies everything there',
    ],
  ];
  for (const [name, path, spec, expected] of rows) {
    assert.equal(saidOf(authorizationPolicy(path, { ...spec })), expected, name);
  }
});

test('a policy whose authorizer is not configured says that it denies, until it is', () => {
  const custom = { ...target(service('cart')), action: 'CUSTOM', provider: { name: 'opa' } };
  const opa = { name: 'opa', envoyExtAuthzHttp: { service: 'opa.shop.svc.cluster.local', port: 80 } };
  const authorizers = authorizersOf(extensionProviders.parse([opa]), 'cluster.local');
  const deriver = deriverOf(mesh);
  const said = (delta: ReturnType<typeof deriver.apply>) => conditionIn(delta, 'WaypointAccepted');
  assert.equal(
    said(deriver.apply(authorizationPolicy('shop/p', custom))),
    'True PartiallyInvalid: bound to shop/w; extensionProviders of the mesh configuration have no authorizer opa: what matches is denied',
  );
  assert.equal(said(deriver.reconfigure({ ...DEFAULT_MESH_CONFIG, authorizers })), 'True Accepted: bound to shop/w');
});

test('so does a RequestAuthentication, which without a target nobody obeys', () => {
  const jwtRules = [{ issuer: 'https://i' }];
  const rows: readonly [string, object, string][] = [
    ['a service', { targetRefs: [service('cart')], jwtRules }, 'True Accepted: bound to shop/w'],
    [
      'a rule that can not be read',
      { targetRefs: [service('cart')], jwtRules: [{ issuer: 'me' }] },
      'True PartiallyInvalid: bound to shop/w; not readable, so that such tokens are refused: spec.jwtRules[0].issuer: no URL, and there is neither jwks nor jwksUri',
    ],
    [
      'no target',
      { jwtRules },
      'False AncestorNotBound: not enforced: only waypoints see tokens, and none is named by targetRefs',
    ],
  ];
  for (const [name, spec, expected] of rows) {
    assert.equal(saidOf(requestAuthentication('shop/jwt', { ...spec })), expected, name);
  }
});

test('what a policy says follows its targets, their labels and the waypoints', () => {
  const deriver = deriverOf(mesh);
  const said = (object: KubeObject) => conditionIn(deriver.apply(object), 'WaypointAccepted');
  assert.match(said(authorizationPolicy('shop/p', target(service('new')))) ?? '', /TargetNotFound/);
  assert.match(said(kubeService('shop/new', { ports })) ?? '', /AncestorNotBound/);
  assert.match(said(kubeService('shop/new', { ports }, USE)) ?? '', /Accepted: bound to shop\/w/);
  assert.match(said(gateway('shop/w', { addresses: [] })) ?? '', /no address yet/);
  assert.match(said(gateway('shop/w')) ?? '', /Accepted/);
  assert.equal(said(kubeService('shop/new', { ports, clusterIPs: ['10.1.0.9'] }, USE)), undefined, 'nothing new');
  const gone = deriver.remove(kubeService('shop/new', { ports }));
  assert.match(conditionIn(gone, 'WaypointAccepted') ?? '', /TargetNotFound/);
});

test('waypoints are told the policies of their services and their own, and whom these ask', () => {
  const authorizer = (name: string): MeshConfig['authorizers'][number] => ({
    name,
    service: `shop/${name}.shop.svc.cluster.local`,
    port: 9000,
    timeoutMs: 1_000,
    failOpen: false,
    statusOnError: 403,
    grpc: {},
  });
  const policy = (path: string, ref: object, more: object = {}) =>
    authorizationPolicy(path, { targetRefs: [ref], rules: [{}], ...more });
  const ask = (name: string) => ({ action: 'CUSTOM', provider: { name } });
  const deriver = deriverOf(
    [
      ...mesh,
      policy('shop/b', service('cart')),
      policy('shop/a', service('cart'), ask('one')),
      policy('shop/c', service('cart'), ask('unknown')),
      policy('shop/d', service('free')),
      policy('shop/e', { group: GATEWAY_API, kind: 'Gateway', name: 'w' }, ask('two')),
      policy('istio-system/f', { group: GATEWAY_API, kind: 'GatewayClass', name: 'istio-waypoint' }),
      requestAuthentication('shop/jwt', { targetRefs: [service('cart')], jwtRules: [{ issuer: 'https://i' }] }),
    ],
    { authorizers: ['one', 'two', 'three'].map(authorizer), pathNormalization: 'NONE' },
  );
  const names = (list: readonly { readonly name: string }[] = []) => list.map(({ name }) => name).join();
  const cart = deriver.waypoints.get('shop/w/service/shop/cart.shop.svc.cluster.local')?.service;
  const own = deriver.waypoints.get('shop/w')?.gateway;
  assert.deepEqual(
    [names(cart?.policies), names(cart?.authentications), names(cart?.authorizers), cart?.references],
    ['a,b,c', 'jwt', 'one', ['shop/cart.shop.svc.cluster.local', 'shop/one.shop.svc.cluster.local']],
  );
  assert.deepEqual(
    [names(own?.policies), names(own?.authorizers), own?.references, own?.pathNormalization],
    ['f,e', 'two', ['shop/two.shop.svc.cluster.local'], 'NONE'],
  );
  const edge = deriver.waypoints.get('shop/edge')?.gateway;
  assert.equal(names(edge?.policies), '', 'a gateway of another class has not the policies of the class');
  const { waypoints } = deriver.remove(policy('shop/b', service('cart')));
  assert.deepEqual(
    waypoints.upserted.map(({ name }) => name),
    ['shop/w/service/shop/cart.shop.svc.cluster.local'],
  );
});
