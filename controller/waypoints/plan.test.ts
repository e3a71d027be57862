import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { type Plan, planWaypoint, type RefusalReason, type WaypointSettings } from './plan.ts';
import { readWish, type WaypointWish } from './wish.ts';

const SETTINGS: WaypointSettings = {
  image: 'ambit/waypoint:0.1.0',
  namespace: 'istio-system',
  revision: 'default',
  clusterId: 'Kubernetes',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  network: '',
};
const MESH = { name: 'mesh', port: 15008, protocol: 'HBONE' };

type Change = {
  readonly name?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: Record<string, unknown>;
};

function wish({ spec, ...metadata }: Change): WaypointWish {
  const read = readWish({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'w', namespace: 'default', uid: 'u', generation: 1, ...metadata },
    spec: { gatewayClassName: 'istio-waypoint', listeners: [MESH], ...spec },
  });
  assert.notEqual(typeof read, 'string', String(read));
  return read as WaypointWish;
}

const plan = (change: Change = {}, settings: Partial<WaypointSettings> = {}): Plan =>
  planWaypoint(wish(change), { ...SETTINGS, ...settings }, { kind: 'overlays', overlays: [] });

function objects(change: Change = {}, settings: Partial<WaypointSettings> = {}) {
  const made = plan(change, settings);
  assert.equal(made.kind, 'objects', JSON.stringify(made));
  const [account, deployment, service] = made.kind === 'objects' ? made.objects : [];
  assert.ok(account && deployment && service);
  const spec = (object: KubeObject) => object['spec'] as Record<string, unknown>;
  const template = spec(deployment)['template'] as { metadata: KubeObject['metadata']; spec: PodSpec };
  const [container] = template.spec.containers;
  assert.ok(container);
  const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
  return { account, deployment, service, template, container, env, serviceSpec: spec(service) as ServiceSpec };
}
type Container = {
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
};
type PodSpec = { readonly serviceAccountName: string; readonly containers: readonly Container[] };
type ServiceSpec = {
  readonly type: string;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly appProtocol: string }[];
};

test('a Gateway is a ServiceAccount, a Deployment and a Service of its name, which it owns', () => {
  const { account, deployment, service } = objects();
  for (const [kind, object] of Object.entries({ ServiceAccount: account, Deployment: deployment, Service: service })) {
    assert.deepEqual([object.kind, object.metadata.name, object.metadata.namespace], [kind, 'w', 'default']);
    assert.deepEqual(object.metadata.ownerReferences, [
      { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', name: 'w', uid: 'u' },
    ]);
    assert.equal(object.metadata.labels?.['gateway.istio.io/managed'], 'istio.io-mesh-controller');
    assert.equal(object.metadata.labels?.['gateway.networking.k8s.io/gateway-name'], 'w');
    assert.equal(object.metadata.labels?.['gateway.networking.k8s.io/gateway-class-name'], 'istio-waypoint');
  }
});

test('its pods stay outside of what they serve, and say who they are', () => {
  const { template } = objects();
  assert.deepEqual(template.metadata.labels, {
    'sidecar.istio.io/inject': 'false',
    'istio.io/dataplane-mode': 'none',
    'service.istio.io/canonical-name': 'w',
    'service.istio.io/canonical-revision': 'latest',
    'gateway.networking.k8s.io/gateway-name': 'w',
    'gateway.networking.k8s.io/gateway-class-name': 'istio-waypoint',
    'gateway.istio.io/managed': 'istio.io-mesh-controller',
  });
  assert.equal(template.metadata.annotations?.['istio.io/rev'], 'default');
  assert.equal(template.metadata.annotations?.['prometheus.io/port'], '15020');
});

test('a rollout takes no pod away before the new one is ready', () => {
  const { strategy } = objects().deployment['spec'] as { strategy: unknown };
  assert.deepEqual(strategy, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } });
});

test('the container is told of its control plane, and of the mesh', () => {
  const { container, env } = objects({}, { namespace: 'mesh', trustDomain: 'td', network: 'n', clusterId: 'c' });
  assert.equal(container.image, 'ambit/waypoint:0.1.0');
  assert.equal(env['CA_ADDRESS'], 'istiod.mesh.svc:15012');
  assert.equal(env['XDS_ADDRESS'], 'istiod.mesh.svc:15012');
  assert.deepEqual([env['TRUST_DOMAIN'], env['NETWORK'], env['ISTIO_META_CLUSTER_ID']], ['td', 'n', 'c']);
  assert.ok('POD_NAME' in env && 'SERVICE_ACCOUNT' in env && 'INSTANCE_IP' in env);
});

test('the Service names the port of the listener and its protocol', () => {
  const { service, serviceSpec } = objects();
  assert.equal(serviceSpec.type, 'ClusterIP');
  assert.deepEqual(
    serviceSpec.ports.map(({ name, port, appProtocol }) => `${name} ${port} ${appProtocol}`),
    ['status-port 15021 tcp', 'mesh 15008 hbone'],
  );
  assert.equal(service.metadata.annotations?.['networking.istio.io/traffic-distribution'], 'PreferClose');
});

const LONG = 'a'.repeat(70);
const ports: readonly (readonly [name: string, listeners: readonly object[], wanted: readonly string[]])[] = [
  ['dots in the name of a listener', [{ ...MESH, name: 'a.b' }], ['a-b']],
  ['a name that is too long for a port', [{ ...MESH, name: LONG }], [LONG.slice(0, 63)]],
  ['the name of the other port', [{ ...MESH, name: 'status-port' }], ['status-port-15008']],
  ['a listener that is none of a waypoint', [MESH, { name: 'web', port: 80, protocol: 'HTTP' }], ['mesh']],
];
for (const [name, listeners, wanted] of ports) {
  test(`ports of the Service: ${name}`, () => {
    const [, ...rest] = objects({ spec: { listeners } }).serviceSpec.ports;
    assert.deepEqual(
      rest.map((port) => port.name),
      wanted,
    );
  });
}

test('labels and annotations of the Gateway go along, those that mean the Gateway itself do not', () => {
  const { service, template, account } = objects({
    labels: { team: 'a', 'gateway.networking.k8s.io/gateway-name': 'x' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', note: 'b' },
  });
  for (const { labels, annotations } of [service.metadata, template.metadata, account.metadata]) {
    assert.equal(labels?.['team'], 'a');
    assert.equal(annotations?.['note'], 'b');
    assert.equal(labels?.['gateway.networking.k8s.io/gateway-name'], 'w');
    assert.equal(annotations?.['kubectl.kubernetes.io/last-applied-configuration'], undefined);
  }
});

test('labels and annotations of the infrastructure stand in place of those of the Gateway, and never over the marks', () => {
  const { service, template } = objects({
    labels: { team: 'a' },
    annotations: { note: 'b' },
    spec: {
      infrastructure: {
        labels: { cost: 'c', 'service.istio.io/canonical-name': 'x', 'gateway.istio.io/managed': 'me' },
        annotations: { mark: 'd' },
      },
    },
  });
  assert.deepEqual([service.metadata.labels?.['team'], service.metadata.labels?.['cost']], [undefined, 'c']);
  assert.deepEqual([service.metadata.annotations?.['note'], service.metadata.annotations?.['mark']], [undefined, 'd']);
  assert.equal(template.metadata.labels?.['service.istio.io/canonical-name'], 'x');
  assert.equal(template.metadata.labels?.['gateway.istio.io/managed'], 'istio.io-mesh-controller');
});

test('other names by annotation', () => {
  const named = objects({ annotations: { 'gateway.istio.io/name-override': 'other' } });
  assert.deepEqual([named.service.metadata.name, named.deployment.metadata.name], ['other', 'other']);
  assert.equal(named.template.spec.serviceAccountName, 'other');
  assert.equal(named.template.metadata.labels?.['gateway.networking.k8s.io/gateway-name'], 'w');
  const account = objects({ annotations: { 'gateway.istio.io/service-account': 'me' } });
  assert.deepEqual([account.account.metadata.name, account.service.metadata.name], ['me', 'w']);
  assert.equal(account.template.spec.serviceAccountName, 'me');
});

test('image, log level and type of Service by annotation', () => {
  const { container, env, serviceSpec } = objects({
    annotations: {
      'sidecar.istio.io/proxyImage': 'mine:1',
      'sidecar.istio.io/logLevel': 'debug',
      'networking.istio.io/service-type': 'LoadBalancer',
    },
  });
  assert.deepEqual([container.image, env['RUST_LOG'], serviceSpec.type], ['mine:1', 'debug', 'LoadBalancer']);
});

const refusals: readonly (readonly [name: string, change: Change, reason: RefusalReason, message: RegExp])[] = [
  ['no listener', { spec: { listeners: [] } }, 'ListenersNotValid', /needs a listener/],
  ['a listener for HTTP alone', { spec: { listeners: [{ ...MESH, protocol: 'HTTP' }] } }, 'ListenersNotValid', /15008/],
  ['another port', { spec: { listeners: [{ ...MESH, port: 15009 }] } }, 'ListenersNotValid', /not on 15009/],
  ['an address of its own', { spec: { addresses: [{ value: '10.0.0.1' }] } }, 'UnsupportedAddress', /from its Service/],
  [
    'two addresses',
    { spec: { addresses: ['a.b', 'c.d'].map((value) => ({ type: 'Hostname', value })) } },
    'UnsupportedAddress',
    /one address/,
  ],
  ['a name with a dot', { name: 'a.b' }, 'Invalid', /name-override/],
  ['a name that is too long', { name: LONG }, 'Invalid', /63/],
  ['the name that opts out', { name: 'none' }, 'Invalid', /opts out/],
  [
    'an unknown type of Service',
    { annotations: { 'networking.istio.io/service-type': 'Any' } },
    'Invalid',
    /ClusterIP, NodePort, LoadBalancer/,
  ],
];
for (const [name, change, reason, message] of refusals) {
  test(`a waypoint with ${name} is refused`, () => {
    const made = plan(change);
    assert.equal(made.kind, 'refused');
    if (made.kind !== 'refused') return;
    assert.equal(made.reason, reason);
    assert.match(made.message, message);
  });
}

test('a name with a dot is served under another one', () => {
  assert.equal(
    objects({ name: 'a.b', annotations: { 'gateway.istio.io/name-override': 'ab' } }).service.metadata.name,
    'ab',
  );
});

const elsewhere: readonly (readonly [name: string, hostname: string, service: string | undefined])[] = [
  ['a Service of this cluster', 'mine.other.svc.cluster.local', 'other/mine'],
  ['a Service of another domain', 'mine.other.svc.else.where', undefined],
  ['a host', 'proxy.example.com', undefined],
];
for (const [name, hostname, service] of elsewhere) {
  test(`a waypoint that runs at ${name} needs no objects`, () => {
    const addresses = [{ type: 'Hostname', value: hostname }];
    assert.deepEqual(plan({ spec: { addresses } }), { kind: 'elsewhere', hostname, service });
  });
}

test('an address without a value asks for nothing', () => {
  assert.equal(plan({ spec: { addresses: [{ type: 'IPAddress' }] } }).kind, 'objects');
});

test('overlays change the objects, the last one last, and not what they are known by', () => {
  const made = planWaypoint(wish({}), SETTINGS, {
    kind: 'overlays',
    overlays: [
      { Deployment: { spec: { replicas: 2, template: { spec: { priorityClassName: 'a' } } } } },
      {
        Deployment: {
          metadata: { labels: { 'gateway.istio.io/managed': null, x: 'y' } },
          spec: {
            replicas: 3,
            template: {
              metadata: { labels: { 'gateway.networking.k8s.io/gateway-name': 'other' } },
              spec: { containers: [{ name: 'istio-proxy', resources: { limits: { cpu: '4' } } }] },
            },
          },
        },
        PodDisruptionBudget: { spec: { minAvailable: 1 } },
        HorizontalPodAutoscaler: { spec: { maxReplicas: 5 } },
      },
    ],
  });
  assert.equal(made.kind, 'objects');
  if (made.kind !== 'objects') return;
  const [, deployment, , scaler, budget] = made.objects;
  assert.ok(deployment);
  const { replicas, template } = deployment['spec'] as {
    replicas: number;
    template: { metadata: KubeObject['metadata']; spec: object };
  };
  assert.deepEqual([replicas, deployment.metadata.labels?.['x']], [3, 'y']);
  assert.equal(deployment.metadata.labels?.['gateway.istio.io/managed'], 'istio.io-mesh-controller');
  assert.equal(template.metadata.labels?.['gateway.networking.k8s.io/gateway-name'], 'w');
  assert.match(JSON.stringify(template.spec), /"priorityClassName":"a"/);
  assert.match(JSON.stringify(template.spec), /"limits":{"cpu":"4","memory":"1Gi"}/);
  assert.deepEqual(scaler?.['spec'], {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'w' },
    maxReplicas: 5,
  });
  assert.deepEqual(budget?.['spec'], {
    selector: { matchLabels: { 'gateway.networking.k8s.io/gateway-name': 'w' } },
    minAvailable: 1,
  });
});

test('parameters that can not be read refuse the whole', () => {
  const made = planWaypoint(wish({}), SETTINGS, { kind: 'invalid', message: 'why' });
  assert.deepEqual(made, { kind: 'refused', reason: 'InvalidParameters', message: 'why' });
});

test('a Gateway that no definition would have let in is a problem, not a crash', () => {
  const metadata = { name: 'w', namespace: 'default' };
  assert.match(String(readWish({ apiVersion: 'v1', kind: 'Gateway', metadata, spec: { listeners: 3 } })), /listeners/);
});
