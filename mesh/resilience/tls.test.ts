import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionIn, deriverOf } from '../derive/test-derive.ts';
import { gateway, kubeService, namespace } from '../derive/test-objects.ts';
import type { Delta, KubeObject } from '../kube-object.ts';
import type { BackendTls } from './model.ts';
import { materialName } from './tls-material.ts';

const USE = { 'istio.io/use-waypoint': 'w', 'istio.io/use-waypoint-namespace': 'edge' };
const CART = 'cart.shop.svc.cluster.local';
const all = { namespaces: { from: 'All' } };
const MESH = [
  namespace('shop'),
  namespace('edge'),
  gateway('edge/w', { listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE', allowedRoutes: all }] }),
  kubeService('shop/cart', { ports: [{ name: 'http', port: 80 }] }, { labels: USE }),
];
const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';
const KEY = '-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY-----\n';
const NONE: BackendTls = { sni: CART, names: [], unverified: false, roots: '', chain: '', key: '' };

function rule(tls: object, namespace = 'edge'): KubeObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { namespace, name: 'tls' },
    spec: { host: CART, trafficPolicy: { tls } },
  };
}

function secret(path: string, data: Readonly<Record<string, string>>): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, btoa(value)]));
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data: encoded };
}

function configMap(path: string, data: Readonly<Record<string, string>>): KubeObject {
  const [namespace = '', name = ''] = path.split('/');
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data };
}

function told(...objects: readonly KubeObject[]) {
  const resource = deriverOf([...MESH, ...objects]).waypoints.get(`edge/w/service/shop/${CART}`);
  return { ...resource?.service?.backends[0], minRevision: resource?.minRevision };
}

test('what a rule asks for is what the waypoint is told', async (t) => {
  const pair = { 'tls.crt': CERTIFICATE, 'tls.key': KEY };
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], BackendTls | undefined]>> = {
    'SIMPLE trusts whoever the web trusts': [[rule({ mode: 'SIMPLE' })], NONE],
    'and so it does where it says so': [[rule({ mode: 'SIMPLE', caCertificates: 'system' })], NONE],
    'a name to ask for, and names that it may have': [
      [rule({ mode: 'SIMPLE', sni: 'a.b', subjectAltNames: ['c.d'] })],
      { ...NONE, sni: 'a.b', names: ['c.d'] },
    ],
    'nobody is verified': [[rule({ mode: 'SIMPLE', insecureSkipVerify: true })], { ...NONE, unverified: true }],
    'authorities of a Secret': [
      [rule({ mode: 'SIMPLE', credentialName: 's' }), secret('edge/s', { 'ca.crt': CERTIFICATE })],
      { ...NONE, roots: CERTIFICATE },
    ],
    'authorities of a Secret, as the reference also calls them': [
      [rule({ mode: 'SIMPLE', credentialName: 's' }), secret('edge/s', { cacert: CERTIFICATE })],
      { ...NONE, roots: CERTIFICATE },
    ],
    'authorities of a ConfigMap': [
      [rule({ mode: 'SIMPLE', credentialName: 'configmap://m' }), configMap('edge/m', { 'ca.crt': CERTIFICATE })],
      { ...NONE, roots: CERTIFICATE },
    ],
    'of a ConfigMap by its full name, for a rule of any namespace': [
      [
        rule({ mode: 'SIMPLE', credentialName: 'configmap://shop/m' }, 'shop'),
        configMap('shop/m', { 'ca.crt': CERTIFICATE }),
      ],
      { ...NONE, roots: CERTIFICATE },
    ],
    'a certificate of our own': [
      [rule({ mode: 'MUTUAL', credentialName: 's' }), secret('edge/s', { ...pair, 'ca.crt': `${CERTIFICATE}2` })],
      { ...NONE, roots: `${CERTIFICATE}2`, chain: CERTIFICATE, key: KEY },
    ],
    'a certificate of our own, towards whoever the web trusts': [
      [rule({ mode: 'MUTUAL', credentialName: 's' }), secret('edge/s', { cert: CERTIFICATE, key: KEY })],
      { ...NONE, chain: CERTIFICATE, key: KEY },
    ],
    'a SIMPLE rule takes no key along': [
      [rule({ mode: 'SIMPLE', credentialName: 's' }), secret('edge/s', { ...pair, 'ca.crt': CERTIFICATE })],
      { ...NONE, roots: CERTIFICATE },
    ],
    'ISTIO_MUTUAL is what tunnels do': [[rule({ mode: 'ISTIO_MUTUAL' })], undefined],
    DISABLE: [[rule({ mode: 'DISABLE' })], undefined],
  };
  for (const [name, [objects, expected]] of Object.entries(rows)) {
    await t.test(name, () => {
      const { tls, refusal, minRevision } = told(...objects);
      assert.deepEqual(tls, expected);
      assert.equal(refusal, '');
      assert.equal(minRevision, expected === undefined ? 1 : 2, 'who can not speak TLS may not read it');
    });
  }
});

test('what can not be had is refused and said, and nothing goes in the clear instead', async (t) => {
  const rows: Readonly<Record<string, readonly [readonly KubeObject[], RegExp]>> = {
    'no such Secret': [[rule({ mode: 'SIMPLE', credentialName: 's' })], /Secret edge\/s is not there/],
    'no authorities in it': [
      [secret('edge/s', { 'tls.crt': CERTIFICATE }), rule({ mode: 'SIMPLE', credentialName: 's' })],
      /Secret edge\/s has no certificate in ca.crt/,
    ],
    'no PEM in it': [
      [secret('edge/s', { 'ca.crt': 'certainly' }), rule({ mode: 'SIMPLE', credentialName: 's' })],
      /has no certificate in ca.crt/,
    ],
    'a certificate without a key': [
      [secret('edge/s', { 'tls.crt': CERTIFICATE }), rule({ mode: 'MUTUAL', credentialName: 's' })],
      /has no private key in tls.key/,
    ],
    'MUTUAL without a credential': [[rule({ mode: 'MUTUAL' })], /name a Secret/],
    'MUTUAL with a ConfigMap': [[rule({ mode: 'MUTUAL', credentialName: 'configmap://m' })], /name a Secret/],
    "a Secret, by a rule of another namespace than the waypoint's": [
      [secret('shop/s', { 'ca.crt': CERTIFICATE }), rule({ mode: 'SIMPLE', credentialName: 's' }, 'shop')],
      /uses Secrets for rules of its own namespace only/,
    ],
    'a ConfigMap of another namespace': [
      [rule({ mode: 'SIMPLE', credentialName: 'configmap://kube-system/m' })],
      /"configmap:\/\/kube-system\/m" is no ConfigMap of namespace edge/,
    ],
    'files of ours': [
      [rule({ mode: 'MUTUAL', clientCertificate: '/c.pem', privateKey: '/k.pem' })],
      /tls.clientCertificate: this waypoint reads no files/,
    ],
    'a revocation list': [[rule({ mode: 'SIMPLE', caCrl: '/crl.pem' })], /tls.caCrl/],
    'names that nobody would look at': [
      [rule({ mode: 'SIMPLE', insecureSkipVerify: true, subjectAltNames: ['a.b'] })],
      /insecureSkipVerify/,
    ],
  };
  for (const [name, [objects, expected]] of Object.entries(rows)) {
    await t.test(name, () => {
      const { tls, refusal } = told(...objects);
      assert.equal(tls, undefined);
      assert.match(refusal ?? '', expected);
      const last = objects.at(-1);
      assert.ok(last);
      const said = conditionIn(deriverOf([...MESH, ...objects.slice(0, -1)]).apply(last), 'ambit.io/Accepted');
      assert.match(said ?? '', /^False (Unsupported|InvalidReference): nothing is sent to this host/);
      assert.match(said ?? '', expected);
    });
  }
});

test('what is missing stays said when the object comes back as it was, as after its own status was written', () => {
  const wants = rule({ mode: 'SIMPLE', credentialName: 's' });
  const deriver = deriverOf([...MESH, wants]);
  const again = deriver.apply({ ...wants, status: { conditions: [] } });
  assert.deepEqual(again.conditions, [], 'nothing is taken back');
  const other = deriver.apply(rule({ mode: 'SIMPLE', credentialName: 't' }));
  assert.match(conditionIn(other, 'ambit.io/Accepted') ?? '', /^False InvalidReference: .*Secret edge\/t is not there/);
});

/** What stands on rule `tls`, as in a cluster: there it goes with its object. */
class Told {
  readonly #deriver = deriverOf(MESH);
  said: string | undefined;

  apply(object: KubeObject): void {
    this.#take(this.#deriver.apply(object));
  }

  remove(object: KubeObject): void {
    if (object.metadata.name === 'tls') this.said = undefined;
    this.#take(this.#deriver.remove(object));
  }

  #take({ conditions }: Delta): void {
    for (const { object, type, status, reason, message } of conditions) {
      if (object.name !== 'tls' || type !== 'ambit.io/Accepted') continue;
      this.said = status && `${status} ${reason}: ${message}`;
    }
  }
}

test('what is missing is said for as long as it is missing to somebody who follows the rule', async (t) => {
  const wants = rule({ mode: 'SIMPLE', credentialName: 's' });
  const wide = { ...wants, spec: { ...(wants['spec'] as object), host: '*.shop.svc.cluster.local' } };
  const elsewhere = { ...rule({ mode: 'DISABLE' }), metadata: { namespace: 'edge', name: 'exact' } };
  const key = secret('edge/s', { 'ca.crt': CERTIFICATE });
  const [, , waypoint, cart] = MESH;
  assert.ok(waypoint !== undefined && cart !== undefined);
  const unbound = kubeService('shop/cart', { ports: [{ name: 'http', port: 80 }] });
  const MISSING = /^False InvalidReference: .*Secret edge\/s is not there/;
  const rows: Readonly<Record<string, readonly [KubeObject, (mesh: Told) => void, RegExp | undefined]>> = {
    'it stays away': [wants, () => {}, MISSING],
    'it appears': [wants, (mesh) => mesh.apply(key), undefined],
    'it appears, and goes again': [wants, (mesh) => [mesh.apply(key), mesh.remove(key)], MISSING],
    'the rule does not name it any more': [wants, (mesh) => mesh.apply(rule({ mode: 'SIMPLE' })), undefined],
    'the rule names another': [
      wants,
      (mesh) => mesh.apply(rule({ mode: 'SIMPLE', credentialName: 't' })),
      /^False InvalidReference: [^;]*Secret edge\/t is not there[^;]*$/,
    ],
    'the rule is gone': [wants, (mesh) => mesh.remove(wants), undefined],
    'the rule is gone, and made again': [wants, (mesh) => [mesh.remove(wants), mesh.apply(wants)], MISSING],
    'the waypoint is gone': [wants, (mesh) => mesh.remove(waypoint), undefined],
    'the service is gone': [wants, (mesh) => mesh.remove(cart), undefined],
    'the service has no waypoint any more': [wants, (mesh) => mesh.apply(unbound), undefined],
    'a rule for just this host comes': [wide, (mesh) => mesh.apply(elsewhere), undefined],
    'it appears while a rule for just this host is there': [
      wide,
      (mesh) => [mesh.apply(elsewhere), mesh.apply(key), mesh.remove(elsewhere)],
      undefined,
    ],
    'a rule for just this host comes, and goes': [
      wide,
      (mesh) => [mesh.apply(elsewhere), mesh.remove(elsewhere)],
      MISSING,
    ],
    'the rule is about sidecars now': [
      wants,
      (mesh) => mesh.apply({ ...wants, spec: { ...(wants['spec'] as object), workloadSelector: {} } }),
      /^False Unsupported: .*sidecars/,
    ],
  };
  for (const [name, [object, change, expected]] of Object.entries(rows)) {
    await t.test(name, () => {
      const mesh = new Told();
      mesh.apply(object);
      assert.match(mesh.said ?? '', MISSING);
      change(mesh);
      if (expected === undefined) assert.equal(mesh.said, undefined);
      else assert.match(mesh.said ?? '', expected);
    });
  }
});

test('a Secret that comes, changes and goes is followed, and the rule says so', () => {
  const deriver = deriverOf([...MESH, rule({ mode: 'SIMPLE', credentialName: 's' })]);
  assert.deepEqual([...deriver.materials()].map(materialName), ['Secret edge/s']);
  const roots = (delta: ReturnType<typeof deriver.apply>) =>
    delta.waypoints.upserted.map(({ service }) => service?.backends[0]?.tls?.roots);
  const first = deriver.apply(secret('edge/s', { 'ca.crt': CERTIFICATE }));
  assert.deepEqual(roots(first), [CERTIFICATE]);
  assert.equal(first.conditions.at(-1)?.status, undefined, 'the complaint is taken back');
  assert.deepEqual(roots(deriver.apply(secret('edge/s', { 'ca.crt': `${CERTIFICATE}2` }))), [`${CERTIFICATE}2`]);
  assert.equal(
    deriver.apply(secret('edge/s', { 'ca.crt': `${CERTIFICATE}2`, other: 'x' })).waypoints.upserted.length,
    0,
  );
  const gone = deriver.remove(secret('edge/s', {}));
  assert.deepEqual(roots(gone), [undefined]);
  assert.match(conditionIn(gone, 'ambit.io/Accepted') ?? '', /Secret edge\/s is not there/);
});
