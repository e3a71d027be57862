/** Which services nobody gets to around their waypoint, on which ports, and what is said about it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { Authorization } from '../model.ts';
import { conditionIn, deriverOf, workloadAt } from './test-derive.ts';
import {
  authorizationPolicy,
  gateway,
  gatewayClass,
  kubeService,
  namespace,
  pod,
  requestAuthentication,
  serviceEntry,
  slice,
  workloadEntry,
} from './test-objects.ts';

const KEY = 'shop/ambit_require_waypoint_shop_cart';
const USE = { 'istio.io/use-waypoint': 'w' };
const PORT = { name: 'web', port: 80, targetPort: 8080 };
const cart = (spec: object = {}, meta: object = {}) =>
  kubeService('shop/cart', { selector: { app: 'cart' }, ports: [PORT], ...spec }, { labels: USE, ...meta });
const cartPod = pod('shop/cart-1', { ips: ['10.0.0.1'], labels: { app: 'cart' } });
const at = (kind: string, name: string, group = '') => ({ targetRefs: [{ group, kind, name }] });
const GATEWAY_API = 'gateway.networking.k8s.io';
const rule = { rules: [{ to: [{ operation: { methods: ['GET'] } }] }] };
const policy = (target: object = at('Service', 'cart'), path = 'shop/get-only', meta: object = {}) =>
  authorizationPolicy(path, { ...target, ...rule }, meta);

/** `account on ports`, or nothing. */
function inShort(authorization: Authorization | undefined): string | undefined {
  const match = authorization?.rules[0]?.clauses[0]?.matches[0];
  if (match === undefined) return undefined;
  const who = match.notPrincipals.map((p) => (p.kind === 'exact' ? p.value : p.kind)).join(' ');
  return `${who} on ${match.destinationPorts.join(' ')}`;
}

const W = 'cluster.local/ns/shop/sa/w on 8080';
const NAMES = { ...USE, 'istio.io/use-waypoint-namespace': 'infra' };
const FROM_ALL = { listeners: [{ port: 15_008, protocol: 'HBONE', allowedRoutes: { namespaces: { from: 'All' } } }] };

type Row = readonly [string, readonly KubeObject[], string | undefined, string | undefined, Partial<MeshConfig>?];
const rows: readonly Row[] = [
  ['with policy for the service', [gateway('shop/w'), cart(), policy()], W, 'True PolicyAttached'],
  ['with no policy', [gateway('shop/w'), cart()], undefined, undefined],
  ['with policy and no waypoint', [cart({}, { labels: {} }), policy()], undefined, undefined],
  ['with policy of another service', [gateway('shop/w'), cart(), policy(at('Service', 'other'))], undefined, undefined],
  [
    'with policy of that name in another namespace',
    [gateway('shop/w'), cart(), policy(at('Service', 'cart'), 'other/p')],
    undefined,
    undefined,
  ],
  [
    'with policy by selector',
    [gateway('shop/w'), cart(), policy({ selector: { matchLabels: { app: 'cart' } } })],
    undefined,
    undefined,
  ],
  [
    'with policy that is only tried out',
    [gateway('shop/w'), cart(), policy(undefined, undefined, { annotations: { 'istio.io/dry-run': 'true' } })],
    undefined,
    undefined,
  ],
  [
    'with tokens to be checked',
    [gateway('shop/w'), cart(), requestAuthentication('shop/jwt', { ...at('Service', 'cart'), jwtRules: [] })],
    W,
    'True PolicyAttached',
  ],
  [
    'with policy for its waypoint',
    [gateway('shop/w'), cart(), policy(at('Gateway', 'w', GATEWAY_API))],
    W,
    'True PolicyAttached',
  ],
  [
    'with policy for all waypoints, from the root namespace',
    [
      gateway('shop/w'),
      gatewayClass('istio-waypoint'),
      cart(),
      policy(at('GatewayClass', 'istio-waypoint', GATEWAY_API), 'istio-system/p'),
    ],
    W,
    'True PolicyAttached',
  ],
  [
    'with policy for all waypoints, from elsewhere',
    [
      gateway('shop/w'),
      gatewayClass('istio-waypoint'),
      cart(),
      policy(at('GatewayClass', 'istio-waypoint', GATEWAY_API)),
    ],
    undefined,
    undefined,
  ],
  [
    'with policy for all waypoints, where its own is of another class',
    [
      gateway('shop/w', { className: 'other' }),
      cart(),
      policy(at('GatewayClass', 'istio-waypoint', GATEWAY_API), 'istio-system/p'),
    ],
    undefined,
    undefined,
  ],
  ['whose waypoint does not exist', [cart(), policy()], W, 'True WaypointUnavailable'],
  [
    'whose waypoint is not ready',
    [gateway('shop/w', { addresses: [] }), cart(), policy()],
    W,
    'True WaypointUnavailable',
  ],
  [
    'whose waypoint is for workloads',
    [gateway('shop/w', { labels: { 'istio.io/waypoint-for': 'workload' } }), cart(), policy()],
    W,
    'True WaypointUnavailable',
  ],
  [
    'whose waypoint is for workloads, with policy about those',
    [
      gateway('shop/w', { labels: { 'istio.io/waypoint-for': 'workload' } }),
      cart(),
      policy(at('Gateway', 'w', GATEWAY_API)),
    ],
    undefined,
    undefined,
  ],
  [
    'whose waypoint does not admit it',
    [gateway('infra/w'), cart({}, { labels: NAMES }), policy()],
    'cluster.local/ns/infra/sa/w on 8080',
    'True WaypointUnavailable',
  ],
  [
    'whose namespace has the waypoint',
    [gateway('shop/w'), namespace('shop', { labels: USE }), cart({}, { labels: {} }), policy()],
    W,
    'True PolicyAttached',
  ],
  [
    'that wants none',
    [
      gateway('shop/w'),
      namespace('shop', { labels: USE }),
      cart({}, { labels: { 'istio.io/use-waypoint': 'none' } }),
      policy(),
    ],
    undefined,
    undefined,
  ],
  [
    'whose waypoint is in another namespace',
    [gateway('infra/w', FROM_ALL), cart({}, { labels: NAMES }), policy()],
    'cluster.local/ns/infra/sa/w on 8080',
    'True PolicyAttached',
  ],
  [
    'whose waypoint runs as an account of its own',
    [gateway('shop/w', { annotations: { 'gateway.istio.io/service-account': 'me' } }), cart(), policy()],
    'cluster.local/ns/shop/sa/me on 8080',
    'True PolicyAttached',
  ],
  [
    'with a canary beside its waypoint',
    [
      gateway('shop/w'),
      gateway('shop/v'),
      cart(
        {},
        {
          labels: { ...USE, 'istio.io/use-waypoint-canary': 'v' },
          annotations: { 'istio.io/use-waypoint-canary-weight': '5' },
        },
      ),
      policy(),
    ],
    'cluster.local/ns/shop/sa/w cluster.local/ns/shop/sa/v on 8080',
    'True PolicyAttached',
  ],
  [
    'in a mesh that had another trust domain',
    [gateway('shop/w'), cart(), policy()],
    'cluster.local/ns/shop/sa/w old.example/ns/shop/sa/w on 8080',
    'True PolicyAttached',
    { trustDomainAliases: ['old.example'] },
  ],
  [
    'that opts out',
    [gateway('shop/w'), cart({}, { annotations: { 'ambit.io/require-waypoint': 'false' } }), policy()],
    undefined,
    'False OptedOut',
  ],
  [
    'that says something else than no',
    [gateway('shop/w'), cart({}, { annotations: { 'ambit.io/require-waypoint': 'perhaps' } }), policy()],
    W,
    'True PolicyAttached',
  ],
  [
    'whose endpoints call its port differently',
    [
      gateway('shop/w'),
      cart({
        ports: [
          { ...PORT, targetPort: 'web' },
          { port: 81, targetPort: 81 },
          { port: 53, protocol: 'UDP' },
        ],
      }),
      pod('shop/a', { ips: ['10.0.0.2'], labels: { app: 'cart' }, ports: { web: 9090 } }),
      pod('shop/b', { ips: ['10.0.0.3'], labels: { app: 'cart' }, ports: { web: 7070 } }),
      workloadEntry('shop/m', { address: '10.0.0.4', labels: { app: 'cart' }, ports: { web: 6060 } }),
      policy(),
    ],
    'cluster.local/ns/shop/sa/w on 81 6060 7070 9090',
    'True PolicyAttached',
  ],
  [
    'whose port no endpoint has',
    [gateway('shop/w'), cart({ ports: [{ ...PORT, targetPort: 'web' }] }), policy()],
    undefined,
    'False NoPorts',
  ],
];
for (const [name, objects, wanted, said, config = {}] of rows) {
  test(`a service ${name} requires ${wanted === undefined ? 'no waypoint' : `a waypoint: ${wanted}`}`, () => {
    const deriver = deriverOf([...objects.slice(0, -1), cartPod], config);
    const last = objects.at(-1);
    const told = last && conditionIn(deriver.apply(last), 'ambit.io/WaypointRequired');
    assert.equal(inShort(deriver.authorizations.get(KEY)), wanted);
    assert.equal(told?.split(':')[0], said);
    const { authorizationPolicies } = workloadAt(deriver, 'Kubernetes//Pod/shop/cart-1');
    assert.equal(authorizationPolicies.includes(KEY), wanted !== undefined);
  });
}

test('it is an ordinary DENY that workloads name, behind those that people wrote', () => {
  const selecting = { selector: { matchLabels: { app: 'cart' } }, rules: [{}] };
  const deriver = deriverOf([gateway('shop/w'), cart(), cartPod, policy(), authorizationPolicy('shop/z', selecting)]);
  const { rules: _, ...kind } = deriver.authorizations.get(KEY) ?? assert.fail();
  assert.deepEqual(kind, {
    name: 'ambit_require_waypoint_shop_cart',
    namespace: 'shop',
    scope: 'WORKLOAD_SELECTOR',
    action: 'DENY',
    dryRun: false,
  });
  assert.deepEqual(workloadAt(deriver, 'Kubernetes//Pod/shop/cart-1').authorizationPolicies, ['shop/z', KEY]);
});

test('pods that a slice names, and machines, are endpoints too; what is none names nothing', () => {
  const named = slice('shop/s', 'cart', [{ addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', name: 'cart-1' } }]);
  const objects = [gateway('shop/w'), cart({ selector: undefined }), cartPod, named, policy()];
  const deriver = deriverOf([...objects, pod('shop/other', { ips: ['10.0.0.9'] })]);
  assert.deepEqual(workloadAt(deriver, 'Kubernetes//Pod/shop/cart-1').authorizationPolicies, [KEY]);
  assert.deepEqual(workloadAt(deriver, 'Kubernetes//Pod/shop/other').authorizationPolicies, []);
  const machine = workloadEntry('shop/m', { address: '10.0.0.4', labels: { app: 'cart' } });
  const second = deriverOf([gateway('shop/w'), cart(), machine, policy()]);
  const uid = 'Kubernetes/networking.istio.io/WorkloadEntry/shop/m';
  assert.deepEqual(workloadAt(second, uid).authorizationPolicies, [KEY]);
});

test('a ServiceEntry requires its waypoint beside a Service of its name', () => {
  const spec = {
    hosts: ['cart.example.com'],
    resolution: 'STATIC',
    ports: [{ name: 'web', number: 443, targetPort: 8443, protocol: 'HTTP' }],
    endpoints: [{ address: '192.0.2.7' }],
    workloadSelector: undefined,
  };
  const entry = serviceEntry('shop/cart', spec, { labels: { ...USE, 'networking.istio.io/tunnel': 'http' } });
  const target = at('ServiceEntry', 'cart', 'networking.istio.io');
  const deriver = deriverOf([gateway('shop/w'), cart(), cartPod, entry, policy(), policy(target, 'shop/entry')]);
  const entryKey = `${KEY}_serviceentry`;
  assert.equal(inShort(deriver.authorizations.get(entryKey)), 'cluster.local/ns/shop/sa/w on 8443');
  const uid = 'Kubernetes/networking.istio.io/ServiceEntry/shop/cart/192.0.2.7';
  assert.deepEqual(workloadAt(deriver, uid).authorizationPolicies, [entryKey]);
  assert.deepEqual(workloadAt(deriver, 'Kubernetes//Pod/shop/cart-1').authorizationPolicies, [KEY]);
});

test('one change concerns just what hangs on it', () => {
  const deriver = deriverOf([gateway('shop/w'), cart(), cartPod, pod('shop/other', { ips: ['10.0.0.9'] })]);
  const changed = ({ addresses, authorizations }: ReturnType<typeof deriver.apply>) => [
    addresses.upserted.map((a) => (a.kind === 'workload' ? a.workload.name : a.service.name)),
    [...authorizations.upserted.map((a) => `+${a.name}`), ...authorizations.removed.map((key) => `-${key}`)],
  ];
  const made = '+ambit_require_waypoint_shop_cart';
  assert.deepEqual(changed(deriver.apply(policy())), [['cart-1'], [made]]);
  assert.deepEqual(changed(deriver.apply(policy(undefined, 'shop/second'))), [[], []]);
  assert.deepEqual(changed(deriver.remove(policy())), [[], []]);
  const account = gateway('shop/w', { annotations: { 'gateway.istio.io/service-account': 'me' } });
  assert.deepEqual(changed(deriver.apply(account)), [[], [made]]);
  assert.deepEqual(changed(deriver.apply(cart({ ports: [{ ...PORT, targetPort: 9090 }] }))), [
    ['cart-1', 'cart'],
    [made],
  ]);
  assert.deepEqual(changed(deriver.remove(policy(undefined, 'shop/second'))), [['cart-1'], [`-${KEY}`]]);
});

test('what is said names the waypoint, the ports, the policies and the way out', () => {
  const deriver = deriverOf([gateway('shop/w'), cart(), cartPod]);
  assert.equal(
    conditionIn(deriver.apply(policy()), 'ambit.io/WaypointRequired'),
    'True PolicyAttached: only service account shop/w (waypoint shop/w) reaches port 8080 of its endpoints, because of AuthorizationPolicy shop/get-only; annotation ambit.io/require-waypoint: "false" lifts this',
  );
  const gone = deriver.remove(gateway('shop/w'));
  assert.match(
    conditionIn(gone, 'ambit.io/WaypointRequired') ?? '',
    /^True WaypointUnavailable: everybody is denied, since waypoint shop\/w does not exist: only service account shop\/w/,
  );
  assert.equal(
    conditionIn(gone, 'istio.io/WaypointBound'),
    'False WaypointIsNotReady: waypoint shop/w does not exist; its L7 policy requires it, so everybody is denied',
  );
  assert.match(conditionIn(deriver.remove(policy()), 'istio.io/WaypointBound') ?? '', /traffic goes on without it$/);
});
