import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionIn, deriverOf } from '../derive/test-derive.ts';
import { gateway, kubeService, namespace } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import type { BackendPolicy } from './model.ts';

const USE = { 'istio.io/use-waypoint': 'w', 'istio.io/use-waypoint-namespace': 'edge' };
const CART = 'cart.shop.svc.cluster.local';

function rule(path: string, spec: object, created = 1): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  const creationTimestamp = `2026-01-01T00:00:0${created}Z`;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { namespace, name, creationTimestamp },
    spec,
  };
}

const all = { namespaces: { from: 'All' } };
const MESH = [
  namespace('shop'),
  namespace('edge'),
  gateway('edge/w', { listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE', allowedRoutes: all }] }),
  kubeService('shop/cart', { ports: [{ name: 'http', port: 80 }] }, { labels: USE }),
];

function told(...rules: readonly KubeObject[]): readonly BackendPolicy[] {
  const deriver = deriverOf([...MESH, ...rules]);
  return deriver.waypoints.get(`edge/w/service/shop/${CART}`)?.service?.backends ?? [];
}

/** A rule that can be told from others by a number. */
const marked = (host: string, n: number, more: object = {}) => ({
  host,
  trafficPolicy: { connectionPool: { http: { http2MaxRequests: n } } },
  ...more,
});

test('which rule counts for a service', async (t) => {
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], number | undefined]>> = {
    'one by its full name': [[rule('shop/a', marked(CART, 1))], 1],
    'one by a short name of its namespace': [[rule('shop/a', marked('cart', 1))], 1],
    'a short name of another namespace is another service': [[rule('edge/a', marked('cart', 1))], undefined],
    "the waypoint's namespace before the service's": [
      [rule('edge/a', marked(CART, 1)), rule('shop/a', marked('cart', 2))],
      1,
    ],
    "the service's before the root's": [
      [rule('istio-system/a', marked(CART, 1)), rule('shop/a', marked('cart', 2))],
      2,
    ],
    "the root's, if there is no other": [[rule('istio-system/a', marked('*.svc.cluster.local', 1))], 1],
    'a namespace that is neither': [[rule('other/a', marked(CART, 1))], undefined],
    'the exact host before a wildcard': [
      [rule('shop/a', marked('*.shop.svc.cluster.local', 1)), rule('shop/b', marked(CART, 2))],
      2,
    ],
    'the longer wildcard before the shorter': [
      [rule('shop/a', marked('*.local', 1)), rule('shop/b', marked('*.cluster.local', 2))],
      2,
    ],
    'the older of two': [[rule('shop/a', marked(CART, 1), 2), rule('shop/b', marked(CART, 2), 1)], 2],
    'one that is for its own namespace only': [[rule('shop/a', marked(CART, 1, { exportTo: ['.'] }))], undefined],
    "one that is for the waypoint's": [[rule('shop/a', marked(CART, 1, { exportTo: ['edge'] }))], 1],
    'one for the sidecars of some pods': [
      [rule('shop/a', marked(CART, 1, { workloadSelector: { matchLabels: { a: 'b' } } }))],
      undefined,
    ],
  };
  for (const [name, [rules, expected]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(told(...rules)[0]?.limits.maxRequests, expected));
  }
});

test('what a rule says becomes a policy, with the defaults of the reference', () => {
  const [policy] = told(
    rule('shop/a', {
      host: 'cart',
      trafficPolicy: {
        loadBalancer: { simple: 'ROUND_ROBIN', warmup: { duration: '30s' } },
        connectionPool: {
          tcp: { maxConnections: 10, connectTimeout: '2s' },
          http: { http1MaxPendingRequests: 5 },
        },
        outlierDetection: { consecutiveGatewayErrors: 2 },
      },
    }),
  );
  assert.deepEqual(policy, {
    service: `shop/${CART}`,
    port: 0,
    balancing: 'ROUND_ROBIN',
    refusal: '',
    limits: {
      maxConnections: 10,
      maxPending: 5,
      maxRequests: 0,
      maxRequestsPerConnection: 0,
      connectTimeoutMs: 2_000,
      idleTimeoutMs: 0,
    },
    outliers: {
      consecutive5xx: 5,
      consecutiveGateway: 2,
      consecutiveLocal: 5,
      baseEjectionMs: 30_000,
      maxEjectionPercent: 10,
      minHealthPercent: 0,
    },
    slowStart: { windowMs: 30_000, minPercent: 10, aggression: 1 },
  });
});

test('settings of a port stand alone', () => {
  const policies = told(
    rule('shop/a', {
      host: 'cart',
      trafficPolicy: {
        loadBalancer: { simple: 'RANDOM' },
        portLevelSettings: [{ port: { number: 80 }, connectionPool: { http: { http2MaxRequests: 4 } } }],
      },
    }),
  );
  assert.deepEqual(
    policies.map(({ port, balancing, limits }) => [port, balancing, limits.maxRequests]),
    [
      [0, 'RANDOM', 0],
      [80, 'LEAST_REQUEST', 4],
    ],
  );
});

test('what has no effect here is said on the rule', () => {
  const hashed = rule('shop/a', {
    host: 'cart',
    trafficPolicy: { loadBalancer: { consistentHash: {}, backendUtilization: {} } },
  });
  const said = conditionIn(deriverOf(MESH).apply(hashed), 'ambit.io/Accepted');
  assert.match(
    said ?? '',
    /^True PartiallyUnsupported: without effect: .*loadBalancer.backendUtilization.*loadBalancer.consistentHash: says nothing/,
  );
});

test('of two rules for one host the younger says that it has no effect, while there is an older one', () => {
  const deriver = deriverOf(MESH);
  const [old, young] = [rule('shop/z', marked(CART, 1)), rule('shop/a', marked('cart', 2), 2)];
  const alone = deriver.apply(young);
  assert.equal(conditionIn(alone, 'ambit.io/Accepted'), undefined);
  const joined = deriver.apply(old);
  assert.equal(
    conditionIn(joined, 'ambit.io/Accepted'),
    'False Conflicted: nothing of it has an effect: DestinationRule shop/z is for the same host, and older',
  );
  const left = deriver.remove(old).conditions.filter(({ type }) => type === 'ambit.io/Accepted');
  assert.deepEqual(
    left.map(({ object, status }) => [object.name, status]),
    [['a', undefined]],
  );
});

test('a rule about sidecars says that no waypoint follows it', () => {
  const about = rule('shop/a', { ...marked(CART, 1), workloadSelector: { matchLabels: { a: 'b' } } });
  assert.match(conditionIn(deriverOf(MESH).apply(about), 'ambit.io/Accepted') ?? '', /^False Unsupported: .*sidecars/);
});

test('what is made again says again what became of it', () => {
  const deriver = deriverOf(MESH);
  const unheard = rule('shop/a', { host: 'cart', trafficPolicy: { tunnel: {} } });
  const first = conditionIn(deriver.apply(unheard), 'ambit.io/Accepted');
  assert.match(first ?? '', /^True PartiallyUnsupported/);
  deriver.remove(unheard);
  assert.equal(conditionIn(deriver.apply(unheard), 'ambit.io/Accepted'), first);
});

test('a rule that comes and goes is told to the waypoint each time', () => {
  const deriver = deriverOf(MESH);
  const one = rule('shop/a', marked(CART, 1));
  assert.equal(deriver.apply(one).waypoints.upserted[0]?.service?.backends.length, 1);
  assert.equal(deriver.remove(one).waypoints.upserted[0]?.service?.backends.length, 0);
});
