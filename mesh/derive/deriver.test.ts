import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, type Delta, type KubeObject } from '../kube-object.ts';
import type { Service, Workload } from '../model.ts';
import { compilePolicy } from '../policy/compile.ts';
import { evaluate } from '../policy/evaluate.ts';
import { policyScope } from '../policy/scope.ts';
import { at } from '../test-support.ts';
import { Deriver } from './deriver.ts';
import {
  authorizationPolicy,
  gateway,
  kubeService,
  namespace,
  node,
  peerAuthentication,
  pod,
  serviceEntry,
  slice,
  workloadEntry,
} from './test-objects.ts';

function deriverOf(...objects: readonly KubeObject[]): Deriver {
  const deriver = new Deriver(DEFAULT_MESH_CONFIG);
  for (const object of objects) deriver.apply(object);
  return deriver;
}

function workload(deriver: Deriver, uid: string): Workload {
  const address = deriver.addresses.get(uid);
  assert.ok(address?.kind === 'workload', `no workload ${uid} among ${[...deriver.addresses.keys()]}`);
  return address.workload;
}

function service(deriver: Deriver, key: string): Service {
  const address = deriver.addresses.get(key);
  assert.ok(address?.kind === 'service', `no service ${key} among ${[...deriver.addresses.keys()]}`);
  return address.service;
}

const A = 'Kubernetes//Pod/app/a';
const HOST = 'svc.app.svc.cluster.local';

test('a pod becomes a workload while it has an address and has not ended', () => {
  const rows: readonly [string, KubeObject, string | undefined][] = [
    ['ready', pod('app/a', { ips: ['10.0.0.1', 'fd00::1'] }), 'HEALTHY 10.0.0.1 fd00::1'],
    ['not ready', pod('app/a', { ips: ['10.0.0.1'], ready: false }), 'UNHEALTHY 10.0.0.1'],
    [
      'pending with an address',
      pod('app/a', { ips: ['10.0.0.1'], phase: 'Pending', ready: false }),
      'UNHEALTHY 10.0.0.1',
    ],
    [
      'terminating',
      pod('app/a', { ips: ['10.0.0.1'], deletionTimestamp: '2026-01-01T00:00:00Z' }),
      'UNHEALTHY 10.0.0.1',
    ],
    ['without address', pod('app/a'), undefined],
    ['succeeded', pod('app/a', { ips: ['10.0.0.1'], phase: 'Succeeded' }), undefined],
    ['failed', pod('app/a', { ips: ['10.0.0.1'], phase: 'Failed' }), undefined],
    ['an address that can not be read', pod('app/a', { ips: ['10.0.0.1', 'x'] }), undefined],
    [
      'only the old address field',
      { ...pod('app/a'), status: { phase: 'Running', podIP: '10.0.0.3' } },
      'UNHEALTHY 10.0.0.3',
    ],
  ];
  for (const [name, object, want] of rows) {
    const address = deriverOf(object).addresses.get(A);
    const w = address?.kind === 'workload' ? address.workload : undefined;
    assert.equal(w && [w.status, ...w.addresses].join(' '), want, name);
  }
});

test('how a pod is reached follows from what the node agent wrote', () => {
  const rows: readonly [string, Parameters<typeof pod>[1], string][] = [
    ['redirected', {}, 'HBONE'],
    ['pending is not redirected', { annotations: { 'ambient.istio.io/redirection': 'pending' } }, 'NONE'],
    ['not in the mesh', { annotations: {} }, 'NONE'],
    [
      'terminates tunnels itself',
      { annotations: {}, labels: { 'networking.istio.io/tunnel': 'x,http' } },
      'HBONE native',
    ],
    ['host network', { annotations: {}, spec: { hostNetwork: true } }, 'NONE HOST_NETWORK'],
  ];
  for (const [name, fields, want] of rows) {
    const w = workload(deriverOf(pod('app/a', { ips: ['10.0.0.1'], ...fields })), A);
    const got = [w.tunnelProtocol, w.nativeTunnel && 'native', w.networkMode === 'HOST_NETWORK' && w.networkMode];
    assert.equal(got.filter(Boolean).join(' '), want, name);
  }
});

test('names of a workload come from labels, else from its owner', () => {
  const owner = (kind: string, name: string) => ({
    generateName: 'x-',
    ownerReferences: [{ apiVersion: 'v1', kind, name, controller: true }],
  });
  const rows: readonly [string, Parameters<typeof pod>[1], string][] = [
    ['a bare pod', {}, 'a a latest'],
    ['a Deployment', { ...owner('ReplicaSet', 'web-5f7'), labels: { 'pod-template-hash': '5f7' } }, 'web web latest'],
    [
      'a Rollout',
      { ...owner('ReplicaSet', 'web-5f7'), labels: { 'rollouts-pod-template-hash': '5f7' } },
      'web web latest',
    ],
    ['a ReplicaSet of its own', owner('ReplicaSet', 'web-5f7'), 'web-5f7 web-5f7 latest'],
    ['a CronJob', owner('Job', 'backup-29000000'), 'backup backup latest'],
    ['a Job', owner('Job', 'backup-1'), 'backup-1 backup-1 latest'],
    [
      'a DeploymentConfig',
      { ...owner('ReplicationController', 'web-1'), labels: { deploymentconfig: 'web' } },
      'web web latest',
    ],
    ['a DaemonSet', owner('DaemonSet', 'agent'), 'agent agent latest'],
    [
      'an owner without generated name',
      { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', controller: true }] },
      'a a latest',
    ],
    ['labels', { labels: { 'service.istio.io/workload-name': 'w', app: 'x', version: 'v1' } }, 'w x v1'],
    [
      'labels of Kubernetes',
      { labels: { 'app.kubernetes.io/name': 'k', app: 'x', 'app.kubernetes.io/version': 'v2', version: 'v1' } },
      'a k v2',
    ],
    [
      'labels of the mesh',
      {
        labels: {
          'service.istio.io/canonical-name': 'c',
          'app.kubernetes.io/name': 'k',
          'service.istio.io/canonical-revision': 'v3',
        },
      },
      'a c v3',
    ],
  ];
  for (const [name, fields, want] of rows) {
    const w = workload(deriverOf(pod('app/a', { ips: ['10.0.0.1'], ...fields })), A);
    assert.equal(`${w.workloadName} ${w.canonicalName} ${w.canonicalRevision}`, want, name);
  }
});

test('a service is derived as the table says', () => {
  const balancing = (s: Service) =>
    s.loadBalancing &&
    `${s.loadBalancing.mode} ${s.loadBalancing.routingPreference.join(',')} ${s.loadBalancing.healthPolicy}`;
  const distribution = (value: string) => ({ annotations: { 'networking.istio.io/traffic-distribution': value } });
  const ns = namespace('app', distribution('preferSAMENODE'));
  const zone = 'FAILOVER NETWORK,REGION,ZONE ONLY_HEALTHY';
  const sameNode = 'FAILOVER NETWORK,REGION,ZONE,SUBZONE,NODE ONLY_HEALTHY';
  const rows: readonly [string, readonly KubeObject[], (s: Service) => unknown, unknown][] = [
    [
      'addresses',
      [kubeService('app/svc', { clusterIPs: ['10.1.0.1', 'fd00::1'] })],
      (s) => s.addresses.map((a) => a.address),
      ['10.1.0.1', 'fd00::1'],
    ],
    [
      'one address',
      [kubeService('app/svc', { clusterIP: '10.1.0.1' })],
      (s) => s.addresses.map((a) => a.address),
      ['10.1.0.1'],
    ],
    ['headless', [kubeService('app/svc', { clusterIP: 'None', clusterIPs: ['None'] })], (s) => s.addresses, []],
    ['no address yet', [kubeService('app/svc', { clusterIP: '' })], (s) => s.addresses, []],
    ['two families', [kubeService('app/svc', { ipFamilies: ['IPv4', 'IPv6'] })], (s) => s.ipFamilies, 'DUAL'],
    ['IPv4', [kubeService('app/svc', { ipFamilies: ['IPv4'] })], (s) => s.ipFamilies, 'IPV4_ONLY'],
    ['IPv6', [kubeService('app/svc', { ipFamilies: ['IPv6'] })], (s) => s.ipFamilies, 'IPV6_ONLY'],
    ['no family', [kubeService('app/svc', {})], (s) => s.ipFamilies, 'AUTOMATIC'],
    [
      'ports',
      [
        kubeService('app/svc', {
          ports: [{ port: 80 }, { port: 81, targetPort: 8081 }, { port: 82, targetPort: 'web' }],
        }),
      ],
      (s) => s.ports.map((p) => [p.servicePort, p.targetPort]),
      [
        [80, 80],
        [81, 8081],
        [82, 0],
      ],
    ],
    [
      'TCP before UDP on one number',
      [
        kubeService('app/svc', {
          ports: [
            { port: 53, protocol: 'UDP', targetPort: 1 },
            { port: 53, targetPort: 2 },
            { port: 54, protocol: 'UDP' },
          ],
        }),
      ],
      (s) => s.ports.map((p) => [p.servicePort, p.targetPort, p.appProtocol]),
      [
        [53, 2, 'TCP'],
        [54, 54, 'UNKNOWN'],
      ],
    ],
    ['no balancing', [kubeService('app/svc', {})], balancing, undefined],
    ['PreferClose', [kubeService('app/svc', { trafficDistribution: 'PreferClose' })], balancing, zone],
    ['PreferSameZone', [kubeService('app/svc', { trafficDistribution: 'PreferSameZone' })], balancing, zone],
    ['PreferSameNode', [kubeService('app/svc', { trafficDistribution: 'PreferSameNode' })], balancing, sameNode],
    ['by annotation, any case', [kubeService('app/svc', {}, distribution('PREFERclose'))], balancing, zone],
    ['by the namespace', [ns, kubeService('app/svc', {})], balancing, sameNode],
    [
      'the field before the annotation',
      [kubeService('app/svc', { trafficDistribution: 'PreferClose' }, distribution('PreferSameNode'))],
      balancing,
      zone,
    ],
    ['an unknown value stops the search', [ns, kubeService('app/svc', {}, distribution('Any'))], balancing, undefined],
    [
      'a name of JavaScript is unknown, too',
      [kubeService('app/svc', {}, distribution('constructor'))],
      balancing,
      undefined,
    ],
    [
      'local only beats all',
      [kubeService('app/svc', { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose' })],
      balancing,
      'STRICT NODE ONLY_HEALTHY',
    ],
    [
      'not ready, too',
      [kubeService('app/svc', { publishNotReadyAddresses: true })],
      balancing,
      'UNSPECIFIED_MODE  ALLOW_ALL',
    ],
    [
      'not ready, too, with a preference',
      [kubeService('app/svc', { publishNotReadyAddresses: true, trafficDistribution: 'PreferClose' })],
      balancing,
      'FAILOVER NETWORK,REGION,ZONE ALLOW_ALL',
    ],
    [
      'always canonical and public',
      [kubeService('app/svc', {})],
      (s) => [s.canonical, s.visibility, s.hostname, s.name],
      [true, 'PUBLIC', HOST, 'svc'],
    ],
  ];
  for (const [name, objects, of, want] of rows)
    assert.deepEqual(of(service(deriverOf(...objects), `app/${HOST}`)), want, name);
});

test('a preference of one service never leaks into another', () => {
  const d = deriverOf(
    kubeService('app/svc', { trafficDistribution: 'PreferClose', publishNotReadyAddresses: true }),
    kubeService('app/other', { trafficDistribution: 'PreferClose' }),
  );
  assert.equal(service(d, `app/${HOST}`).loadBalancing?.healthPolicy, 'ALLOW_ALL');
  assert.equal(service(d, 'app/other.app.svc.cluster.local').loadBalancing?.healthPolicy, 'ONLY_HEALTHY');
});

test('the protocol of a port is what it declares, else what its name says', () => {
  const rows: readonly [Record<string, unknown>, string][] = [
    [{ name: 'http-web' }, 'HTTP11'],
    [{ name: 'HTTP' }, 'HTTP11'],
    [{ name: 'http2-x' }, 'HTTP2'],
    [{ name: 'grpc' }, 'GRPC'],
    [{ name: 'grpc-web-x' }, 'UNKNOWN'],
    [{ name: 'https' }, 'TLS'],
    [{ name: 'tls-x' }, 'TLS'],
    [{ name: 'tcp-x' }, 'TCP'],
    [{ name: 'mysql' }, 'UNKNOWN'],
    [{ name: 'constructor' }, 'UNKNOWN'],
    [{ port: 3306 }, 'TCP'],
    [{ port: 3306, name: 'http' }, 'HTTP11'],
    [{ name: 'tcp', appProtocol: 'http' }, 'HTTP11'],
    [{ name: 'tcp', appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
    [{ appProtocol: 'kubernetes.io/ws' }, 'HTTP11'],
    [{ appProtocol: 'kubernetes.io/wss' }, 'TLS'],
    [{ name: 'http', appProtocol: 'example.com/own' }, 'UNKNOWN'],
    [{ name: 'http', protocol: 'UDP' }, 'UNKNOWN'],
  ];
  for (const [port, want] of rows) {
    const d = deriverOf(kubeService('app/svc', { ports: [{ port: 80, ...port }] }));
    assert.equal(service(d, `app/${HOST}`).ports[0]?.appProtocol, want, JSON.stringify(port));
  }
});

test('a pod is behind the services that select it, with its own numbers for named ports', () => {
  const d = deriverOf(
    pod('app/a', {
      ips: ['10.0.0.1'],
      labels: { app: 'x', tier: 'web' },
      ports: { web: 8080 },
      spec: {
        initContainers: [
          { restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 9090 }] },
          { ports: [{ name: 'once', containerPort: 1 }] },
        ],
        containers: [
          {
            ports: [
              { name: 'web', containerPort: 8080 },
              { name: 'udp', containerPort: 53, protocol: 'UDP' },
            ],
          },
        ],
      },
    }),
    kubeService('app/one', {
      selector: { app: 'x' },
      ports: [
        { port: 80, targetPort: 'web' },
        { port: 81, targetPort: 'nope' },
        { port: 82, targetPort: 'side' },
        { port: 83, targetPort: 'once' },
        { port: 84, targetPort: 'udp' },
        { port: 85 },
      ],
    }),
    kubeService('app/two', { selector: { app: 'x', tier: 'web' }, ports: [{ port: 80, targetPort: 8081 }] }),
    kubeService('app/three', { selector: { app: 'y' } }),
    kubeService('app/all', { selector: {} }),
    kubeService('other/one', { selector: { app: 'x' } }),
    kubeService('app/ext', { type: 'ExternalName', externalName: 'x', selector: { app: 'x' } }),
  );
  const ports = [...workload(d, A).services].map(([key, list]) => [
    key,
    list.map((p) => [p.servicePort, p.targetPort]),
  ]);
  assert.deepEqual(ports, [
    [
      'app/one.app.svc.cluster.local',
      [
        [80, 8080],
        [82, 9090],
        [85, 85],
      ],
    ],
    ['app/two.app.svc.cluster.local', [[80, 8081]]],
  ]);
  d.apply(pod('app/a', { ips: ['10.0.0.1'], labels: { app: 'y' } }));
  assert.deepEqual([...workload(d, A).services.keys()], ['app/three.app.svc.cluster.local'], 'a label moves it');
  assert.ok(!d.addresses.has('app/ext.app.svc.cluster.local'));
});

test('endpoints that are no pods become workloads, and pods that a slice names join a service without selector', () => {
  const ports = [
    { name: 'web', port: 8080 },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];
  const endpoints = [
    { addresses: ['192.0.2.1', 'junk'] },
    { addresses: ['192.0.2.2'], conditions: { ready: false } },
    { addresses: ['10.0.0.1'], targetRef: { kind: 'Pod', namespace: 'app', name: 'a', uid: 'uid-app/a' } },
  ];
  const spec = {
    ports: [
      { name: 'web', port: 80 },
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'none', port: 81 },
    ],
  };
  const d = deriverOf(slice('app/s1', 'svc', endpoints, ports), pod('app/a', { ips: ['10.0.0.1'] }));
  assert.deepEqual([...d.addresses.keys()], [A], 'nothing without the service');
  d.apply(kubeService('app/svc', spec));
  const one = workload(d, 'Kubernetes/discovery.k8s.io/EndpointSlice/app/s1/192.0.2.1');
  assert.deepEqual(
    [one.name, one.status, one.networkMode, one.tunnelProtocol],
    ['s1', 'HEALTHY', 'HOST_NETWORK', 'NONE'],
  );
  assert.deepEqual(
    [...one.services],
    [[`app/${HOST}`, [{ servicePort: 80, targetPort: 8080, appProtocol: 'UNKNOWN' }]]],
  );
  assert.equal(workload(d, 'Kubernetes/discovery.k8s.io/EndpointSlice/app/s1/192.0.2.2').status, 'UNHEALTHY');
  assert.equal(d.addresses.size, 4, 'the named pod is not repeated');
  assert.deepEqual([...workload(d, A).services.keys()], [`app/${HOST}`]);

  d.apply(pod('app/a', { ips: ['10.0.0.1'], uid: 'another' }));
  assert.deepEqual([...workload(d, A).services.keys()], [], 'the slice means an earlier pod of this name');
  d.apply(slice('app/s1', 'svc', [endpoints[1] ?? {}], ports));
  assert.ok(!d.addresses.has('Kubernetes/discovery.k8s.io/EndpointSlice/app/s1/192.0.2.1'));
  assert.deepEqual(d.remove(kubeService('app/svc', {})).addresses.removed.toSorted(), [
    'Kubernetes/discovery.k8s.io/EndpointSlice/app/s1/192.0.2.2',
    `app/${HOST}`,
  ]);
});

test('slices that the mesh can not use are left alone', () => {
  const endpoints = [{ addresses: ['192.0.2.1'] }];
  const d = deriverOf(
    kubeService('app/svc', {}),
    { ...slice('app/names', 'svc', endpoints), addressType: 'FQDN' },
    { ...slice('app/orphan', 'svc', endpoints), metadata: { namespace: 'app', name: 'orphan' } },
    slice('app/ext', 'nothing', endpoints),
  );
  assert.deepEqual([...d.addresses.keys()], [`app/${HOST}`]);
});

test('the node says where a pod is', () => {
  const d = deriverOf(pod('app/a', { ips: ['10.0.0.1'], node: 'n1' }));
  assert.equal(workload(d, A).locality, undefined);
  d.apply(node('n1', { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': 'z' }));
  assert.deepEqual(workload(d, A).locality, { region: 'r', zone: 'z', subzone: '' });
  d.apply(node('n1', {}));
  assert.equal(workload(d, A).locality, undefined);
});

test('the root namespace says which network everything is in, and nothing is missed when it changes', () => {
  const d = deriverOf(
    pod('app/a', { ips: ['10.0.0.1'], labels: { 'topology.istio.io/network': 'ignored' } }),
    kubeService('app/svc', { clusterIP: '10.1.0.1' }),
    slice('app/s', 'svc', [{ addresses: ['192.0.2.1'] }]),
  );
  const delta = d.apply(namespace('istio-system', { labels: { 'topology.istio.io/network': 'n1' } }));
  assert.equal(delta.addresses.upserted.length, 3);
  for (const address of d.addresses.values()) {
    const network = address.kind === 'workload' ? address.workload.network : address.service.addresses[0]?.network;
    assert.equal(network, 'n1');
  }
});

test('policies come before or after their pods, follow their selectors and go', () => {
  const selecting = (labels: Record<string, string>) => ({ selector: { matchLabels: labels } });
  const a = pod('app/a', { ips: ['10.0.0.1'], labels: { app: 'a' } });
  const d = deriverOf(
    authorizationPolicy('app/z', selecting({ app: 'a' })),
    a,
    authorizationPolicy('app/wide', {}),
    authorizationPolicy('istio-system/root', selecting({ app: 'a' })),
    authorizationPolicy('other/else', selecting({ app: 'a' })),
  );
  const named = () => workload(d, A).authorizationPolicies;
  assert.deepEqual(named(), ['app/z', 'istio-system/root'], 'by selector only, own and root namespace, sorted');
  d.apply(peerAuthentication('istio-system/default', { mtls: { mode: 'STRICT' } }));
  d.apply(authorizationPolicy('app/all', { selector: { matchLabels: {} } }));
  assert.deepEqual(named(), ['app/all', 'app/z', 'istio-system/root', 'istio-system/istio_converted_static_strict']);
  d.apply(authorizationPolicy('app/z', selecting({ app: 'b' })));
  d.remove(authorizationPolicy('app/all', {}));
  d.remove(peerAuthentication('istio-system/default', {}));
  assert.deepEqual(named(), ['istio-system/root']);
  d.apply(authorizationPolicy('istio-system/root', { ...selecting({ app: 'a' }), action: 'CUSTOM' }));
  assert.deepEqual(named(), [], 'a policy that is not sent is not named');
  assert.ok(!d.authorizations.has('istio-system/root'));
});

const summary = (delta: Delta) => ({
  up: delta.addresses.upserted.map((a) => (a.kind === 'workload' ? a.workload.name : a.service.name)).sort(),
  down: [...delta.addresses.removed].sort(),
  policies: [
    ...delta.authorizations.upserted.map((a) => a.name),
    ...delta.authorizations.removed.map((key) => `-${key}`),
  ].sort(),
});

test('a change touches only what depends on it', () => {
  const pods = ['a', 'b', 'c'].map((n, i) =>
    pod(`app/${n}`, { ips: [`10.0.0.${i + 1}`], labels: { app: n }, node: `n${n}` }),
  );
  const d = deriverOf(...pods, kubeService('app/svc', { selector: { app: 'a' } }), namespace('app'));
  const nothing = { up: [], down: [], policies: [] };
  const rows: readonly [string, () => Delta, ReturnType<typeof summary>][] = [
    [
      'the same pod again',
      () => d.apply(pod('app/a', { ips: ['10.0.0.1'], labels: { app: 'a' }, node: 'na', resourceVersion: '9' })),
      nothing,
    ],
    [
      'one pod unready',
      () => d.apply(pod('app/a', { ips: ['10.0.0.1'], labels: { app: 'a' }, node: 'na', ready: false })),
      { ...nothing, up: ['a'] },
    ],
    [
      'a label nobody asks for',
      () => d.apply(pod('app/b', { ips: ['10.0.0.2'], labels: { app: 'b', x: 'y' }, node: 'nb' })),
      nothing,
    ],
    [
      'a service that selects one pod',
      () => d.apply(kubeService('app/new', { selector: { app: 'b' } })),
      { ...nothing, up: ['b', 'new'] },
    ],
    [
      'an address of a service',
      () => d.apply(kubeService('app/new', { selector: { app: 'b' }, clusterIP: '10.1.0.9' })),
      { ...nothing, up: ['new'] },
    ],
    [
      'an entry that selects one pod',
      () => d.apply(serviceEntry('app/e', { hosts: ['e.example.com'], workloadSelector: { labels: { app: 'a' } } })),
      { ...nothing, up: ['a', 'e'] },
    ],
    [
      'its addresses',
      () =>
        d.apply(
          serviceEntry('app/e', {
            hosts: ['e.example.com'],
            addresses: ['10.2.0.1'],
            workloadSelector: { labels: { app: 'a' } },
          }),
        ),
      { ...nothing, up: ['e'] },
    ],
    [
      'a machine',
      () => d.apply(workloadEntry('app/m', { address: '192.0.2.1', labels: { app: 'a' } })),
      { ...nothing, up: ['m'] },
    ],
    ['a gateway that nobody asks for', () => d.apply(gateway('app/w')), nothing],
    ['a label of the namespace', () => d.apply(namespace('app', { labels: { x: 'y' } })), nothing],
    ['a node', () => d.apply(node('nc', { 'topology.kubernetes.io/zone': 'z' })), { ...nothing, up: ['c'] }],
    ['the same node again', () => d.apply(node('nc', { 'topology.kubernetes.io/zone': 'z', load: 'high' })), nothing],
    ['a policy of the namespace', () => d.apply(authorizationPolicy('app/p', {})), { ...nothing, policies: ['p'] }],
    [
      'a policy that selects',
      () => d.apply(authorizationPolicy('app/q', { selector: { matchLabels: { app: 'c' } } })),
      { ...nothing, up: ['c'], policies: ['q'] },
    ],
    [
      'its rules',
      () => d.apply(authorizationPolicy('app/q', { selector: { matchLabels: { app: 'c' } }, rules: [{}] })),
      { ...nothing, policies: ['q'] },
    ],
    ['its end', () => d.remove(authorizationPolicy('app/q', {})), { ...nothing, up: ['c'], policies: ['-app/q'] }],
    [
      'a kind that plays no part',
      () => d.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }),
      nothing,
    ],
    ['the end of a pod', () => d.remove(pod('app/b')), { ...nothing, down: ['Kubernetes//Pod/app/b'] }],
    ['the end of a pod, again', () => d.remove(pod('app/b')), nothing],
    [
      'an ended pod',
      () => d.apply(pod('app/c', { ips: ['10.0.0.3'], phase: 'Succeeded' })),
      { ...nothing, down: ['Kubernetes//Pod/app/c'] },
    ],
  ];
  for (const [name, change, want] of rows) assert.deepEqual(summary(change()), want, name);
});

test('a new configuration changes what it must and nothing else', () => {
  const d = deriverOf(
    pod('app/a', { ips: ['10.0.0.1'] }),
    kubeService('app/svc', {}),
    authorizationPolicy('conf/p', {}),
  );
  assert.deepEqual(summary(d.reconfigure({ ...DEFAULT_MESH_CONFIG })), { up: [], down: [], policies: [] });
  assert.deepEqual(summary(d.reconfigure({ ...DEFAULT_MESH_CONFIG, trustDomain: 'td' })), {
    up: ['a'],
    down: [],
    policies: [],
  });
  assert.deepEqual(summary(d.reconfigure({ ...DEFAULT_MESH_CONFIG, trustDomain: 'td', rootNamespace: 'conf' })), {
    up: [],
    down: [],
    policies: ['p'],
  });
  assert.equal(d.authorizations.get('conf/p')?.scope, 'GLOBAL');
  const renamed = summary(d.reconfigure({ ...DEFAULT_MESH_CONFIG, clusterId: 'east', clusterDomain: 'mesh.example' }));
  assert.deepEqual(renamed.down, [A, `app/${HOST}`]);
  assert.deepEqual([...d.addresses.keys()].sort(), ['app/svc.app.svc.mesh.example', 'east//Pod/app/a']);
});

test('the status of a policy is said once, again when it changes, and by the one who enforces it', () => {
  const d = new Deriver(DEFAULT_MESH_CONFIG);
  const said = (spec: Record<string, unknown>, generation = 1) =>
    d
      .apply(authorizationPolicy('app/p', spec, { generation }))
      .conditions.map((c) => `${c.type} ${c.status} ${c.reason} ${c.object.generation}`);
  assert.deepEqual(said({}), ['ZtunnelAccepted True Accepted 1']);
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ action: 'CUSTOM' }, 2), ['ZtunnelAccepted False UnsupportedValue 2']);
  assert.deepEqual(said({ targetRefs: [{ kind: 'Service', name: 's' }] }, 3), [
    'ZtunnelAccepted undefined  3',
    'WaypointAccepted False TargetNotFound 3',
  ]);
  assert.deepEqual(said({ targetRefs: [{ kind: 'Service', name: 's' }] }, 3), []);
  assert.deepEqual(said({}, 4), ['ZtunnelAccepted True Accepted 4', 'WaypointAccepted undefined  4']);
  d.remove(authorizationPolicy('app/p', {}));
  assert.deepEqual(said({}), ['ZtunnelAccepted True Accepted 1'], 'a new object of the name is told again');
});

test('rules that were left out do not shift the numbers that people see', () => {
  const rules = [{ to: [{ operation: { methods: ['GET'] } }] }, {}];
  const d = deriverOf(authorizationPolicy('app/p', { rules }));
  const authorization = d.authorizations.get('app/p');
  assert.ok(authorization);
  const facts = { from: at('10.0.0.1', 1), to: at('10.0.0.2', 80) };
  const decision = evaluate(policyScope([compilePolicy(authorization)], []), facts);
  assert.deepEqual(decision.because, { policy: 'app/p', rule: 1 });
  const reading = d.policyReading('app/p');
  assert.deepEqual(reading?.kind === 'policy' && reading.rules.map((r) => r.enforcement), ['left-out', 'as-written']);
});

test('an invalid service is kept out with its reason, and everything else goes on', () => {
  const d = new Deriver(DEFAULT_MESH_CONFIG);
  const bad = d.apply(kubeService('app/svc', { clusterIPs: ['10.1.0.1', 'no address'] }));
  assert.deepEqual(
    bad.conditions.map((c) => [c.type, c.status, c.reason, c.message]),
    [['ambit.io/Accepted', 'False', 'Invalid', 'spec.clusterIPs: "no address" is no address']],
  );
  assert.equal(d.addresses.size, 0);
  const good = d.apply(kubeService('app/svc', { clusterIPs: ['10.1.0.1'] }));
  assert.deepEqual([good.addresses.upserted.length, good.conditions[0]?.status], [1, undefined]);
});

test('only namespaces that discovery selectors select count, from the moment they do and as long', () => {
  const discoverySelectors = [
    { matchLabels: { mesh: 'yes' } },
    { matchLabels: { 'kubernetes.io/metadata.name': 'app' } },
  ];
  const config = { ...DEFAULT_MESH_CONFIG, discoverySelectors };
  const d = new Deriver(config);
  const objects = [
    pod('other/a', { ips: ['10.0.0.1'] }),
    pod('app/a', { ips: ['10.0.0.2'] }),
    authorizationPolicy('other/p', {}),
  ];
  d.applyAll(objects);
  assert.deepEqual([...d.addresses.keys()], [A], 'by its name, though nobody showed the namespace');
  const here = { up: ['a'], down: [], policies: ['p'] };
  const gone = { up: [], down: ['Kubernetes//Pod/other/a'], policies: ['-other/p'] };
  assert.deepEqual(summary(d.apply(namespace('other', { labels: { mesh: 'yes' } }))), here);
  assert.deepEqual(summary(d.apply(namespace('other'))), gone);
  assert.deepEqual(summary(d.reconfigure(DEFAULT_MESH_CONFIG)), here);
  assert.deepEqual(summary(d.reconfigure(config)), gone);
  d.remove(pod('other/a'));
  assert.deepEqual(summary(d.reconfigure(DEFAULT_MESH_CONFIG)), { ...here, up: [] }, 'what went meanwhile stays away');
});

test('objects full of nonsense are survived', () => {
  const d = new Deriver(DEFAULT_MESH_CONFIG);
  const kinds = [
    'v1 Pod',
    'v1 Service',
    'v1 Namespace',
    'v1 Node',
    'discovery.k8s.io/v1 EndpointSlice',
    'security.istio.io/v1 AuthorizationPolicy',
    'security.istio.io/v1 PeerAuthentication',
    'networking.istio.io/v1 ServiceEntry',
    'networking.istio.io/v1 WorkloadEntry',
    'gateway.networking.k8s.io/v1 Gateway',
    'gateway.networking.k8s.io/v1 GatewayClass',
  ];
  const junk: readonly unknown[] = [null, 7, 'x', [], [null], {}, { a: null }];
  for (const kind of kinds) {
    const [apiVersion = '', name = ''] = kind.split(' ');
    for (const value of junk) {
      const metadata = {
        name: 'n',
        namespace: 'app',
        labels: value,
        annotations: value,
      } as unknown as KubeObject['metadata'];
      d.apply({ apiVersion, kind: name, metadata, spec: value, status: value, endpoints: value, ports: value });
      d.apply({ apiVersion, kind: name, metadata: {} as KubeObject['metadata'] });
    }
    d.remove({ apiVersion, kind: name, metadata: { name: 'n', namespace: 'app' } });
  }
  assert.equal(d.addresses.size, 0);
});
