import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeApi } from '../core/kube/fake/index.ts';
import { RESOURCES } from '../core/kube/index.ts';
import { decodeWaypoint, WAYPOINT_TYPE } from '../core/xds/index.ts';
import { conditionsOf } from './kube/status-writer.ts';
import { startMesh, type TestMesh, until } from './test-mesh.ts';

const HOST = 'api.example.com';
const RESOURCE = `default/waypoint/service/default/${HOST}`;
const PEM = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n';

const secret = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  data: { 'ca.crt': Buffer.from(PEM).toString('base64') },
});
const rule = (credentialName: string) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'tls', namespace: 'default' },
  spec: { host: HOST, trafficPolicy: { tls: { mode: 'SIMPLE', credentialName } } },
});

function prepare(api: FakeApi): void {
  api.put({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'waypoint', namespace: 'default' },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15_008, protocol: 'HBONE' }] },
    status: { addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] },
  });
  api.put({
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name: 'api', namespace: 'default', labels: { 'istio.io/use-waypoint': 'waypoint' } },
    spec: { hosts: [HOST], resolution: 'DNS', ports: [{ name: 'http', number: 80, protocol: 'HTTP' }] },
  });
  api.put(rule('roots'));
}

const said = ({ api }: TestMesh) => {
  const object = api.get(RESOURCES.DestinationRule, 'default/tls');
  return object && conditionsOf(object).find(({ type }) => type === 'ambit.io/Accepted')?.message;
};

/** Paths of Secrets that were asked for. */
const askedFor = ({ api }: TestMesh) =>
  new Set(
    api.requests
      .filter(({ path }) => path.endsWith('/secrets') && !path.includes('istio-system'))
      .map(({ path, query }) => `${path}?${query.get('fieldSelector')}`),
  );

test('only Secrets that rules name are read, each by itself, and what comes of them is followed', async () => {
  await using mesh = await startMesh({}, (api) => {
    prepare(api);
    api.put(secret('others'));
  });
  await until(() => said(mesh)?.includes('Secret default/roots is not there') === true, 'it is missed');
  assert.deepEqual([...askedFor(mesh)], ['/api/v1/namespaces/default/secrets?metadata.name=roots']);
  mesh.api.put(secret('roots'));
  await until(() => said(mesh) === undefined, 'it is there');
  mesh.api.put(rule('others'));
  await until(() => askedFor(mesh).size === 2, 'another is named');
  mesh.api.remove(RESOURCES.Secret, 'default/others');
  await until(() => said(mesh)?.includes('Secret default/others is not there') === true, 'it is missed');
});

test('a Secret that was there before the controller is told with the first answer', async () => {
  await using mesh = await startMesh({}, (api) => {
    prepare(api);
    api.put(secret('roots'));
  });
  mesh.pod({ name: 'w-1', uid: 'w-1', labels: { 'gateway.networking.k8s.io/gateway-name': 'waypoint' } });
  mesh.tokens.set('w', { namespace: 'default', serviceAccount: 'default', pod: { name: 'w-1', uid: 'w-1' } });
  const id = 'waypoint~10.0.0.9~w-1.default~default.svc.cluster.local';
  const xds = mesh.xds({ token: 'w', id, types: [{ typeUrl: WAYPOINT_TYPE }] });
  await until(() => xds.first.has(RESOURCE), 'it is told');
  const { service } = decodeWaypoint(xds.first.get(RESOURCE) ?? new Uint8Array());
  assert.equal(service?.backends[0]?.tls?.roots, PEM);
});

test('a BackendTLSPolicy says at its service what became of it, beside what others say', async () => {
  const other = { ancestorRef: { kind: 'Gateway', name: 'g' }, controllerName: 'example.com/gateway', conditions: [] };
  await using mesh = await startMesh({}, (api) => {
    prepare(api);
    api.put({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'BackendTLSPolicy',
      metadata: { name: 'p', namespace: 'default' },
      spec: {
        targetRefs: [{ group: 'networking.istio.io', kind: 'ServiceEntry', name: 'api' }],
        validation: { hostname: HOST, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] },
      },
      status: { ancestors: [other] },
    });
  });
  type Ancestor = { readonly controllerName: string; readonly conditions: readonly { readonly reason: string }[] };
  const ancestors = () => {
    const status = mesh.api.get(RESOURCES.BackendTLSPolicy, 'default/p')?.['status'];
    const entries = (status as { readonly ancestors: readonly Ancestor[] }).ancestors;
    return entries.map(({ controllerName, conditions }) => [controllerName, ...conditions.map(({ reason }) => reason)]);
  };
  const ours = (...reasons: readonly string[]) => ['istio.io/mesh-controller', ...reasons].join();
  const says = (line: string) => until(() => ancestors().some((one) => one.join() === line), line);
  await says(ours('Conflicted', 'InvalidCACertificateRef'));
  mesh.api.remove(RESOURCES.DestinationRule, 'default/tls');
  await says(ours('NoValidCACertificate', 'InvalidCACertificateRef'));
  mesh.api.put({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'ca', namespace: 'default' },
    data: { 'ca.crt': PEM },
  });
  await says(ours('Accepted', 'ResolvedRefs'));
  mesh.api.put(rule('roots'));
  await says(ours('Conflicted', 'ResolvedRefs'));
  assert.deepEqual(ancestors()[0], ['example.com/gateway']);
});
