import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, object, pod, policy, service, serviceEntry } from './test-support.ts';

const CART = pod('shop/cart', { ports: { http: 8080 } });
const select = (ports: readonly object[], app = 'cart') => service('shop/s', { selector: { app }, ports });
const TARGET = 'AMB0501 Service shop/s spec.ports[0].targetPort';
const http = (number: number, protocol = 'HTTP') => ({ number, name: `p${number}`, protocol });
const entry = (name: string, spec: object) =>
  serviceEntry(`shop/${name}`, { resolution: 'STATIC', ports: [http(80)], ...spec });
const gateway = object('gateway.networking.k8s.io/v1', 'Gateway', 'shop/gate', {});
const USES = { labels: { 'istio.io/use-waypoint': 'gate' } };
const target = (kind: string, name: string, group?: string) =>
  policy('shop/p', { targetRefs: [{ kind, name, ...(group && { group }) }] });

const rule = (name: string, host: string, exportTo?: readonly string[]) =>
  object('networking.istio.io/v1', 'DestinationRule', `shop/${name}`, {
    host,
    trafficPolicy: { outlierDetection: {} },
    ...(exportTo && { exportTo }),
  });
const BEHIND = [
  CART,
  {
    ...object('gateway.networking.k8s.io/v1', 'Gateway', 'shop/gate', {
      gatewayClassName: 'istio-waypoint',
      listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
    }),
    status: { addresses: [{ type: 'Hostname', value: 'gate.shop.svc.cluster.local' }] },
  },
  service('shop/s', { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] }, USES),
];
/** Without a waypoint of its own. */
const KEYS = [
  service('shop/keys', { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] }),
  object('security.istio.io/v1', 'RequestAuthentication', 'shop/r', {
    targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gate' }],
    jwtRules: [{ issuer: 'me', jwksUri: 'http://keys/jwks' }],
  }),
];

const CASES = cases(
  [
    'AMB0501',
    'AMB0502',
    'AMB0503',
    'AMB0504',
    'AMB0505',
    'AMB0506',
    'IST0101',
    'IST0118',
    'IST0134',
    'IST0150',
    'IST0177',
  ],
  [
    ['a service of pods, by the name of their port', [CART, select([{ port: 80, targetPort: 'http' }])], []],
    ['a name that no pod gives its port', [CART, select([{ port: 80, targetPort: 'htpp' }])], [TARGET]],
    ['a number that pods declare', [CART, select([{ port: 80, targetPort: 8080 }])], []],
    [
      'a number, where pods declare others',
      [CART, select([{ port: 80, targetPort: 9090 }])],
      [TARGET.replace('AMB0501', 'AMB0504')],
    ],
    [
      'a number, where pods declare nothing',
      [pod('shop/bare', { spec: { containers: [{}] } }), select([{ port: 80 }], 'bare')],
      [],
    ],
    ['UDP is not carried by the mesh', [CART, select([{ port: 53, targetPort: 'dns', protocol: 'UDP' }])], []],
    ['a service that selects nothing', [CART, select([], 'card')], ['AMB0502 Service shop/s spec.selector']],
    ['a service whose endpoints others write', [service('shop/s', { ports: [{ port: 80 }] })], []],

    ['a rule for a host that nobody has', [CART, rule('a', 'card')], ['AMB0506 DestinationRule shop/a spec.host']],
    [
      'a rule for a service without a waypoint',
      [CART, select([{ port: 80, targetPort: 'http' }]), rule('a', 's')],
      ['AMB0506 DestinationRule shop/a spec.host'],
    ],
    ['a rule for a service with one', [...BEHIND, rule('a', 's')], []],
    ['a rule for whom a gateway asks for keys', [...BEHIND, ...KEYS, rule('a', 'keys')], []],
    ['a rule for all of a domain', [...BEHIND, rule('a', '*.svc.cluster.local')], []],
    [
      'two rules for one host, by its short name and its full one',
      [...BEHIND, rule('a', 's'), rule('b', 's.shop.svc.cluster.local')],
      ['AMB0505 DestinationRule shop/b spec.host'],
    ],
    ['two rules for different namespaces', [...BEHIND, rule('a', 's', ['office']), rule('b', 's', ['shop'])], []],

    ['a host of one entry', [entry('a', { hosts: ['api.example'] }), entry('b', { hosts: ['web.example'] })], []],
    [
      'a host of two entries',
      [entry('a', { hosts: ['api.example'] }), entry('b', { hosts: ['api.example'] })],
      ['AMB0503 ServiceEntry shop/b spec.hosts'],
    ],
    [
      'of which one is seen by nobody',
      [entry('a', { hosts: ['api.example'] }), entry('b', { hosts: ['api.example'], exportTo: ['~'] })],
      [],
    ],
    [
      'each seen in a namespace of its own',
      [
        entry('a', { hosts: ['api.example'], exportTo: ['.'] }),
        serviceEntry('office/b', { hosts: ['api.example'], exportTo: ['.'], ports: [http(80)] }),
      ],
      [],
    ],
    [
      'one port with two protocols',
      [entry('a', { hosts: ['api.example'] }), entry('b', { hosts: ['api.example'], ports: [http(80, 'TLS')] })],
      ['AMB0503 ServiceEntry shop/b spec.hosts', 'IST0177 ServiceEntry shop/b spec.ports'],
    ],
    [
      'the name of a service',
      [CART, select([{ port: 80, targetPort: 'http' }]), entry('a', { hosts: ['s.shop.svc.cluster.local'] })],
      ['AMB0503 ServiceEntry shop/a spec.hosts'],
    ],
    [
      'addresses that overlap',
      [
        entry('a', { hosts: ['a.example'], addresses: ['240.0.0.0/24'] }),
        entry('b', { hosts: ['b.example'], addresses: ['240.0.0.7'] }),
      ],
      ['AMB0503 ServiceEntry shop/b spec.addresses'],
    ],
    [
      'addresses that overlap, on different ports',
      [
        entry('a', { hosts: ['a.example'], addresses: ['240.0.0.0/24'] }),
        entry('b', { hosts: ['b.example'], addresses: ['240.0.0.7'], ports: [http(443)] }),
      ],
      [],
    ],
    ['plain TCP that gets an address', [entry('a', { hosts: ['db.example'], ports: [http(5432, 'TCP')] })], []],
    [
      'plain TCP that gets none',
      [entry('a', { hosts: ['db.example'], ports: [http(5432, 'TCP')], resolution: 'NONE' })],
      ['IST0134 ServiceEntry shop/a spec.addresses'],
    ],
    ['HTTP that gets none', [entry('a', { hosts: ['api.example'], resolution: 'NONE' })], []],

    ['a waypoint that exists', [ambient('shop', { 'istio.io/use-waypoint': 'gate' }), gateway], []],
    [
      'a waypoint that does not',
      [ambient('shop', { 'istio.io/use-waypoint': 'gaet' }), gateway],
      ['IST0101 Namespace shop metadata.labels["istio.io/use-waypoint"]'],
    ],
    ['no waypoint by choice', [ambient('shop', { 'istio.io/use-waypoint': 'none' })], []],
    [
      'a waypoint of another namespace',
      [
        service(
          'office/s',
          {},
          { labels: { 'istio.io/use-waypoint': 'gate', 'istio.io/use-waypoint-namespace': 'shop' } },
        ),
        gateway,
      ],
      [],
    ],
    [
      'a waypoint that is in another namespace',
      [service('office/s', {}, USES), gateway],
      ['IST0101 Service office/s metadata.labels["istio.io/use-waypoint"]'],
    ],
    ['a waypoint of a pod', [pod('shop/x', USES)], ['IST0101 Pod shop/x metadata.labels["istio.io/use-waypoint"]']],
    ['a target that exists', [service('shop/s', {}), target('Service', 's')], []],
    ['a target that does not', [target('Service', 's')], ['IST0101 AuthorizationPolicy shop/p spec.targetRefs[0]']],
    ['a gateway as target', [gateway, target('Gateway', 'gate', 'gateway.networking.k8s.io')], []],

    [
      'port names before a waypoint',
      [service('shop/s', { ports: [{ port: 80, name: 'web' }] }, USES), gateway],
      ['IST0118 Service shop/s spec.ports[0].name'],
    ],
    [
      'a name that tells the protocol',
      [service('shop/s', { ports: [{ port: 80, name: 'http-web' }] }, USES), gateway],
      [],
    ],
    [
      'a protocol said otherwise',
      [service('shop/s', { ports: [{ port: 80, name: 'web', appProtocol: 'http' }] }, USES), gateway],
      [],
    ],
    ['port names without a waypoint', [service('shop/s', { ports: [{ port: 80, name: 'web' }] })], []],
    [
      'port names of an external name',
      [service('shop/s', { type: 'ExternalName', externalName: 'x.example', ports: [{ port: 80, name: 'web' }] })],
      ['IST0150 Service shop/s spec.ports[0].name'],
    ],
  ],
);
for (const { name, got, want } of CASES) test(name, () => assert.deepEqual(got(), want));
