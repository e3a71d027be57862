import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriverOf } from '../derive/test-derive.ts';
import { gateway, kubeService, namespace } from '../derive/test-objects.ts';
import type { Delta, KubeObject } from '../kube-object.ts';
import { grant, route } from '../route/derive/test-derive-routes.ts';

const CART = 'cart.shop.svc.cluster.local';
const USE = { 'istio.io/use-waypoint': 'w' };
const PEM = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const TWO_PORTS = [
  { name: 'http', port: 80 },
  { name: 'https', port: 443 },
];
const CART_SERVICE = kubeService('shop/cart', { ports: TWO_PORTS }, { labels: USE });
const MESH = [
  namespace('shop'),
  gateway('shop/w', { listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] }),
  CART_SERVICE,
  authorities('shop/ca', PEM),
];

function authorities(path: string, pem: string): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data: { 'ca.crt': pem } };
}

type Policy = {
  readonly created?: number;
  readonly validation?: object;
  readonly targetRefs?: readonly object[];
  readonly annotations?: Readonly<Record<string, string>>;
};

const ca = (name: string, kind = 'ConfigMap') => ({ group: '', kind, name });
const target = (sectionName?: string) => ({
  group: '',
  kind: 'Service',
  name: 'cart',
  ...(sectionName && { sectionName }),
});

function policy(name: string, o: Policy = {}): KubeObject {
  const { created = 1, validation = {}, targetRefs = [target()], annotations = {} } = o;
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'BackendTLSPolicy',
    metadata: { namespace: 'shop', name, creationTimestamp: `2026-01-01T00:00:0${created}Z`, annotations },
    spec: { targetRefs, validation: { hostname: 'cart.example', caCertificateRefs: [ca('ca')], ...validation } },
  };
}

type Ruled = { readonly namespace?: string; readonly host?: string; readonly exportTo?: readonly string[] };

function rule(trafficPolicy: object, { namespace = 'shop', ...more }: Ruled = {}): KubeObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { namespace, name: 'r' },
    spec: { host: 'cart', trafficPolicy, ...more },
  };
}

/** `port: sni`, or what is refused, of all ports that something is said of. */
function told(...objects: readonly KubeObject[]): Readonly<Record<string, string>> {
  const resource = deriverOf([...MESH, ...objects]).waypoints.get(`shop/w/service/shop/${CART}`);
  const backends = resource?.service?.backends ?? [];
  return Object.fromEntries(
    backends.map(({ port, tls, refusal }) => [String(port), refusal === '' ? (tls?.sni ?? 'plain') : 'refused']),
  );
}

const SYSTEM = { caCertificateRefs: [], wellKnownCACertificates: 'System' };

test('which ports TLS is spoken with, and as whom', async (t) => {
  const other = (name: string, more: Policy) => policy(name, { validation: { hostname: `${name}.example` }, ...more });
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], Readonly<Record<string, string>>]>> = {
    'all ports': [[policy('a')], { 80: 'cart.example', 443: 'cart.example' }],
    'one, by its name': [[policy('a', { targetRefs: [target('https')] })], { 443: 'cart.example' }],
    'the section before the whole, whatever its age': [
      [other('all', { created: 1 }), other('one', { created: 2, targetRefs: [target('https')] })],
      { 80: 'all.example', 443: 'one.example' },
    ],
    'the older of two': [
      [other('young', { created: 2 }), other('old', { created: 1 })],
      { 80: 'old.example', 443: 'old.example' },
    ],
    'by name, of the same age': [[other('b', {}), other('a', {})], { 80: 'a.example', 443: 'a.example' }],
    'one that others are to follow': [
      [policy('a', { annotations: { 'istio.io/ignore-policy-attachment': 'true' } })],
      {},
    ],
    'a DestinationRule that says nothing of it': [
      [policy('a'), rule({ loadBalancer: { simple: 'RANDOM' } })],
      { 0: 'plain', 80: 'cart.example', 443: 'cart.example' },
    ],
    'a DestinationRule that says otherwise': [[policy('a'), rule({ tls: { mode: 'SIMPLE', sni: 'r' } })], { 0: 'r' }],
    'a DestinationRule that wants none': [[policy('a'), rule({ tls: { mode: 'DISABLE' } })], { 0: 'plain' }],
    'a DestinationRule for one port': [
      [policy('a'), rule({ portLevelSettings: [{ port: { number: 80 }, tls: { mode: 'DISABLE' } }] })],
      { 0: 'plain', 80: 'plain', 443: 'cart.example' },
    ],
    'the web is trusted': [[policy('a', { validation: SYSTEM })], { 80: 'cart.example', 443: 'cart.example' }],
    'nothing goes out without authorities': [
      [policy('a', { validation: { caCertificateRefs: [ca('nowhere')] } })],
      { 80: 'refused', 443: 'refused' },
    ],
    'nor by a kind that has none': [
      [policy('a', { validation: { caCertificateRefs: [ca('ca', 'Pod')] } })],
      { 80: 'refused', 443: 'refused' },
    ],
    'nor past the older one that can not be had': [
      [policy('a', { validation: { caCertificateRefs: [ca('nowhere')] } }), policy('b', { created: 2 })],
      { 80: 'refused', 443: 'refused' },
    ],
    'some authorities are enough': [
      [policy('a', { validation: { caCertificateRefs: [ca('nowhere'), ca('ca')] } })],
      { 80: 'cart.example', 443: 'cart.example' },
    ],
    'authorities that nobody knows': [
      [policy('a', { validation: { caCertificateRefs: [], wellKnownCACertificates: 'example.com/ours' } })],
      { 80: 'refused', 443: 'refused' },
    ],
  };
  for (const [name, [objects, expected]] of Object.entries(rows)) {
    await t.test(name, () => assert.deepEqual(told(...objects), expected));
  }
});

test('the certificate must have the name that is asked for, or one of the others', () => {
  const names = (validation: object) => {
    const deriver = deriverOf([...MESH, policy('a', { validation })]);
    return deriver.waypoints.get(`shop/w/service/shop/${CART}`)?.service?.backends[0]?.tls?.names;
  };
  assert.deepEqual(names({}), ['cart.example']);
  const alternatives = [
    { type: 'Hostname', hostname: '*.example' },
    { type: 'URI', uri: 'spiffe://a/b' },
  ];
  assert.deepEqual(names({ subjectAltNames: alternatives }), ['*.example', 'spiffe://a/b']);
});

/** `Accepted ResolvedRefs` of the first target, for the policy of that name. */
function saidIn({ routes }: Delta, name = 'a'): string | undefined {
  const status = routes.find(({ object }) => object.kind === 'BackendTLSPolicy' && object.metadata.name === name);
  return status?.parents[0]?.conditions.map((one) => `${one.status}/${one.reason}`).join(' ');
}

/** `status/reason: message` of what policy `a` says of itself at its first target; '' where it says nothing new. */
function wordsIn({ routes }: Delta): string {
  const status = routes.findLast(({ object }) => object.kind === 'BackendTLSPolicy' && object.metadata.name === 'a');
  const accepted = status?.parents[0]?.conditions[0];
  return accepted === undefined ? '' : `${accepted.status}/${accepted.reason}: ${accepted.message}`;
}

test('each policy says what became of it, at each of its targets', async (t) => {
  const FINE = 'True/Accepted True/ResolvedRefs';
  const rows: Readonly<Record<string, readonly [KubeObject, string, ...KubeObject[]]>> = {
    'all is well': [policy('a'), FINE],
    'no such service': [
      policy('a', { targetRefs: [{ group: '', kind: 'Service', name: 'x' }] }),
      'False/TargetNotFound True/ResolvedRefs',
    ],
    'no such port': [policy('a', { targetRefs: [target('x')] }), 'False/TargetNotFound True/ResolvedRefs'],
    'another is older': [policy('a', { created: 2 }), 'False/Conflicted True/ResolvedRefs', policy('b')],
    'another is younger': [policy('a'), FINE, policy('b', { created: 2 })],
    'no authorities': [
      policy('a', { validation: { caCertificateRefs: [ca('nowhere')] } }),
      'False/NoValidCACertificate False/InvalidCACertificateRef',
    ],
    'authorities without PEM': [
      policy('a', { validation: { caCertificateRefs: [ca('empty')] } }),
      'False/NoValidCACertificate False/InvalidCACertificateRef',
      authorities('shop/empty', ''),
    ],
    'a kind that has none': [
      policy('a', { validation: { caCertificateRefs: [ca('ca', 'Pod')] } }),
      'False/NoValidCACertificate False/InvalidKind',
    ],
    'some authorities': [
      policy('a', { validation: { caCertificateRefs: [ca('nowhere'), ca('ca')] } }),
      'True/Accepted False/InvalidCACertificateRef',
    ],
    'nobody knows whom to trust': [
      policy('a', { validation: { caCertificateRefs: [], wellKnownCACertificates: 'x/y' } }),
      'False/Invalid True/ResolvedRefs',
    ],
    'others are to follow it': [
      policy('a', { annotations: { 'istio.io/ignore-policy-attachment': 'true' } }),
      'False/IgnoredByIstio',
    ],
  };
  for (const [name, [object, expected, ...more]] of Object.entries(rows)) {
    await t.test(name, () => {
      const deriver = deriverOf([...MESH, ...more]);
      assert.equal(saidIn(deriver.apply(object)), expected);
    });
  }
});

const SECOND = [
  namespace('edge'),
  gateway('edge/e', { listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] }),
  kubeService('edge/front', { ports: [{ name: 'http', port: 80 }] }, { labels: { 'istio.io/use-waypoint': 'e' } }),
  route(
    'HTTPRoute',
    'edge/r',
    {
      parentRefs: [{ group: '', kind: 'Service', name: 'front' }],
      rules: [{ backendRefs: [{ name: 'cart', namespace: 'shop', port: 80 }] }],
    },
    {},
  ),
  grant('shop/g', { kind: 'HTTPRoute', namespace: 'edge' }, { kind: 'Service' }),
];

test('a policy says where a DestinationRule decides about TLS instead', async (t) => {
  const FINE = /^True\/Accepted: waypoints that send to Service shop\/cart speak TLS with it$/;
  const OVERRULED =
    /^False\/Conflicted: nothing of it has an effect: TLS with Service shop\/cart is what DestinationRule shop\/r says$/;
  const partly = (places: string) =>
    new RegExp(
      `^True/Accepted: waypoints that send to Service shop/cart speak TLS with it, except where a rule decides about TLS: ${places}$`,
    );
  const port80 = { port: { number: 80 } };
  const unbound = kubeService('shop/cart', { ports: TWO_PORTS });
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], KubeObject, RegExp]>> = {
    'no TLS': [[rule({ tls: { mode: 'DISABLE' } })], policy('a'), OVERRULED],
    'that of tunnels': [[rule({ tls: { mode: 'ISTIO_MUTUAL' } })], policy('a'), OVERRULED],
    'nothing of it, but that is written': [[rule({ tls: {} })], policy('a'), OVERRULED],
    'TLS of its own': [[rule({ tls: { mode: 'SIMPLE', sni: 'r' } })], policy('a'), OVERRULED],
    'TLS that can not be had': [[rule({ tls: { mode: 'MUTUAL' } })], policy('a'), OVERRULED],
    'nothing of it': [[rule({ loadBalancer: { simple: 'RANDOM' } })], policy('a'), FINE],
    'null, which is nothing': [[rule({ tls: null })], policy('a'), FINE],
    'by a wildcard': [[rule({ tls: {} }, { host: '*.shop.svc.cluster.local' })], policy('a'), OVERRULED],
    'of the root namespace': [
      [rule({ tls: {} }, { host: CART, namespace: 'istio-system' })],
      policy('a'),
      /^False\/Conflicted: .*DestinationRule istio-system\/r says$/,
    ],
    'of a namespace that nobody follows': [[rule({ tls: {} }, { host: CART, namespace: 'other' })], policy('a'), FINE],
    'for others': [[rule({ tls: {} }, { exportTo: ['other'] })], policy('a'), FINE],
    'for one port': [
      [rule({ portLevelSettings: [{ ...port80, tls: {} }] })],
      policy('a'),
      partly('port 80 for waypoints of shop \\(DestinationRule shop/r\\)'),
    ],
    'for all ports but one': [
      [rule({ tls: {}, portLevelSettings: [port80] })],
      policy('a'),
      partly('port 443 for waypoints of shop \\(DestinationRule shop/r\\)'),
    ],
    'for the one port that is meant': [
      [rule({ portLevelSettings: [{ ...port80, tls: {} }] })],
      policy('a', { targetRefs: [target('http')] }),
      OVERRULED,
    ],
    'for another port than is meant': [
      [rule({ portLevelSettings: [{ ...port80, tls: {} }] })],
      policy('a', { targetRefs: [target('https')] }),
      FINE,
    ],
    'for all that another policy leaves': [
      [rule({ portLevelSettings: [{ ...port80, tls: {} }] }), policy('b', { targetRefs: [target('https')] })],
      policy('a'),
      OVERRULED,
    ],
    'before a policy that is older': [
      [rule({ tls: {} }), policy('b')],
      policy('a', { created: 2 }),
      /^False\/Conflicted: shop\/b is older and for the same$/,
    ],
    'and authorities are missing, that nobody misses': [
      [rule({ tls: {} })],
      policy('a', { validation: { caCertificateRefs: [ca('nowhere')] } }),
      OVERRULED,
    ],
    'for one port, and authorities are missing': [
      [rule({ portLevelSettings: [{ ...port80, tls: {} }] })],
      policy('a', { validation: { caCertificateRefs: [ca('nowhere')] } }),
      /^False\/NoValidCACertificate: nothing is sent to Service shop\/cart, except where .*: port 80 .*: ConfigMap shop\/nowhere is/,
    ],
    'while no waypoint sends to it': [[unbound, rule({ tls: {} })], policy('a'), OVERRULED],
    'while no waypoint sends to it, and says nothing of it': [[unbound, rule({})], policy('a'), FINE],
    'for the waypoints of another namespace': [
      [...SECOND, rule({ tls: {} }, { host: CART, namespace: 'edge' })],
      policy('a'),
      partly('port 443 for waypoints of edge \\(DestinationRule edge/r\\), port 80 for waypoints of edge [^,]*'),
    ],
    'for the waypoints of another namespace, which come later than it': [
      [rule({ tls: {} }, { host: CART, namespace: 'edge' }), ...SECOND],
      policy('a'),
      partly('port 443 for waypoints of edge .*'),
    ],
    'for the only waypoints that send to it, by a route': [
      [unbound, ...SECOND, rule({ tls: {} }, { host: CART, namespace: 'edge' })],
      policy('a'),
      /^False\/Conflicted: .*DestinationRule edge\/r says$/,
    ],
  };
  for (const [name, [around, object, expected]] of Object.entries(rows)) {
    await t.test(`it decides: ${name}`, () => {
      assert.match(wordsIn(deriverOf([...MESH, ...around]).apply(object)), expected, 'the policy comes last');
      const deriver = deriverOf(MESH);
      let said = wordsIn(deriver.apply(object));
      for (const one of around) said = wordsIn(deriver.apply(one)) || said;
      assert.match(said, expected, 'the policy comes first');
      const isRule = ({ kind }: KubeObject) => kind === 'DestinationRule';
      for (const one of around.filter(isRule)) said = wordsIn(deriver.remove(one)) || said;
      const rest = around.filter((one) => !isRule(one));
      assert.equal(said, wordsIn(deriverOf([...MESH, ...rest]).apply(object)), 'the rule goes');
    });
  }
});

test('what is said follows the service, the authorities and the other policies', () => {
  const deriver = deriverOf(MESH);
  const first = deriver.apply(policy('a'));
  assert.deepEqual(first.routes[0]?.parents[0]?.parentRef, {
    group: '',
    kind: 'Service',
    namespace: 'shop',
    name: 'cart',
  });
  assert.equal(saidIn(deriver.apply(policy('old', { created: 0 })), 'a'), 'False/Conflicted True/ResolvedRefs');
  assert.equal(saidIn(deriver.remove(policy('old'))), 'True/Accepted True/ResolvedRefs');
  assert.match(saidIn(deriver.remove(authorities('shop/ca', PEM))) ?? '', /^False\/NoValidCACertificate/);
  assert.equal(saidIn(deriver.apply(authorities('shop/ca', PEM))), 'True/Accepted True/ResolvedRefs');
  assert.equal(saidIn(deriver.remove(CART_SERVICE)), 'False/TargetNotFound True/ResolvedRefs');
  const gone = deriver.remove(policy('a'));
  assert.deepEqual(
    gone.routes.map(({ parents }) => parents),
    [[]],
    'what was said is taken back',
  );
});

test('a host of a ServiceEntry, by that object', () => {
  const entry: KubeObject = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { namespace: 'shop', name: 'api', labels: USE },
    spec: { hosts: ['api.example'], resolution: 'DNS', ports: [{ name: 'http', number: 80, protocol: 'HTTP' }] },
  };
  const targetRefs = [{ group: 'networking.istio.io', kind: 'ServiceEntry', name: 'api' }];
  const deriver = deriverOf([...MESH, entry, policy('a', { targetRefs, validation: SYSTEM })]);
  const backends = deriver.waypoints.get('shop/w/service/shop/api.example')?.service?.backends;
  assert.deepEqual(
    backends?.map(({ port, tls }) => [port, tls?.sni]),
    [[80, 'cart.example']],
  );
});

test('options, which are for others, are said to have no effect', () => {
  const asked = policy('a');
  const options = { 'example.com/min-version': '1.3', 'example.com/ciphers': 'a' };
  const { routes } = deriverOf(MESH).apply({ ...asked, spec: { ...(asked['spec'] as object), options } });
  const said = routes.find(({ object }) => object.kind === 'BackendTLSPolicy')?.parents[0]?.conditions[0];
  assert.equal(said?.status, 'True');
  assert.match(said?.message ?? '', /without effect: options example\.com\/ciphers, example\.com\/min-version$/);
});
