import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FakeApi } from '../../core/kube/fake/index.ts';
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { type Condition, conditionsOf } from '../kube/status-writer.ts';
import { startMesh, until } from '../test-mesh.ts';

const MESH = { name: 'mesh', port: 15008, protocol: 'HBONE' };
type Change = {
  readonly annotations?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly spec?: object;
};
const gateway = ({ spec, ...metadata }: Change = {}, name = 'w') => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name, namespace: 'default', ...metadata },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [MESH], ...spec },
});

const at = (api: FakeApi, kind: 'ServiceAccount' | 'Deployment' | 'Service' | 'Gateway', name = 'w') =>
  api.get(RESOURCES[kind], `default/${name}`);
const made = (api: FakeApi, name = 'w'): boolean =>
  (['ServiceAccount', 'Deployment', 'Service'] as const).every((kind) => at(api, kind, name) !== undefined);
const condition = (api: FakeApi, type: string, name = 'w'): Condition | undefined => {
  const object = at(api, 'Gateway', name);
  return object && conditionsOf(object).find((one) => one.type === type);
};
const said = (api: FakeApi, type: string, name?: string): string => {
  const { status, reason } = condition(api, type, name) ?? {};
  return `${status} ${reason}`;
};
const addresses = (api: FakeApi): readonly string[] => {
  const status = at(api, 'Gateway')?.['status'] as { addresses?: { value: string }[] } | undefined;
  return (status?.addresses ?? []).map(({ value }) => value);
};
/** Writes to what belongs to waypoints, as `PATCH path`. */
const writes = (api: FakeApi): readonly string[] =>
  api.requests
    .filter(({ method, path }) => method !== 'GET' && /serviceaccounts|deployments|services|gateway/.test(path))
    .map(({ method, path }) => `${method} ${path}`);

/** As the cluster does: the Service gets addresses, the Deployment pods. */
function live(api: FakeApi, readyReplicas = 1): void {
  const service = at(api, 'Service');
  const deployment = at(api, 'Deployment');
  assert.ok(service && deployment);
  const spec = { ...(service['spec'] as object), clusterIP: '10.96.0.7', clusterIPs: ['10.96.0.7', 'fd00::7'] };
  api.put({ ...service, spec });
  api.put({ ...deployment, status: { readyReplicas } });
}

async function startWaypoint(change: Change = {}, env: Record<string, string> = {}) {
  const mesh = await startMesh(env, (api) => void api.put(gateway(change)));
  await until(() => made(mesh.api), 'the objects are there');
  return mesh;
}

test('a Gateway becomes an account, a Deployment and a Service, by server-side apply', async () => {
  await using mesh = await startWaypoint({}, { AMBIT_WAYPOINT_IMAGE: 'mine:2' });
  assert.match(JSON.stringify(at(mesh.api, 'Deployment')), /"image":"mine:2"/);
  const request = mesh.api.requests.find(({ method, path }) => method === 'PATCH' && path.endsWith('/deployments/w'));
  assert.equal(request?.contentType, 'application/apply-patch+yaml');
  assert.equal(request?.query.get('fieldManager'), 'istio.io/gateway-controller');
  assert.equal(request?.query.get('force'), 'true');
  const owners = at(mesh.api, 'Service')?.metadata.ownerReferences;
  assert.equal(owners?.[0]?.uid, at(mesh.api, 'Gateway')?.metadata.uid, 'the garbage collector takes it away');
  await mesh.logged(/applied.*Deployment default\/w/);
});

test('the class of waypoints is made and accepted', async () => {
  await using mesh = await startMesh();
  const theClass = () => mesh.api.get(RESOURCES.GatewayClass, 'istio-waypoint');
  await until(
    () => (theClass() ? conditionsOf(theClass() as KubeObject) : []).some(({ status }) => status === 'True'),
    'accepted',
  );
  assert.deepEqual((theClass() as KubeObject)['spec'], {
    controllerName: 'istio.io/mesh-controller',
    description: 'A waypoint: what the mesh does to requests is done here',
  });
});

test('the class of somebody else is left alone, and so are its Gateways', async () => {
  await using mesh = await startMesh({}, (api) => {
    api.put({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'istio-waypoint' },
      spec: { controllerName: 'example.com/other' },
    });
    api.put(gateway());
    api.put(gateway({ spec: { gatewayClassName: 'nginx' } }, 'n'));
    api.put({ ...gateway({ spec: { gatewayClassName: 'mine' } }, 'm') });
    api.put({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'mine' },
      spec: { controllerName: 'istio.io/mesh-controller' },
    });
  });
  await until(() => made(mesh.api, 'm'), 'a waypoint of a class of our controller');
  assert.deepEqual([made(mesh.api), made(mesh.api, 'n'), condition(mesh.api, 'Accepted')], [false, false, undefined]);
  assert.equal(
    writes(mesh.api).some((write) => write.includes('gatewayclasses/istio-waypoint')),
    false,
  );
});

test('status follows the Service and the pods, and addresses are kept when the pods go', async () => {
  await using mesh = await startWaypoint();
  await until(() => said(mesh.api, 'Programmed') === 'False AddressNotAssigned', 'waits for an address');
  assert.equal(said(mesh.api, 'Accepted'), 'True Accepted');
  live(mesh.api, 0);
  await until(() => /no pod .* is ready yet/.test(condition(mesh.api, 'Programmed')?.message ?? ''), 'waits for pods');
  assert.deepEqual(addresses(mesh.api), []);
  live(mesh.api);
  await until(() => said(mesh.api, 'Programmed') === 'True Programmed', 'programmed');
  assert.match(condition(mesh.api, 'Programmed')?.message ?? '', /service\(s\) w\.default\.svc\.cluster\.local:15008$/);
  assert.equal(condition(mesh.api, 'Programmed')?.observedGeneration, at(mesh.api, 'Gateway')?.metadata.generation);
  const all = ['10.96.0.7', 'fd00::7', 'w.default.svc.cluster.local'];
  assert.deepEqual(addresses(mesh.api), all);
  live(mesh.api, 0);
  await until(() => said(mesh.api, 'Programmed') === 'False AddressNotAssigned', 'pods are gone');
  assert.deepEqual(addresses(mesh.api), all);
});

test('doing it twice writes nothing, also after a restart', async () => {
  await using mesh = await startWaypoint();
  live(mesh.api);
  await until(() => said(mesh.api, 'Programmed') === 'True Programmed', 'programmed');
  const present = at(mesh.api, 'Gateway');
  assert.ok(present);
  const ofStatus = () => writes(mesh.api).filter((write) => write.endsWith('/w/status')).length;
  const before = ofStatus();
  const all = ['ServiceAccount', 'Deployment', 'Service'] as const;
  const objects = all.map((kind) => at(mesh.api, kind) as KubeObject);
  const touched = { ...present, metadata: { ...present.metadata, annotations: {}, resourceVersion: '' } };
  await using again = await startMesh({}, (api) => {
    for (const object of [...objects, touched]) api.put(object);
    api.put(gateway({}, 'other'));
  });
  await until(() => made(again.api, 'other'), 'the other one');
  await until(() => condition(again.api, 'Programmed', 'other') !== undefined, 'and its status');
  assert.deepEqual(
    writes(again.api).filter((write) => /\/w(\/|$)/.test(write)),
    [],
  );
  assert.equal(ofStatus(), before);
});

test('what others change in our objects, or delete, is put right', async () => {
  await using mesh = await startWaypoint();
  const service = at(mesh.api, 'Service') as KubeObject;
  mesh.api.put({ ...service, spec: { ...(service['spec'] as object), selector: { app: 'thief' } } });
  const selector = () =>
    ((at(mesh.api, 'Service') as KubeObject)['spec'] as { selector: Record<string, string> }).selector;
  await until(() => selector()['gateway.networking.k8s.io/gateway-name'] === 'w', 'put right');
  mesh.api.remove(RESOURCES.Deployment, 'default/w');
  await until(() => at(mesh.api, 'Deployment') !== undefined, 'made again');
});

test('a Gateway that changes changes its objects', async () => {
  await using mesh = await startWaypoint();
  mesh.api.put({ ...(at(mesh.api, 'Gateway') as KubeObject), ...gateway({ labels: { team: 'a' } }) });
  await until(() => at(mesh.api, 'Deployment')?.metadata.labels?.['team'] === 'a', 'labels');
});

test('under another name it runs before what it was called goes', async () => {
  await using mesh = await startWaypoint();
  const { api } = mesh;
  live(api);
  await until(() => said(api, 'Programmed') === 'True Programmed', 'programmed');
  const present = at(api, 'Gateway') as KubeObject;
  const annotations = { 'gateway.istio.io/name-override': 'other' };
  api.put({ ...present, metadata: { ...present.metadata, annotations } });
  await until(() => made(api, 'other'), 'made under its new name');
  assert.ok(made(api), 'the old one serves');
  api.put({ ...(at(api, 'Deployment', 'other') as KubeObject), status: { readyReplicas: 1 } });
  const isGone = (kind: 'Service' | 'Deployment' | 'ServiceAccount') => at(api, kind) === undefined;
  await until(() => isGone('Service') && isGone('ServiceAccount') && isGone('Deployment'), 'the old one is gone');
  assert.ok(made(api, 'other'));
});

for (const kind of ['Service', 'Deployment', 'ServiceAccount'] as const) {
  test(`a ${kind} of that name that is somebody else's is not touched, and nothing is made`, async () => {
    const theirs = {
      apiVersion: RESOURCES[kind].apiVersion,
      kind,
      metadata: { name: 'w', namespace: 'default' },
      spec: {},
    };
    await using mesh = await startMesh({}, (api) => {
      api.put(theirs);
      api.put(gateway());
      api.put(gateway({}, 'other'));
    });
    await until(() => said(mesh.api, 'Programmed') === 'False Invalid', 'said so');
    assert.match(
      condition(mesh.api, 'Programmed')?.message ?? '',
      new RegExp(`${kind} default/w exists and is not .*name-override`),
    );
    await until(() => made(mesh.api, 'other'), 'others are served');
    assert.equal(at(mesh.api, kind)?.metadata.labels, undefined);
    assert.equal(made(mesh.api), false);
  });
}

test('an account that the Gateway names is used as it is', async () => {
  await using mesh = await startMesh({}, (api) => {
    api.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'mine', namespace: 'default' } });
    api.put(gateway({ annotations: { 'gateway.istio.io/service-account': 'mine' } }));
  });
  await until(() => at(mesh.api, 'Service') !== undefined, 'made');
  assert.match(JSON.stringify(at(mesh.api, 'Deployment')), /"serviceAccountName":"mine"/);
  assert.equal(at(mesh.api, 'ServiceAccount', 'mine')?.metadata.labels, undefined);
});

test('two Gateways do not share objects', async () => {
  await using mesh = await startWaypoint();
  mesh.api.put(gateway({ annotations: { 'gateway.istio.io/name-override': 'w' } }, 'thief'));
  await until(() => said(mesh.api, 'Programmed', 'thief') === 'False Invalid', 'refused');
  assert.match(condition(mesh.api, 'Programmed', 'thief')?.message ?? '', /belongs to Gateway w:/);
});

test('listeners that no waypoint has are refused one by one', async () => {
  const web = { name: 'web', port: 80, protocol: 'HTTP' };
  await using mesh = await startWaypoint({ spec: { listeners: [MESH, web] } });
  await until(() => said(mesh.api, 'Accepted') === 'True ListenersNotValid', 'said so');
  const { listeners } = (at(mesh.api, 'Gateway') as KubeObject)['status'] as {
    listeners: { name: string; conditions: Condition[] }[];
  };
  assert.deepEqual(
    listeners.map(({ name, conditions }) => [
      name,
      ...conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`),
    ]),
    [
      [
        'mesh',
        'Accepted True Accepted',
        'Programmed True Programmed',
        'Conflicted False NoConflicts',
        'ResolvedRefs True ResolvedRefs',
      ],
      [
        'web',
        'Accepted False UnsupportedProtocol',
        'Programmed False Invalid',
        'Conflicted False NoConflicts',
        'ResolvedRefs True ResolvedRefs',
      ],
    ],
  );
});

test('what the API server does not take is said on the Gateway', async () => {
  await using mesh = await startMesh({}, (api) => {
    const before = api.intercept;
    api.intercept = (request) => {
      if (!request.path.endsWith('/deployments/w') || request.method === 'GET') return before?.(request);
      return { status: 422, body: { kind: 'Status', reason: 'Invalid', message: 'spec.x: Invalid value', code: 422 } };
    };
    api.put(gateway());
  });
  await until(() => said(mesh.api, 'Programmed') === 'False Invalid', 'said so');
  assert.match(condition(mesh.api, 'Programmed')?.message ?? '', /Deployment default\/w was not taken: .*spec\.x/);
});

const notOurs: readonly (readonly [name: string, change: Change])[] = [
  ['is of another revision', { labels: { 'istio.io/rev': 'green' } }],
  ['was served by a newer control plane', { annotations: { 'gateway.istio.io/controller-version': '6' } }],
];
for (const [name, change] of notOurs) {
  test(`a Gateway that ${name} is left to that one`, async () => {
    await using mesh = await startMesh({}, (api) => {
      api.put(gateway(change));
      api.put(gateway({}, 'other'));
    });
    await until(() => made(mesh.api, 'other'), 'others are served');
    assert.deepEqual([made(mesh.api), condition(mesh.api, 'Accepted')], [false, undefined]);
  });
}

test('a waypoint that runs elsewhere is told from its host', async () => {
  const spec = { addresses: [{ type: 'Hostname', value: 'mine.default.svc.cluster.local' }] };
  await using mesh = await startMesh({}, (api) => void api.put(gateway({ spec })));
  await until(() => said(mesh.api, 'Programmed') === 'False AddressNotUsable', 'no such Service');
  mesh.api.put({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'mine', namespace: 'default' },
    spec: { clusterIP: '10.96.0.9' },
  });
  await until(() => said(mesh.api, 'Programmed') === 'True Programmed', 'found');
  assert.deepEqual(addresses(mesh.api), ['10.96.0.9', 'mine.default.svc.cluster.local']);
  assert.equal(at(mesh.api, 'Deployment'), undefined);
});

const parametersRef = { group: '', kind: 'ConfigMap', name: 'more' };
const withParameters = { spec: { infrastructure: { parametersRef } } };
const parameters = (data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'more', namespace: 'default' },
  data,
});
const replicas = (api: FakeApi) => (at(api, 'Deployment')?.['spec'] as { replicas?: number } | undefined)?.replicas;

test('a ConfigMap changes the objects, and what it asks for goes with it', async () => {
  await using mesh = await startMesh({}, (api) => void api.put(gateway(withParameters)));
  const { api } = mesh;
  const budget = () => api.get(RESOURCES.PodDisruptionBudget, 'default/w');
  await until(() => said(api, 'Accepted') === 'False InvalidParameters', 'it is missing');
  assert.match(condition(api, 'Accepted')?.message ?? '', /no ConfigMap default\/more/);
  assert.equal(at(api, 'Service'), undefined);
  api.put(parameters({ deployment: 'spec: {replicas: 2}', podDisruptionBudget: 'spec: {minAvailable: 1}' }));
  await until(() => replicas(api) === 2 && budget() !== undefined, 'applied');
  await until(() => said(api, 'Accepted') === 'True Accepted', 'accepted');
  api.put(parameters({ deployment: 'spec: {replicas: 3}' }));
  await until(() => replicas(api) === 3 && budget() === undefined, 'changed');
  api.put(parameters({ deploymint: '' }));
  await until(() => said(api, 'Accepted') === 'False InvalidParameters', 'a slip');
  assert.equal(replicas(api), 3, 'what runs goes on');
});

test('what a class has for all its Gateways comes before what the Gateway has', async () => {
  await using mesh = await startMesh({}, (api) => {
    api.put({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'defaults',
        namespace: 'istio-system',
        labels: { 'gateway.istio.io/defaults-for-class': 'istio-waypoint' },
      },
      data: { deployment: 'spec: {replicas: 2, minReadySeconds: 7}' },
    });
    api.put(parameters({ deployment: 'spec: {replicas: 4}' }));
    api.put(gateway(withParameters));
  });
  await until(() => replicas(mesh.api) === 4, 'applied');
  assert.match(JSON.stringify(at(mesh.api, 'Deployment')), /"minReadySeconds":7/);
});

test('parameters of another kind are refused', async () => {
  const spec = { infrastructure: { parametersRef: { group: 'x.y', kind: 'Z', name: 'z' } } };
  await using mesh = await startMesh({}, (api) => void api.put(gateway({ spec })));
  await until(() => said(mesh.api, 'Accepted') === 'False InvalidParameters', 'refused');
  assert.match(condition(mesh.api, 'Accepted')?.message ?? '', /must be a ConfigMap/);
});

test('waypoints can be left to somebody else', async () => {
  await using mesh = await startMesh(
    { PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: 'false' },
    (api) => void api.put(gateway()),
  );
  await until(() => mesh.api.get(RESOURCES.ConfigMap, 'default/istio-ca-root-cert') !== undefined, 'others work');
  assert.deepEqual(writes(mesh.api), []);
});
