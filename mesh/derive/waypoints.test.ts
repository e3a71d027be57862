/** Who gets which waypoint, who gets none, and what is said about it (controller.md sections 1.10, 3.6, 4.5, 4.6). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, type KubeObject } from '../kube-object.ts';
import { Deriver } from './deriver.ts';
import { conditionIn, deriverOf, serviceAt, waypointText, workloadAt } from './test-derive.ts';
import { gateway, gatewayClass, kubeService, namespace, pod, serviceEntry, workloadEntry } from './test-objects.ts';

const BOUND = 'istio.io/WaypointBound';
const W = 'app/w.app.svc.cluster.local';
const HOST = 'app/svc.app.svc.cluster.local';
const POD = 'Kubernetes//Pod/app/a';
const use = (name: string, more: Readonly<Record<string, string>> = {}) => ({
  labels: { 'istio.io/use-waypoint': name, ...more },
});
const service = (meta = {}) => kubeService('app/svc', { clusterIP: '10.1.0.1' }, meta);
const forTraffic = (kind: string) => ({ labels: { 'istio.io/waypoint-for': kind } });
const routes = (namespaces: object, more: object = {}) => ({
  listeners: [{ port: 15_008, protocol: 'HBONE', allowedRoutes: { namespaces }, ...more }],
});

/** What an object is told, and the waypoint that it gets: applied last. */
function outcome(objects: readonly KubeObject[], object: KubeObject) {
  const d = new Deriver(DEFAULT_MESH_CONFIG);
  d.applyAll(objects);
  const said = conditionIn(d.apply(object), BOUND);
  const found = [...d.addresses.values()].find(
    (a) => (a.kind === 'service' ? a.service : a.workload).name === object.metadata.name,
  );
  const resource = found?.kind === 'service' ? found.service : found?.workload;
  return [waypointText(resource?.waypoint), said?.split(':')[0]];
}

test('which waypoint a service gets, and what it is told', () => {
  const elsewhere = { 'istio.io/use-waypoint-namespace': 'infra' };
  const OTHER = 'infra/w.infra.svc.cluster.local';
  type Row = readonly [string, readonly KubeObject[], KubeObject, string | undefined, string | undefined];
  const rows: readonly Row[] = [
    ['nobody asks', [gateway('app/w')], service(), undefined, undefined],
    ['by its label', [gateway('app/w')], service(use('w')), W, 'True WaypointAccepted'],
    [
      'by the label of its namespace',
      [gateway('app/w'), namespace('app', use('w'))],
      service(),
      W,
      'True WaypointAccepted',
    ],
    [
      'its own label first',
      [gateway('app/w'), gateway('app/v'), namespace('app', use('v'))],
      service(use('w')),
      W,
      'True WaypointAccepted',
    ],
    ['none opts out', [gateway('app/w'), namespace('app', use('w'))], service(use('none')), undefined, undefined],
    ['the namespace opts out', [gateway('app/w'), namespace('app', use('none'))], service(), undefined, undefined],
    ['it does not exist', [], service(use('w')), undefined, 'False WaypointIsNotReady'],
    [
      'it does not exist, and the namespace has another',
      [gateway('app/v'), namespace('app', use('v'))],
      service(use('w')),
      undefined,
      'False WaypointIsNotReady',
    ],
    [
      'it was never ready',
      [gateway('app/w', { addresses: [] })],
      service(use('w')),
      undefined,
      'False WaypointIsNotReady',
    ],
    [
      'by address',
      [gateway('app/w', { addresses: ['10.4.0.1'] })],
      service(use('w')),
      '10.4.0.1',
      'True WaypointAccepted',
    ],
    [
      'by name rather than by address',
      [gateway('app/w', { addresses: ['10.4.0.1', 'w.app.svc.cluster.local'] })],
      service(use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'any class will do',
      [gateway('app/w', { className: 'third-party' })],
      service(use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'in another namespace that admits all',
      [gateway('infra/w', routes({ from: 'All' }))],
      service(use('w', elsewhere)),
      OTHER,
      'True WaypointAccepted',
    ],
    [
      'in another namespace that admits its own',
      [gateway('infra/w')],
      service(use('w', elsewhere)),
      undefined,
      'False AttachmentDenied',
    ],
    [
      'the namespace names both',
      [gateway('infra/w', routes({ from: 'All' })), namespace('app', use('w', elsewhere))],
      service(),
      OTHER,
      'True WaypointAccepted',
    ],
    [
      'the namespace of another level does not count',
      [gateway('app/w'), namespace('app', use('v', elsewhere))],
      service(use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'for workloads only',
      [gateway('app/w', forTraffic('workload'))],
      service(use('w')),
      undefined,
      'False UnsupportedTrafficType',
    ],
    [
      'for workloads only, and inherited',
      [gateway('app/w', forTraffic('workload')), namespace('app', use('w'))],
      service(),
      undefined,
      'False UnsupportedTrafficType',
    ],
    ['for all', [gateway('app/w', forTraffic('all'))], service(use('w')), W, 'True WaypointAccepted'],
    [
      'for nothing',
      [gateway('app/w', forTraffic('none'))],
      service(use('w')),
      undefined,
      'False UnsupportedTrafficType',
    ],
    [
      'a misspelt kind of traffic',
      [gateway('app/w', forTraffic('services'))],
      service(use('w')),
      undefined,
      'False UnsupportedTrafficType',
    ],
    [
      'by its class',
      [gatewayClass('istio-waypoint', forTraffic('workload')), gateway('app/w')],
      service(use('w')),
      undefined,
      'False UnsupportedTrafficType',
    ],
    [
      'the gateway before its class',
      [gatewayClass('istio-waypoint', forTraffic('none')), gateway('app/w', forTraffic('service'))],
      service(use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'the service of a waypoint has none',
      [gateway('app/w'), namespace('app', use('w'))],
      service({ labels: { 'gateway.istio.io/managed': 'istio.io-mesh-controller' } }),
      undefined,
      undefined,
    ],
    [
      'nor that of an east-west gateway',
      [gateway('app/w'), namespace('app', use('w'))],
      service({ labels: { 'gateway.istio.io/managed': 'istio.io-eastwest-controller' } }),
      undefined,
      undefined,
    ],
    [
      'that of an ingress gateway may',
      [gateway('app/w')],
      service(use('w', { 'gateway.istio.io/managed': 'istio.io-gateway-controller' })),
      W,
      'True WaypointAccepted',
    ],
    [
      'a ServiceEntry, too',
      [gateway('app/w')],
      serviceEntry('app/e', { hosts: ['a.example.com'] }, use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'a machine',
      [gateway('app/w', forTraffic('all'))],
      workloadEntry('app/m', { address: '192.0.2.1' }, use('w')),
      W,
      'True WaypointAccepted',
    ],
    [
      'a machine at a waypoint for services',
      [gateway('app/w')],
      workloadEntry('app/m', { address: '192.0.2.1' }, use('w')),
      undefined,
      'False UnsupportedTrafficType',
    ],
    [
      'a pod by its own label',
      [gateway('app/w', forTraffic('workload'))],
      pod('app/a', { ips: ['10.0.0.1'], ...use('w') }),
      W,
      undefined,
    ],
    [
      'a pod that inherits a waypoint for services',
      [gateway('app/w'), namespace('app', use('w'))],
      pod('app/a', { ips: ['10.0.0.1'] }),
      undefined,
      undefined,
    ],
    [
      'a pod that inherits one for all',
      [gateway('app/w', forTraffic('all')), namespace('app', use('w'))],
      pod('app/a', { ips: ['10.0.0.1'] }),
      W,
      undefined,
    ],
    [
      'a machine that inherits a waypoint for services',
      [gateway('app/w'), namespace('app', use('w'))],
      workloadEntry('app/m', { address: '192.0.2.1' }),
      undefined,
      undefined,
    ],
  ];
  for (const [name, objects, object, waypoint, said] of rows)
    assert.deepEqual(outcome(objects, object), [waypoint, said], name);
});

test('whom a waypoint admits', () => {
  const meta = use('w', { 'istio.io/use-waypoint-namespace': 'infra' });
  const open = namespace('app', { labels: { open: 'yes' } });
  const expression = { matchExpressions: [{ key: 'open', operator: 'In', values: ['yes'] }] };
  const proxy = { annotations: { 'ambient.istio.io/waypoint-inbound-binding': 'PROXY/15088' } };
  const rows: readonly [string, Parameters<typeof gateway>[1], boolean, KubeObject?][] = [
    ['All', routes({ from: 'All' }), true],
    ['Same', routes({ from: 'Same' }), false],
    ['nothing said', routes({}), false],
    ['None', routes({ from: 'None' }), false],
    ['a selector of labels', routes({ from: 'Selector', selector: { matchLabels: { open: 'yes' } } }), true, open],
    ['a selector by expression', routes({ from: 'Selector', selector: expression }), true, open],
    [
      'a selector that the namespace lacks',
      routes({ from: 'Selector', selector: { matchLabels: { open: 'yes' } } }),
      false,
    ],
    [
      'a selector by name',
      routes({ from: 'Selector', selector: { matchLabels: { 'kubernetes.io/metadata.name': 'app' } } }),
      true,
    ],
    ['an empty selector', routes({ from: 'Selector', selector: {} }), true],
    ['no selector', routes({ from: 'Selector' }), false],
    [
      'a selector that can not be read',
      routes({ from: 'Selector', selector: { matchExpressions: [{ key: 'open', operator: 'Like' }] } }),
      false,
      open,
    ],
    ['another port is not asked', routes({ from: 'All' }, { port: 80 }), false],
    ['another protocol is not asked', routes({ from: 'All' }, { protocol: 'HTTP' }), false],
    [
      'the listener of the binding, by port',
      { ...routes({ from: 'All' }, { port: 15_088, protocol: 'TCP' }), ...proxy },
      true,
    ],
    [
      'the listener of the binding, by protocol',
      { ...routes({ from: 'All' }, { port: 1, protocol: 'istio.io/PROXY' }), ...proxy },
      true,
    ],
  ];
  for (const [name, fields, want, ns] of rows) {
    const objects = [gateway('infra/w', fields), ...(ns === undefined ? [] : [ns])];
    const said = want ? 'True WaypointAccepted' : 'False AttachmentDenied';
    assert.deepEqual(outcome(objects, service(meta))[1], said, name);
  }
});

test('a namespace is admitted from the moment that its labels say so, and as long', () => {
  const open = routes({ from: 'Selector', selector: { matchLabels: { open: 'yes' } } });
  const d = deriverOf([
    gateway('infra/w', { ...open, ...forTraffic('all') }),
    service(use('w', { 'istio.io/use-waypoint-namespace': 'infra' })),
    pod('app/a', { ips: ['10.0.0.1'], ...use('w', { 'istio.io/use-waypoint-namespace': 'infra' }) }),
    namespace('app'),
  ]);
  const said = (object: KubeObject) => conditionIn(d.apply(object), BOUND)?.split(':')[0];
  assert.equal(said(namespace('app', { labels: { open: 'yes' } })), 'True WaypointAccepted');
  const both = () => [serviceAt(d, HOST), workloadAt(d, POD)].map(({ waypoint }) => waypointText(waypoint));
  assert.deepEqual(both(), ['infra/w.infra.svc.cluster.local', 'infra/w.infra.svc.cluster.local']);
  assert.equal(said(namespace('app', { labels: { open: 'no' } })), 'False AttachmentDenied');
  assert.deepEqual(both(), [undefined, undefined]);
});

test('a canary takes its share, and one that can not leaves everything to the waypoint and says so', () => {
  const canary = (weight?: string, name = 'v') => ({
    ...use('w', { 'istio.io/use-waypoint-canary': name }),
    ...(weight === undefined ? {} : { annotations: { 'istio.io/use-waypoint-canary-weight': weight } }),
  });
  const V = 'app/v.app.svc.cluster.local';
  const both = [gateway('app/w'), gateway('app/v')];
  const rows: readonly [string, readonly KubeObject[], object, string, string][] = [
    ['a share', both, canary('10'), `${W} 90, ${V} 10`, '10 percent go to canary app/v'],
    ['everything', both, canary('100'), `${W} 0, ${V} 100`, '100 percent'],
    ['no weight', both, canary(), `${W} 100, ${V} 0`, '0 percent'],
    ['too much', both, canary('101'), '', 'CanaryInvalidWeight'],
    ['no number', both, canary('ten'), '', 'CanaryInvalidWeight'],
    ['the waypoint itself', both, canary('10', 'w'), '', 'CanarySameAsPrimary'],
    ['not ready', [gateway('app/w')], canary('10'), '', 'WaypointIsNotReady'],
    [
      'for workloads',
      [gateway('app/w'), gateway('app/v', forTraffic('workload'))],
      canary('10'),
      '',
      'UnsupportedTrafficType',
    ],
  ];
  for (const [name, objects, meta, want, said] of rows) {
    const d = deriverOf(objects);
    const message = conditionIn(d.apply(service(meta)), BOUND) ?? '';
    const { waypoint, weightedWaypoints } = serviceAt(d, HOST);
    assert.equal(waypointText(waypoint), W, name);
    assert.equal(weightedWaypoints.map((w) => `${waypointText(w.destination)} ${w.weight}`).join(', '), want, name);
    assert.ok(message.startsWith('True WaypointAccepted') && message.includes(said), `${name}: ${message}`);
  }
  const d = deriverOf([...both, namespace('app', canary('20'))]);
  d.applyAll([service(), kubeService('app/own', {}, use('w'))]);
  assert.equal(serviceAt(d, HOST).weightedWaypoints.length, 2, 'the namespace has one for all');
  assert.equal(
    serviceAt(d, 'app/own.app.svc.cluster.local').weightedWaypoints.length,
    0,
    'but not for who names a waypoint',
  );
});

test('ingress gateways are sent to the waypoint where somebody says so and there is one', () => {
  const ingress = (value: string) => ({ 'istio.io/ingress-use-waypoint': value });
  const rows: readonly [string, readonly KubeObject[], object, boolean][] = [
    ['not said', [gateway('app/w')], use('w'), false],
    ['by the service', [gateway('app/w')], use('w', ingress('true')), true],
    ['spelt another way', [gateway('app/w')], use('w', ingress('T')), true],
    ['by the namespace', [gateway('app/w'), namespace('app', { labels: ingress('1') })], use('w'), true],
    [
      'the service against the namespace',
      [gateway('app/w'), namespace('app', { labels: ingress('true') })],
      use('w', ingress('false')),
      false,
    ],
    ['without a waypoint', [], use('w', ingress('true')), false],
  ];
  for (const [name, objects, meta, want] of rows) {
    assert.equal(serviceAt(deriverOf([...objects, service(meta)]), HOST).ingressUseWaypoint, want, name);
  }
});

test('a pod of a gateway has no waypoint, and the tunnel to its application that the gateway asks for', () => {
  const binding = (value: string) => ({ annotations: { 'ambient.istio.io/waypoint-inbound-binding': value } });
  const instance = pod('app/a', {
    ips: ['10.0.0.1'],
    labels: { 'gateway.networking.k8s.io/gateway-name': 'w', 'istio.io/use-waypoint': 'v' },
  });
  const v = gateway('app/v', forTraffic('all'));
  const rows: readonly [string, readonly KubeObject[], string | undefined, unknown][] = [
    ['an ordinary waypoint', [gateway('app/w')], undefined, undefined],
    [
      'with PROXY protocol on a port',
      [gateway('app/w', binding('PROXY/15088'))],
      undefined,
      { protocol: 'PROXY', port: 15_088 },
    ],
    [
      'with PROXY protocol on the same port',
      [gateway('app/w', binding('PROXY'))],
      undefined,
      { protocol: 'PROXY', port: 0 },
    ],
    ['without a header', [gateway('app/w', binding('NONE/8080'))], undefined, { protocol: 'NONE', port: 8080 }],
    [
      'by its class',
      [gatewayClass('istio-waypoint', binding('PROXY/1')), gateway('app/w')],
      undefined,
      { protocol: 'PROXY', port: 1 },
    ],
    [
      'the gateway before its class',
      [gatewayClass('istio-waypoint', binding('PROXY/1')), gateway('app/w', binding('PROXY/2'))],
      undefined,
      { protocol: 'PROXY', port: 2 },
    ],
    ['a protocol nobody knows', [gateway('app/w', binding('SOCKS/1'))], undefined, undefined],
    ['no port', [gateway('app/w', binding('PROXY/99999'))], undefined, undefined],
    ['more than a port', [gateway('app/w', binding('PROXY/1/2'))], undefined, undefined],
    [
      'a gateway without address is none yet',
      [gateway('app/w', { addresses: [] })],
      'app/v.app.svc.cluster.local',
      undefined,
    ],
    ['of another namespace', [gateway('other/w')], 'app/v.app.svc.cluster.local', undefined],
  ];
  for (const [name, objects, waypoint, tunnel] of rows) {
    const w = workloadAt(deriverOf([...objects, v, instance]), POD);
    assert.deepEqual([waypointText(w.waypoint), w.applicationTunnel], [waypoint, tunnel], name);
  }
});

test('endpoints of a ServiceEntry are asked for the waypoint of their own labels, a name that is resolved for none', () => {
  const spec = {
    hosts: ['a.example.com'],
    resolution: 'STATIC',
    endpoints: [{ address: '192.0.2.1', ...use('w') }, { address: '192.0.2.2' }],
  };
  const d = deriverOf([
    gateway('app/w', forTraffic('all')),
    gateway('app/v', forTraffic('all')),
    serviceEntry('app/e', spec, use('v')),
    serviceEntry('app/f', { hosts: ['b.example.com'], resolution: 'DNS' }, use('w')),
    namespace('app', use('v')),
  ]);
  const at = (name: string) =>
    waypointText(workloadAt(d, `Kubernetes/networking.istio.io/ServiceEntry/app/${name}`).waypoint);
  assert.deepEqual(
    [at('e/192.0.2.1'), at('e/192.0.2.2'), at('f/b.example.com')],
    [W, 'app/v.app.svc.cluster.local', undefined],
  );
});

test('a ServiceEntry that only its namespace sees is not sent out of it', () => {
  const meta = use('w', { 'istio.io/use-waypoint-namespace': 'infra' });
  const d = new Deriver({ ...DEFAULT_MESH_CONFIG, serviceEntryVisibility: { default: 'NAMESPACE', policies: [] } });
  d.apply(gateway('infra/w', routes({ from: 'All' })));
  const said = conditionIn(d.apply(serviceEntry('app/e', { hosts: ['a.example.com'] }, meta)), BOUND);
  assert.match(said ?? '', /^False CrossNamespaceWaypointForbidden: only namespace app may see this/);
  assert.equal(serviceAt(d, 'app/a.example.com').waypoint, undefined);
});

test('what only a waypoint can do is missed where there is none', () => {
  const race = { annotations: { 'istio.io/connect-strategy': 'RACE_FIRST_TCP_CONNECT' } };
  const rows: readonly [string, readonly KubeObject[], object, object, string | undefined][] = [
    ['a wildcard', [], { hosts: ['*.example.com'] }, {}, 'True NoWaypointForWildcardService'],
    ['a race', [], { hosts: ['a.example.com'] }, race, 'True NoWaypointForRacingConnectStrategy'],
    ['nothing', [], { hosts: ['a.example.com'] }, {}, undefined],
    ['a wildcard with a waypoint', [gateway('app/w')], { hosts: ['*.example.com'] }, use('w'), undefined],
  ];
  for (const [name, objects, spec, meta, want] of rows) {
    const delta = deriverOf(objects).apply(serviceEntry('app/e', spec as never, meta));
    assert.equal(conditionIn(delta, 'istio.io/WaypointMissing')?.split(':')[0], want, name);
  }
});

test('what only a waypoint can do is missed until one is bound, and again without it', () => {
  const entry = serviceEntry('app/e', { hosts: ['*.example.com'] }, use('w'));
  const d = deriverOf([]);
  const missed = (delta: ReturnType<typeof d.apply>) => conditionIn(delta, 'istio.io/WaypointMissing')?.split(':')[0];
  assert.equal(missed(d.apply(entry)), 'True NoWaypointForWildcardService');
  const bound = d.apply(gateway('app/w'));
  assert.deepEqual(
    bound.conditions.filter(({ type }) => type === 'istio.io/WaypointMissing').map(({ status }) => status),
    [undefined],
    'it is taken away',
  );
  assert.equal(missed(d.remove(gateway('app/w'))), 'True NoWaypointForWildcardService');
});

test('a pod that does not get the waypoint that it asks for is told of, as long as that is so', () => {
  const a = pod('app/a', { ips: ['10.0.0.1'], ...use('w') });
  const d = deriverOf([a, pod('app/b', { ips: ['10.0.0.2'] }), namespace('app', use('v')), gateway('app/v')]);
  const told = () => [...d.unboundPods].map(([key, { reason }]) => `${key} ${reason}`);
  assert.deepEqual(told(), ['app/a WaypointIsNotReady'], 'who only inherits one for services is no mistake');
  d.apply(gateway('app/w'));
  assert.deepEqual(told(), ['app/a UnsupportedTrafficType']);
  d.apply(gateway('app/w', forTraffic('all')));
  assert.deepEqual(told(), []);
  d.remove(gateway('app/w'));
  assert.deepEqual(told(), ['app/a WaypointIsNotReady']);
  d.remove(a);
  assert.deepEqual(told(), []);
});

test('whatever a reference hangs on may come, change and go: the objects follow, and nothing else does', () => {
  const d = deriverOf([
    service(use('w')),
    pod('app/a', { ips: ['10.0.0.1'] }),
    kubeService('app/else', {}),
    kubeService('other/svc', {}),
  ]);
  const touched = (object: KubeObject, isGone = false) => {
    const delta = isGone ? d.remove(object) : d.apply(object);
    const names = delta.addresses.upserted.map((a) => (a.kind === 'service' ? a.service.name : a.workload.name));
    return `${names.sort()} ${conditionIn(delta, BOUND)?.split(':')[0] ?? ''}`.trim();
  };
  assert.equal(touched(gateway('app/w', { addresses: [] })), 'False WaypointIsNotReady', 'it says why');
  assert.equal(touched(gateway('app/w')), 'svc True WaypointAccepted');
  assert.equal(touched(gateway('app/w', { annotations: { x: 'y' } })), '', 'nothing that counts');
  assert.equal(touched(gateway('app/w', forTraffic('workload'))), 'svc False UnsupportedTrafficType');
  assert.equal(touched(namespace('app', use('w'))), 'a False UnsupportedTrafficType');
  assert.equal(touched(gateway('app/w', forTraffic('all'))), 'else,svc True WaypointAccepted');
  assert.equal(touched(gateway('app/w', { addresses: ['10.4.0.1'], ...forTraffic('all') })), 'a,else,svc');
  assert.equal(touched(namespace('app')), 'a,else');
  assert.equal(
    touched(gatewayClass('istio-waypoint', forTraffic('none'))),
    '',
    'the gateway says itself what it is for',
  );
  assert.equal(touched(gateway('app/w'), true), 'svc False WaypointIsNotReady');
  assert.equal(touched(service()), '', 'no waypoint any more, and nothing to be said');
});
