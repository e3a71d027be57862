import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildModel } from '../../mesh/index.ts';
import { complete } from './complete.ts';
import { loadFiles, parseObjects } from './load-files.ts';

const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
# nothing but a comment
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: cart, namespace: shop }
spec:
  replicas: 3
  template:
    metadata: { labels: { app: cart } }
    spec: { serviceAccountName: cart, containers: [{ name: cart, ports: [{ name: http, containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { selector: { app: cart }, ports: [{ port: 80, targetPort: http }] }
`;

const objectsOf = (text: string) => parseObjects(text, 'shop.yaml').map(({ object }) => object);

test('a Deployment, a Service and a label become an enrolled endpoint', () => {
  const { view } = buildModel(complete(objectsOf(SHOP)));
  const service = view.serviceByHostname('cart.shop.svc.cluster.local');
  assert(service !== undefined);
  assert.deepEqual(service.addresses, [{ network: '', address: '10.96.1.1' }]);
  const [endpoint] = view.endpoints(service);
  assert.equal(endpoint?.workload.tunnelProtocol, 'HBONE');
  assert.deepEqual(
    [endpoint?.workload.name, endpoint?.workload.workloadName, endpoint?.workload.serviceAccount],
    ['cart', 'cart', 'cart'],
  );
  assert.deepEqual(endpoint?.ports, [{ servicePort: 80, targetPort: 8080, appProtocol: 'UNKNOWN' }]);
});

test('an exported cluster is taken as it is', () => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'cart-7c9d-x2x',
      namespace: 'shop',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart-7c9d', controller: true }],
    },
    status: { phase: 'Running', podIP: '10.244.1.1' },
  };
  const completed = complete([...objectsOf(SHOP), pod]);
  assert.deepEqual(
    completed.filter(({ kind }) => kind === 'Pod'),
    [pod],
    'no pod is made beside the real one, and it is not enrolled by us',
  );
});

test('addresses that are written somewhere are not given again', () => {
  const written = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'a' }, spec: { clusterIP: '10.96.1.1' } };
  const completed = complete([written, { apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' }, spec: {} }]);
  assert.deepEqual(
    completed.map(({ spec }) => (spec as { clusterIP: string }).clusterIP),
    ['10.96.1.1', '10.96.1.2'],
  );
});

test('policy tests beside objects are no objects, whoever names them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-model-'));
  try {
    const [objects, tests] = [join(folder, 'a.yaml'), join(folder, 'a.authz-test.yaml')];
    writeFileSync(objects, SHOP);
    writeFileSync(tests, 'tests: []');
    for (const paths of [[folder], [objects, tests]]) assert.equal(loadFiles(paths).length, 3);
    assert.throws(
      () => loadFiles([tests]),
      /a\.authz-test\.yaml: is a policy test, .*: ambit authz test .*a\.authz-test/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a folder is read with all below it, and the later of two objects with one name counts', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-model-'));
  try {
    const list = {
      apiVersion: 'v1',
      kind: 'List',
      items: [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'b' } }],
    };
    writeFileSync(join(folder, 'a.yaml'), SHOP);
    writeFileSync(join(folder, 'b.json'), JSON.stringify(list));
    writeFileSync(join(folder, 'c.yml'), SHOP.replace('name: shop,', 'name: shop, annotations: { x: y },'));
    writeFileSync(join(folder, 'notes.txt'), 'not read');
    const found = loadFiles([folder]).map(({ object, origin }) => [object.kind, object.metadata.namespace, origin]);
    assert.deepEqual(found, [
      ['Service', 'default', join(folder, 'b.json, item 1')],
      ['Namespace', undefined, join(folder, 'c.yml#1')],
      ['Deployment', 'shop', join(folder, 'c.yml#3')],
      ['Service', 'shop', join(folder, 'c.yml#4')],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a waypoint gets what the controller makes of it', () => {
  const gateway = (extra = '') => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: gate, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
${extra}`;
  const completed = complete(objectsOf(gateway()));
  assert.deepEqual(
    completed.map(({ kind, metadata }) => [kind, metadata.namespace, metadata.name]),
    ['Gateway', 'Service', 'Pod'].map((kind) => [kind, 'shop', 'gate']),
  );
  assert.deepEqual(completed[0]?.['status'], {
    addresses: [{ type: 'Hostname', value: 'gate.shop.svc.cluster.local' }],
  });
  const { view } = buildModel(completed);
  const [endpoint] = view.endpoints(mustFind(view.serviceByHostname('gate.shop.svc.cluster.local')));
  assert.equal(endpoint?.workload.nativeTunnel, true);
  const exported = gateway('status: { addresses: [{ type: IPAddress, value: 10.96.3.3 }] }');
  assert.equal(complete(objectsOf(exported)).length, 1, 'what has an address is left alone');
});

test('a waypoint of another name and account is completed under these', () => {
  const [, service, pod] = complete(
    objectsOf(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: gate
  namespace: shop
  annotations: { gateway.istio.io/name-override: other, gateway.istio.io/service-account: porter }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }`),
  );
  assert.equal(service?.metadata.name, 'other');
  assert.equal(pod?.metadata.labels?.['gateway.networking.k8s.io/gateway-name'], 'gate');
  assert.equal((pod?.['spec'] as { serviceAccountName: string } | undefined)?.serviceAccountName, 'porter');
});

const refusals: readonly [string, string, RegExp][] = [
  ['text that is not YAML', 'a: [', /^shop\.yaml:1:5: not YAML/],
  ['a document that is no object', `${SHOP}---\nreplicas: 3\n`, /^shop\.yaml#5: not a Kubernetes object/],
  ['an object without a name', 'apiVersion: v1\nkind: Pod\n', /^shop\.yaml: Pod: metadata\.name is missing/],
];
for (const [name, text, error] of refusals) {
  test(`${name} is refused with its place`, () => assert.throws(() => objectsOf(text), { message: error }));
}
test('a file that is not there is refused by name', () => {
  assert.throws(() => loadFiles(['/nowhere/at/all.yaml']), { message: '/nowhere/at/all.yaml: no such file or folder' });
});

function mustFind<T>(value: T | undefined): T {
  assert(value !== undefined);
  return value;
}

test('a ServiceEntry of a folder has the addresses that a cluster would give it', () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: pay, namespace: shop }
spec: { hosts: [pay.example.com], resolution: DNS, ports: [{ name: https, number: 443, protocol: TLS }] }
`;
  const model = buildModel(complete(objectsOf(entry)));
  const service = model.view.serviceByKey('shop/pay.example.com');
  assert.match(service?.addresses.map(({ address }) => address).join(' ') ?? '', /^240\.240\.\d+\.\d+ 2001:2::/);
});
