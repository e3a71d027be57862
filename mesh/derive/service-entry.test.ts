/** ServiceEntries, WorkloadEntries and who serves a host (controller.md sections 1.7 to 1.9). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_MESH_CONFIG, type KubeObject, type MeshConfig } from '../kube-object.ts';
import { Deriver } from './deriver.ts';
import { addressesOf, conditionIn, deriverOf, portsOf, serviceAt, workloadAt } from './test-derive.ts';
import {
  authorizationPolicy,
  kubeService,
  namespace,
  peerAuthentication,
  pod,
  serviceEntry,
  workloadEntry,
} from './test-objects.ts';

const HOST = 'api.example.com';
const WEB = { name: 'web', number: 80, protocol: 'HTTP' };
const entry = (spec: Readonly<Record<string, unknown>> = {}, meta = {}, rest = {}, path = 'app/e', created = 1) =>
  serviceEntry(path, { hosts: [HOST], ports: [WEB], ...spec }, meta, rest, created);
const SE = 'Kubernetes/networking.istio.io/ServiceEntry/app/e/';
const WE = 'Kubernetes/networking.istio.io/WorkloadEntry/app/m';
const NONE = { routingPreference: [], mode: 'PASSTHROUGH', healthPolicy: 'ALLOW_ALL' };

test('the service of a ServiceEntry is derived as the table says', () => {
  type Row = readonly [string, readonly KubeObject[], (service: ReturnType<typeof serviceAt>) => unknown, unknown];
  const allocated = {
    status: {
      addresses: [
        { host: HOST, value: '240.240.0.1' },
        { host: HOST, value: '2001:2::1' },
        { host: 'other', value: '240.240.0.9' },
        { host: HOST, value: 'junk' },
      ],
    },
  };
  const zone = { routingPreference: ['NETWORK', 'REGION', 'ZONE'], mode: 'FAILOVER', healthPolicy: 'ONLY_HEALTHY' };
  const preferClose = { annotations: { 'networking.istio.io/traffic-distribution': 'PreferClose' } };
  const rows: readonly Row[] = [
    ['its names', [entry()], (s) => [s.name, s.namespace, s.hostname], ['e', 'app', HOST]],
    ['addresses', [entry({ addresses: ['10.2.0.1', 'fd00::1'] })], addressesOf, ['10.2.0.1', 'fd00::1']],
    [
      'a range loses the bits beyond its prefix',
      [entry({ addresses: ['10.3.7.9/16', 'fd00::7:1/112'] })],
      addressesOf,
      ['10.3.0.0/16', 'fd00::7:0/112'],
    ],
    [
      'a range of one address is an address',
      [entry({ addresses: ['10.3.7.9/32', 'fd00::7/128'] })],
      addressesOf,
      ['10.3.7.9', 'fd00::7'],
    ],
    [
      'allocated addresses of its host',
      [entry({ resolution: 'DNS' }, {}, allocated)],
      addressesOf,
      ['240.240.0.1', '2001:2::1'],
    ],
    [
      'chosen addresses before allocated ones',
      [entry({ resolution: 'STATIC', addresses: ['10.2.0.1'] }, {}, allocated)],
      addressesOf,
      ['10.2.0.1'],
    ],
    ['none allocated without resolution', [entry({ resolution: 'NONE' }, {}, allocated)], addressesOf, []],
    ['without resolution the client chooses the address', [entry()], (s) => s.loadBalancing, NONE],
    ['no balancing', [entry({ resolution: 'STATIC' })], (s) => s.loadBalancing, undefined],
    ['distribution by annotation', [entry({ resolution: 'STATIC' }, preferClose)], (s) => s.loadBalancing, zone],
    [
      'distribution of the namespace',
      [namespace('app', preferClose), entry({ resolution: 'DNS' })],
      (s) => s.loadBalancing,
      zone,
    ],
    ['no distribution without resolution', [entry({}, preferClose)], (s) => s.loadBalancing, NONE],
    [
      'ports and protocols, never by the name',
      [
        entry({
          ports: [
            { name: 'http', number: 80 },
            { name: 'a', number: 443, protocol: 'HTTPS', targetPort: 8443 },
            { name: 'b', number: 27017, protocol: 'MONGO' },
            { name: 'c', number: 9, protocol: 'grpc' },
            { number: 99_999 },
          ],
        }),
      ],
      (s) => s.ports.map((p) => `${p.servicePort}>${p.targetPort} ${p.appProtocol}`),
      ['80>80 UNKNOWN', '443>8443 TLS', '27017>27017 UNKNOWN', '9>9 GRPC'],
    ],
    [
      'further identities',
      [entry({ subjectAltNames: ['spiffe://x/ns/a/sa/b'] })],
      (s) => s.subjectAltNames,
      ['spiffe://x/ns/a/sa/b'],
    ],
    ['canonical and public', [entry()], (s) => [s.canonical, s.visibility], [true, 'PUBLIC']],
  ];
  for (const [name, objects, of, want] of rows)
    assert.deepEqual(of(serviceAt(deriverOf(objects), `app/${HOST}`)), want, name);
});

test('each host is a service of its own, also a wildcard', () => {
  const d = deriverOf([entry({ hosts: [HOST, '*.example.com', HOST] })]);
  assert.deepEqual([...d.addresses.keys()].sort(), ['app/*.example.com', `app/${HOST}`]);
});

test('endpoints of a ServiceEntry are workloads with the labels of the entry', () => {
  const endpoints = [
    { address: '192.0.2.1', ports: { web: 8080 }, locality: 'r/z/s', weight: 5, serviceAccount: 'vm' },
    { address: 'vm.example.com', network: 'far' },
    { address: '192.0.2.3', labels: { app: 'not this one' } },
    { address: '192.0.2.1', ports: { web: 8081 } },
  ];
  const d = deriverOf([
    entry(
      { resolution: 'STATIC', endpoints, hosts: [HOST, 'b.example.com'] },
      { labels: { app: 'ext', version: 'v2' } },
    ),
    authorizationPolicy('app/p', { selector: { matchLabels: { app: 'ext' } } }),
  ]);
  const first = workloadAt(d, `${SE}192.0.2.1`);
  assert.deepEqual(
    [
      first.name,
      first.namespace,
      first.workloadName,
      first.canonicalName,
      first.canonicalRevision,
      first.serviceAccount,
    ],
    ['e', 'app', 'e', 'ext', 'v2', 'vm'],
  );
  assert.deepEqual(
    [first.capacity, first.locality, first.status, first.tunnelProtocol],
    [5, { region: 'r', zone: 'z', subzone: 's' }, 'HEALTHY', 'NONE'],
  );
  assert.deepEqual(portsOf(first), { [`app/${HOST}`]: '80>8080', 'app/b.example.com': '80>8080' });
  assert.deepEqual(first.authorizationPolicies, ['app/p']);
  const second = workloadAt(d, `${SE}vm.example.com`);
  assert.deepEqual([second.addresses, second.hostname, second.network], [[], 'vm.example.com', 'far']);
  const third = workloadAt(d, `${SE}192.0.2.3`);
  assert.deepEqual(
    [third.network, third.locality, third.canonicalName],
    ['', undefined, 'ext'],
    'nothing leaks from one to the next',
  );
  assert.deepEqual(
    portsOf(workloadAt(d, `${SE}192.0.2.1~2`)),
    { [`app/${HOST}`]: '80>8081', 'app/b.example.com': '80>8081' },
    'two processes of one machine',
  );
});

test('what an entry without endpoints is reached by', () => {
  const rows: readonly [string, object, readonly string[]][] = [
    ['by its name, when names are resolved', { resolution: 'DNS' }, [`${SE}${HOST}`]],
    ['by the first answer', { resolution: 'DNS_ROUND_ROBIN' }, [`${SE}${HOST}`]],
    ['by whatever name is called', { resolution: 'DYNAMIC_DNS', hosts: ['*.example.com'] }, [`${SE}*.example.com`]],
    ['each by its own', { resolution: 'DNS', hosts: [HOST, 'b.example.com'] }, [`${SE}${HOST}`, `${SE}b.example.com`]],
    ['nowhere', { resolution: 'STATIC' }, []],
    ['where the client says', { resolution: 'NONE' }, []],
    ['by what it selects', { resolution: 'DNS', workloadSelector: { labels: { app: 'x' } } }, []],
  ];
  for (const [name, spec, want] of rows) {
    const d = deriverOf([entry(spec as never)]);
    const uids = [...d.addresses].filter(([, { kind }]) => kind === 'workload').map(([uid]) => uid);
    assert.deepEqual(uids, want, name);
  }
  const named = workloadAt(deriverOf([entry({ resolution: 'DNS', hosts: [HOST, 'b.example.com'] })]), `${SE}${HOST}`);
  assert.deepEqual([named.hostname, named.addresses, portsOf(named)], [HOST, [], { [`app/${HOST}`]: '80>80' }]);
});

test('pods and machines are behind the ServiceEntries that select them, each with its own numbers', () => {
  const ports = [WEB, { name: 'admin', number: 81, targetPort: 8181 }, { name: 'plain', number: 82 }];
  const labels = { app: 'x' };
  const d = deriverOf([
    pod('app/a', { ips: ['10.0.0.1'], labels, ports: { web: 9090 } }),
    workloadEntry('app/m', { address: '192.0.2.1', labels, ports: { admin: 9999 } }),
    pod('other/a', { ips: ['10.0.0.2'], labels }),
    entry({ resolution: 'STATIC', ports, workloadSelector: { labels } }),
  ]);
  assert.deepEqual(portsOf(workloadAt(d, 'Kubernetes//Pod/app/a')), { [`app/${HOST}`]: '80>9090 81>8181 82>82' });
  assert.deepEqual(portsOf(workloadAt(d, WE)), { [`app/${HOST}`]: '80>80 81>9999 82>82' });
  assert.deepEqual(portsOf(workloadAt(d, 'Kubernetes//Pod/other/a')), {}, 'only in its namespace');
  d.remove(entry());
  assert.deepEqual(portsOf(workloadAt(d, WE)), {});
});

test('a WorkloadEntry becomes a workload as the table says', () => {
  type Row = readonly [string, object, object, (workload: ReturnType<typeof workloadAt>) => unknown, unknown];
  const at = { address: '192.0.2.1' };
  const label = (...pairs: readonly string[]) => ({ labels: Object.fromEntries(pairs.map((pair) => pair.split('='))) });
  const rows: readonly Row[] = [
    ['an address', at, {}, (w) => [w.addresses, w.hostname], [['192.0.2.1'], '']],
    ['a name', { address: 'vm.example.com' }, {}, (w) => [w.addresses, w.hostname], [[], 'vm.example.com']],
    ['only a network', { network: 'far' }, {}, (w) => [w.addresses, w.hostname, w.network], [[], '', 'far']],
    ['a weight', { ...at, weight: 3 }, {}, (w) => w.capacity, 3],
    ['no weight', { ...at, weight: 0 }, {}, (w) => w.capacity, 1],
    ['region and zone', { ...at, locality: 'r/z' }, {}, (w) => w.locality, { region: 'r', zone: 'z', subzone: '' }],
    ['no account', at, {}, (w) => w.serviceAccount, 'default'],
    ['an account', { ...at, serviceAccount: 'vm' }, {}, (w) => w.serviceAccount, 'vm'],
    ['plaintext unless labelled', at, {}, (w) => [w.tunnelProtocol, w.nativeTunnel], ['NONE', false]],
    [
      'ends tunnels itself',
      at,
      label('networking.istio.io/tunnel=http'),
      (w) => [w.tunnelProtocol, w.nativeTunnel],
      ['HBONE', true],
    ],
    [
      'so, too, by a label of the endpoint',
      { ...at, ...label('networking.istio.io/tunnel=http') },
      {},
      (w) => w.tunnelProtocol,
      'HBONE',
    ],
    [
      'redirected',
      at,
      { annotations: { 'ambient.istio.io/redirection': 'enabled' } },
      (w) => w.tunnelProtocol,
      'HBONE',
    ],
    ['named by itself', at, {}, (w) => `${w.workloadName} ${w.canonicalName} ${w.canonicalRevision}`, 'm m latest'],
    [
      'named by labels of both',
      { ...at, ...label('app=x', 'version=v1') },
      label('version=v2'),
      (w) => `${w.workloadName} ${w.canonicalName} ${w.canonicalRevision}`,
      'm x v2',
    ],
    ['named by its group', at, { annotations: { 'istio.io/autoRegistrationGroup': 'g' } }, (w) => w.workloadName, 'g'],
    ['healthy', at, {}, (w) => w.status, 'HEALTHY'],
  ];
  for (const [name, spec, meta, of, want] of rows) {
    assert.deepEqual(of(workloadAt(deriverOf([workloadEntry('app/m', spec as never, meta)]), WE)), want, name);
  }
  const down = workloadEntry('app/m', at, {}, { status: { conditions: [{ type: 'Healthy', status: 'False' }] } });
  assert.equal(workloadAt(deriverOf([down]), WE).status, 'UNHEALTHY', 'a machine that reports that it is down');
});

test('a machine is behind services of Kubernetes, under policies and PeerAuthentications, as pods are', () => {
  const labels = { app: 'x' };
  const d = deriverOf([
    workloadEntry('app/m', { address: '192.0.2.1', labels, ports: { http: 9000, named: 9001 } }),
    kubeService('app/s', {
      selector: labels,
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'b', port: 81, targetPort: 'named' },
        { name: 'c', port: 82, targetPort: 'unknown' },
        { name: 'd', port: 83, targetPort: 8083 },
      ],
    }),
    authorizationPolicy('app/p', { selector: { matchLabels: labels } }),
    peerAuthentication('app/default', { mtls: { mode: 'STRICT' } }),
  ]);
  assert.deepEqual(portsOf(workloadAt(d, WE)), { 'app/s.app.svc.cluster.local': '80>9000 81>9001 83>8083' });
  assert.deepEqual(workloadAt(d, WE).authorizationPolicies, ['app/p', 'istio-system/istio_converted_static_strict']);
});

const VISIBILITY: Partial<MeshConfig> = {
  serviceEntryVisibility: {
    default: 'NAMESPACE',
    policies: [
      { visibility: 'PUBLIC', namespaces: [{ matchLabels: { trusted: 'yes' } }] },
      { visibility: 'NONE', namespaces: [{ matchLabels: { 'kubernetes.io/metadata.name': 'banned' } }] },
    ],
  },
};

test('of several definitions of a host each namespace has one, and the mesh one canonical', () => {
  const K8S = 's.app.svc.cluster.local';
  const of = (path: string, created: number, host = HOST) => entry({ hosts: [host] }, {}, {}, path, created);
  const rows: readonly [string, readonly KubeObject[], Readonly<Record<string, string>>, Partial<MeshConfig>?][] = [
    ['the oldest of a namespace', [of('app/b', 2), of('app/a', 3), of('app/c', 1)], { [`app/${HOST}`]: 'c canonical' }],
    ['of two alike the first by name', [of('app/b', 1), of('app/a', 1)], { [`app/${HOST}`]: 'a canonical' }],
    [
      'one for each namespace, the oldest canonical',
      [of('app/a', 2), of('other/b', 1)],
      { [`app/${HOST}`]: 'a', [`other/${HOST}`]: 'b canonical' },
    ],
    ['Kubernetes before an entry', [of('app/a', 1, K8S), kubeService('app/s', {})], { [`app/${K8S}`]: 's canonical' }],
    [
      'beside an entry elsewhere, and canonical',
      [of('other/a', 1, K8S), kubeService('app/s', {})],
      { [`app/${K8S}`]: 's canonical', [`other/${K8S}`]: 'a' },
    ],
    ['a name like one of Kubernetes, without the service', [of('app/a', 1, K8S)], { [`app/${K8S}`]: 'a canonical' }],
    [
      'an ExternalName is no definition',
      [of('app/a', 1, K8S), kubeService('app/s', { type: 'ExternalName' })],
      { [`app/${K8S}`]: 'a canonical' },
    ],
    ['only its namespace sees it', [of('app/a', 1)], { [`app/${HOST}`]: 'a NAMESPACE' }, VISIBILITY],
    [
      'everybody sees it',
      [namespace('app', { labels: { trusted: 'yes' } }), of('app/a', 1)],
      { [`app/${HOST}`]: 'a canonical' },
      VISIBILITY,
    ],
    ['nobody sees it', [of('banned/a', 1)], {}, VISIBILITY],
    [
      'what is hidden is not canonical',
      [of('app/a', 1), namespace('other', { labels: { trusted: 'yes' } }), of('other/b', 2)],
      { [`app/${HOST}`]: 'a NAMESPACE', [`other/${HOST}`]: 'b canonical' },
      VISIBILITY,
    ],
  ];
  for (const [name, objects, want, config] of rows) {
    const d = deriverOf(objects, config);
    const got = [...d.addresses].flatMap(([key, a]): [string, string][] => {
      if (a.kind !== 'service') return [];
      const { canonical, visibility } = a.service;
      return [
        [
          key,
          [a.service.name, canonical && 'canonical', visibility === 'NAMESPACE' && visibility]
            .filter(Boolean)
            .join(' '),
        ],
      ];
    });
    assert.deepEqual(Object.fromEntries(got), want, name);
  }
});

test('an entry all of whose hosts somebody else serves has no endpoints either, until they are free', () => {
  const endpoints = [{ address: '192.0.2.1' }];
  const labels = { app: 'x' };
  const young = entry({ resolution: 'STATIC', endpoints }, {}, {}, 'app/young', 2);
  const selecting = entry({ resolution: 'STATIC', workloadSelector: { labels } }, {}, {}, 'app/z', 3);
  const d = deriverOf([entry(), young, selecting, pod('app/a', { ips: ['10.0.0.1'], labels })]);
  const uid = 'Kubernetes/networking.istio.io/ServiceEntry/app/young/192.0.2.1';
  assert.ok(!d.addresses.has(uid));
  assert.deepEqual(portsOf(workloadAt(d, 'Kubernetes//Pod/app/a')), {});
  d.remove(entry());
  assert.deepEqual([d.addresses.has(uid), serviceAt(d, `app/${HOST}`).name], [true, 'young']);
  d.remove(young);
  assert.deepEqual(portsOf(workloadAt(d, 'Kubernetes//Pod/app/a')), { [`app/${HOST}`]: '80>80' });
});

test('an entry that can not be read is kept out with field and reason, and everything else goes on', () => {
  const rows: readonly [object, string][] = [
    [{ hosts: [] }, 'spec.hosts: at least one is needed'],
    [{ hosts: ['*'] }, 'spec.hosts: "*" is no host name'],
    [{ hosts: ['a b'] }, 'spec.hosts: "a b" is no host name'],
    [{ hosts: ['10.0.0.1'] }, 'spec.hosts: "10.0.0.1" is no host name'],
    [{ addresses: ['10.0.0.1', '10.0.0.0/33'] }, 'spec.addresses: "10.0.0.0/33" is no address'],
    [{ resolution: 'MAGIC' }, 'spec.resolution: "MAGIC" is none of NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS'],
    [
      { resolution: 'STATIC', endpoints: [{ address: '1.2.3.4' }, {}] },
      'spec.endpoints[1].address: must be set where no network is',
    ],
    [
      { resolution: 'STATIC', endpoints: [{ address: '1.2.3' }] },
      'spec.endpoints[0].address: "1.2.3" is neither an address nor a host name',
    ],
    [
      { resolution: 'STATIC', endpoints: [{ address: 'unix:///x' }] },
      'spec.endpoints[0].address: a unix socket can not be reached by node proxies',
    ],
  ];
  for (const [spec, problem] of rows) {
    const d = new Deriver(DEFAULT_MESH_CONFIG);
    const bad = d.apply(entry(spec as never));
    assert.equal(conditionIn(bad, 'ambit.io/Accepted'), `False Invalid: ${problem}`);
    assert.equal(d.addresses.size, 0);
    const good = d.apply(entry());
    assert.deepEqual([conditionIn(good, 'ambit.io/Accepted'), d.addresses.size], [undefined, 1]);
  }
});

test('objects of another revision are ignored, and counted from the moment they are ours', () => {
  const rev = (revision: string) => ({ labels: { 'istio.io/rev': revision } });
  const rows: readonly [string, KubeObject, boolean][] = [
    ['no label', entry(), true],
    ['ours', entry({}, rev('blue')), true],
    ['another', entry({}, rev('green')), false],
    ['a machine of another', workloadEntry('app/m', { address: '192.0.2.1' }, rev('green')), false],
  ];
  for (const [name, object, want] of rows) {
    assert.equal(deriverOf([object], { revision: 'blue' }).addresses.size > 0, want, name);
    assert.equal(deriverOf([object]).addresses.size > 0, true, `${name}, for a control plane without revision`);
  }
  const policy = authorizationPolicy('app/p', {}, rev('green'));
  const d = deriverOf([policy], { revision: 'blue' });
  assert.equal(d.authorizations.size, 0);
  d.apply(authorizationPolicy('app/p', {}, rev('blue')));
  assert.equal(d.authorizations.size, 1);
  d.apply(policy);
  assert.equal(d.authorizations.size, 0);
});

test('an entry says who sees it, only where the mesh configuration has rules', () => {
  const said = (config: Partial<MeshConfig>, path: string) =>
    conditionIn(
      new Deriver({ ...DEFAULT_MESH_CONFIG, ...config }).apply(entry({}, {}, {}, path)),
      'istio.io/VisibilityApplied',
    );
  assert.equal(said({}, 'app/e'), undefined);
  assert.equal(said(VISIBILITY, 'app/e'), 'True Namespace: only its namespace sees it');
  assert.equal(said(VISIBILITY, 'banned/e'), 'True None: the mesh configuration lets nobody see it');
});
