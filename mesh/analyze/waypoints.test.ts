import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../kube-object.ts';
import { ambient, cases, found, inShort, object, pod, policy, service } from './test-support.ts';

const GROUP = 'gateway.networking.k8s.io';
const USES = { 'istio.io/use-waypoint': 'gate' };
const USE = 'metadata.labels["istio.io/use-waypoint"]';
const FOR = 'metadata.labels["istio.io/waypoint-for"]';

type GateOptions = {
  readonly serves?: string;
  readonly from?: string;
  readonly isReady?: boolean;
  readonly className?: string;
  readonly annotations?: Readonly<Record<string, string>>;
};
const gate = (path = 'shop/gate', o: GateOptions = {}): KubeObject => ({
  ...object(
    `${GROUP}/v1`,
    'Gateway',
    path,
    {
      gatewayClassName: o.className ?? 'istio-waypoint',
      listeners: [
        { name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes: { namespaces: { from: o.from ?? 'Same' } } },
      ],
    },
    { labels: o.serves === undefined ? {} : { 'istio.io/waypoint-for': o.serves }, annotations: o.annotations ?? {} },
  ),
  ...(o.isReady !== false && { status: { addresses: [{ type: 'IPAddress', value: '10.96.9.9' }] } }),
});
const SHOP = ambient('shop', USES);
const port = (number: number, name: string) => ({ port: number, name });
const cart = (...ports: readonly object[]) =>
  service('shop/cart', { selector: { app: 'cart' }, ports: ports.length > 0 ? ports : [port(80, 'http')] });
const elsewhere = service(
  'office/s',
  { ports: [port(80, 'http')] },
  { labels: { ...USES, 'istio.io/use-waypoint-namespace': 'shop' } },
);

const BINDINGS = cases(
  ['AMB0701', 'AMB0702', 'AMB0703', 'AMB0704', 'AMB0710', 'IST0171'],
  [
    ['a waypoint that serves who asks for it', [SHOP, cart(), gate()], []],
    [
      'a waypoint without an address',
      [SHOP, cart(), gate('shop/gate', { isReady: false })],
      ['AMB0701 Gateway shop/gate status.addresses'],
    ],
    [
      'a waypoint of a class that does not exist',
      [SHOP, cart(), gate('shop/gate', { className: 'istio-waypont', isReady: false })],
      ['AMB0701 Gateway shop/gate spec.gatewayClassName'],
    ],
    ['a waypoint that nobody asks for', [ambient('shop'), cart(), gate()], ['AMB0704 Gateway shop/gate']],
    ['a gateway of another class that nobody asks for', [gate('shop/front', { className: 'istio' })], []],
    [
      'a waypoint of a class of its own',
      [
        gate('shop/front', { className: 'mine' }),
        {
          apiVersion: `${GROUP}/v1`,
          kind: 'GatewayClass',
          metadata: { name: 'mine' },
          spec: { controllerName: 'istio.io/mesh-controller' },
        },
      ],
      ['AMB0704 Gateway shop/front'],
    ],
    ['a waypoint that admits another namespace', [elsewhere, gate('shop/gate', { from: 'All' })], []],
    ['a waypoint that does not', [elsewhere, gate()], [`AMB0702 Service office/s ${USE}`]],
    [
      'a waypoint for workloads, asked for by a namespace with services',
      [SHOP, cart(), gate('shop/gate', { serves: 'workload' })],
      [`AMB0703 Namespace shop ${USE}`],
    ],
    [
      'a pod that asks for a waypoint for services',
      [ambient('shop'), pod('shop/cart', { labels: USES }), gate()],
      [`AMB0703 Pod shop/cart ${USE}`],
    ],
    ['a pod that merely inherits it', [SHOP, pod('shop/cart'), gate()], []],
    [
      'a waypoint for nothing',
      [SHOP, cart(), gate('shop/gate', { serves: 'none' })],
      [`AMB0703 Namespace shop ${USE}`, `AMB0710 Gateway shop/gate ${FOR}`],
    ],
    [
      'the condition says the same as the objects',
      [
        {
          ...elsewhere,
          status: {
            conditions: [{ type: 'istio.io/WaypointBound', status: 'False', reason: 'AttachmentDenied', message: 'x' }],
          },
        },
        gate(),
      ],
      [`AMB0702 Service office/s ${USE}`],
    ],
  ],
);

const targeting = (name: string, spec: object = {}, kind = 'Service') =>
  policy('shop/p', { targetRefs: [{ kind, name, ...(kind === 'Gateway' && { group: GROUP }) }], ...spec });
const PATHS = { to: [{ operation: { paths: ['/admin'] } }] };
const jwt = (name = 'cart', kind = 'Service') =>
  object('security.istio.io/v1', 'RequestAuthentication', 'shop/jwt', {
    targetRefs: [{ kind, name, ...(kind === 'Gateway' && { group: GROUP }) }],
    jwtRules: [{ issuer: 'https://issuer.example' }],
  });
const ASKS = { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] };
const TCP_RULE = 'AMB0707 AuthorizationPolicy shop/p spec.rules[0]';
const OPEN = 'AMB0709 RequestAuthentication shop/jwt spec.targetRefs[0]';
const route = (kind: string) =>
  object(`${GROUP}/v1`, kind, 'shop/r', { parentRefs: [{ group: '', kind: 'Service', name: 'cart' }], rules: [] });

const POLICIES = cases(
  ['AMB0705', 'AMB0707', 'AMB0708', 'AMB0709', 'IST0118'],
  [
    ['a policy about a service with a waypoint', [SHOP, cart(), gate(), targeting('cart', { rules: [PATHS] })], []],
    [
      'a policy about a service whose waypoint does not serve it',
      [SHOP, cart(), gate('shop/gate', { serves: 'workload' }), targeting('cart', { rules: [PATHS] })],
      ['AMB0705 AuthorizationPolicy shop/p spec.targetRefs[0]'],
    ],
    ['a policy about a waypoint', [SHOP, cart(), gate(), targeting('gate', { rules: [PATHS] }, 'Gateway')], []],
    [
      'a policy about a gateway that is none',
      [gate('shop/front', { className: 'istio' }), targeting('front', { rules: [PATHS] }, 'Gateway')],
      ['AMB0705 AuthorizationPolicy shop/p spec.targetRefs[0]'],
    ],

    [
      'HTTP on a TCP port',
      [SHOP, cart(port(80, 'http'), port(9, 'tcp-x')), gate(), targeting('cart', { rules: [PATHS] })],
      [TCP_RULE],
    ],
    [
      'HTTP on a TLS port',
      [SHOP, cart(port(443, 'https')), gate(), targeting('cart', { action: 'DENY', rules: [PATHS] })],
      [TCP_RULE],
    ],
    [
      'HTTP where the rule names the port',
      [
        SHOP,
        cart(port(80, 'http'), port(9, 'tcp-x')),
        gate(),
        targeting('cart', { rules: [{ to: [{ operation: { paths: ['/admin'], ports: ['80'] } }] }] }),
      ],
      [],
    ],
    [
      'L4 on a TCP port',
      [SHOP, cart(port(9, 'tcp-x')), gate(), targeting('cart', { rules: [{ to: [{ operation: { ports: ['9'] } }] }] })],
      [],
    ],
    [
      'HTTP on a TCP port without a waypoint',
      [ambient('shop'), cart(port(9, 'tcp-x')), targeting('cart', { rules: [PATHS] })],
      [],
    ],

    [
      'a port that names no protocol',
      [SHOP, cart(port(80, 'web')), gate()],
      ['IST0118 Service shop/cart spec.ports[0].name'],
    ],
    [
      'such a port with a policy about HTTP',
      [SHOP, cart(port(80, 'web')), gate(), targeting('cart', { rules: [PATHS] })],
      ['AMB0708 Service shop/cart spec.ports[0].name'],
    ],
    [
      'such a port with a policy about L4',
      [SHOP, cart(port(80, 'web')), gate(), targeting('cart', { rules: [{}] })],
      ['IST0118 Service shop/cart spec.ports[0].name'],
    ],
    [
      'such a port with a route',
      [SHOP, cart(port(80, 'web')), gate(), route('HTTPRoute')],
      ['AMB0708 Service shop/cart spec.ports[0].name'],
    ],
    [
      'such a port with a TCP route',
      [SHOP, cart(port(80, 'web')), gate(), route('TCPRoute')],
      ['IST0118 Service shop/cart spec.ports[0].name'],
    ],

    ['tokens that nobody asks for', [SHOP, cart(), gate(), jwt()], [OPEN]],
    ['tokens that a policy asks for', [SHOP, cart(), gate(), jwt(), targeting('cart', ASKS)], []],
    [
      'tokens that a policy about the waypoint asks for',
      [SHOP, cart(), gate(), jwt(), targeting('gate', ASKS, 'Gateway')],
      [],
    ],
    [
      'tokens that a policy about every waypoint asks for',
      [
        SHOP,
        cart(),
        gate(),
        jwt(),
        policy('istio-system/p', {
          targetRefs: [{ kind: 'GatewayClass', group: GROUP, name: 'istio-waypoint' }],
          ...ASKS,
        }),
      ],
      [],
    ],
    [
      'a policy about another service',
      [SHOP, cart(), service('shop/web', { ports: [port(80, 'http')] }), gate(), jwt(), targeting('web', ASKS)],
      [OPEN],
    ],
    [
      'a policy that asks for something else',
      [SHOP, cart(), gate(), jwt(), targeting('cart', { rules: [PATHS] })],
      [OPEN],
    ],
    [
      'a claim is a token, too',
      [
        SHOP,
        cart(),
        gate(),
        jwt(),
        targeting('cart', { rules: [{ when: [{ key: 'request.auth.claims[role]', values: ['admin'] }] }] }),
      ],
      [],
    ],
  ],
);

const CART = pod('shop/cart', { ports: { http: 8080 } });
const only = (...principals: readonly string[]) =>
  policy('shop/p', { selector: { matchLabels: { app: 'cart' } }, rules: [{ from: [{ source: { principals } }] }] });
const WEB = 'cluster.local/ns/shop/sa/web';
const BEHIND = cases(
  ['AMB0706'],
  [
    [
      'callers that are named, behind a waypoint',
      [SHOP, CART, cart(), gate(), only(WEB)],
      ['AMB0706 AuthorizationPolicy shop/p spec.rules'],
    ],
    ['callers and the waypoint', [SHOP, CART, cart(), gate(), only(WEB, 'cluster.local/ns/shop/sa/gate')], []],
    ['callers without a waypoint', [ambient('shop'), CART, cart(), only(WEB)], []],
    [
      'a waypoint with an account of its own',
      [
        SHOP,
        CART,
        cart(),
        gate('shop/gate', { annotations: { 'gateway.istio.io/service-account': 'door' } }),
        only(WEB, 'cluster.local/ns/shop/sa/door'),
      ],
      [],
    ],
    [
      'another policy lets the waypoint in',
      [
        SHOP,
        CART,
        cart(),
        gate(),
        only(WEB),
        policy('shop/q', { rules: [{ from: [{ source: { namespaces: ['shop'] } }] }] }),
      ],
      [],
    ],
    ['nobody at all is let in', [SHOP, CART, cart(), gate(), policy('shop/p', {})], []],
  ],
);

for (const { name, got, want } of [...BINDINGS, ...POLICIES, ...BEHIND])
  test(name, () => assert.deepEqual(got(), want));

test('a policy in another namespace than its target is told to move', () => {
  const [one] = found([
    service('office/s', {}),
    policy('shop/p', { targetRefs: [{ kind: 'Service', name: 's' }] }),
  ]).filter(({ code }) => code === 'IST0101');
  assert(one !== undefined);
  assert.match(`${inShort(one)}: ${one.fix}`, /spec\.targetRefs\[0\]: move the policy to namespace office/);
});

test('a policy with a selector for pods behind a waypoint is told which targets to name instead', () => {
  const selected = policy('shop/p', { selector: { matchLabels: { app: 'cart' } }, rules: [PATHS] });
  const [one] = found([SHOP, CART, cart(), gate(), selected]).filter(({ code }) => code === 'AMB0104');
  assert.match(
    one?.fix ?? '',
    /in place of the selector write targetRefs: \[\{kind: Service, group: "", name: cart\}\]/,
  );
  const [other] = found([ambient('shop'), CART, cart(), selected]).filter(({ code }) => code === 'AMB0104');
  assert.match(other?.fix ?? '', /bind the policy to a waypoint with targetRefs/);
});

test('what the controller makes for a waypoint is no mistake of anybody', () => {
  const managed = { 'gateway.istio.io/managed': 'istio.io-mesh-controller' };
  const made = [
    pod('shop/gate', {
      labels: { ...managed, 'istio.io/dataplane-mode': 'none' },
      annotations: { 'istio.io/rev': 'default' },
      ports: { metrics: 15020 },
    }),
    service('shop/gate', { selector: { app: 'gate' }, ports: [port(15008, 'mesh')] }, { labels: managed }),
  ];
  const about = found([SHOP, cart(), CART, gate(), ...made]).filter(({ object: { name } }) => name === 'gate');
  assert.deepEqual(about.map(inShort), []);
});

test('a policy that its waypoint can not read in full is told of, and once', () => {
  const odd = targeting('cart', { action: 'DENY', rules: [{ when: [{ key: 'request.nothing', values: ['x'] }] }] });
  const about = found([SHOP, cart(), gate(), odd]).filter(
    ({ object: { name }, code }) => name === 'p' && code === 'AMB0108',
  );
  assert.equal(about.length, 1, JSON.stringify(about));
});
