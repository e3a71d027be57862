import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pod } from '../derive/test-objects.ts';
import type { KubeObject } from '../kube-object.ts';
import { among, type Row, tableOf } from './test-support.ts';

const table = tableOf(test, assert.deepEqual);
type Labels = Readonly<Record<string, string>>;
const of = (kind: string, spec: unknown, labels: Labels = {}): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name: 'e', namespace: 'shop', labels },
  spec,
});
const HTTP = { name: 'http', number: 80, protocol: 'HTTP' };
const TCP = { name: 'tcp', number: 9000, protocol: 'TCP' };
const se = (spec: object, labels?: Labels) =>
  of('ServiceEntry', { hosts: ['a.example'], ports: [HTTP], ...spec }, labels);
const ends = (...endpoints: object[]) => ({ endpoints });
const STATIC = { resolution: 'STATIC' };
const DNS = { resolution: 'DNS' };
const DYNAMIC = { resolution: 'DYNAMIC_DNS', hosts: ['*.example'] };

table('ServiceEntry', [
  ['one host', se({}), []],
  [
    'STATIC with addresses and endpoints',
    se({
      ...STATIC,
      addresses: ['10.1.0.0/16', 'fd00::1'],
      ...ends({ address: '10.0.0.1', ports: { http: 8080 }, weight: 3, locality: 'a/b/c' }),
    }),
    [],
  ],
  ['DNS with an endpoint by name', se({ ...DNS, ...ends({ address: 'b.example' }) }), []],
  ['a wildcard with endpoints', se({ ...DNS, hosts: ['*.example'], ...ends({ address: 'b.example' }) }), []],
  ['DYNAMIC_DNS', se(DYNAMIC), []],
  ['hidden from everyone', se({ exportTo: ['~'] }), []],
  ['several hosts by HTTP', se({ ...DNS, hosts: ['a.example', 'b.example'] }), []],
  ['no spec', of('ServiceEntry', undefined), ['spec: is required']],
  ['no hosts', of('ServiceEntry', {}), ['spec.hosts: is required']],
  ['an empty list of hosts', se({ hosts: [] }), ['spec.hosts: must not be an empty list']],
  ['every host', se({ hosts: ['*'] }), ['spec.hosts[0]: * alone would be every host']],
  [
    'a wildcard in the middle',
    se({ hosts: ['a.*.example'] }),
    ['spec.hosts[0]: "a.*.example" has a * elsewhere than at its start'],
  ],
  ['no host name', se({ hosts: ['a b'] }), ['spec.hosts[0]: "a b" is no host name']],
  [
    'a part of a label',
    se({ hosts: ['*a.example'] }),
    [],
    ['spec.hosts[0]: "*a.example" stands for a part of a label'],
  ],
  [
    'no address',
    se({ addresses: ['a.example'] }),
    ['spec.addresses[0]: "a.example" is neither an IP address nor a CIDR block'],
  ],
  [
    'a CIDR block with DNS',
    se({ ...DNS, addresses: ['10.0.0.0/8'] }),
    ['spec.addresses[0]: a CIDR block is possible only with resolution NONE or STATIC, not DNS'],
  ],
  [
    'a resolution in small letters',
    se({ resolution: 'dns' }),
    ['spec.resolution: "dns" is none of NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS; did you mean DNS?'],
  ],
  ['a location that is none', se({ location: 'OUTSIDE' }), ['spec.location: "OUTSIDE" is none of']],
  [
    'two ports of one name',
    se({ ports: [HTTP, { ...HTTP, number: 81 }] }),
    ['spec.ports[1].name: "http" is there twice'],
  ],
  [
    'two ports of one number',
    se({ ports: [HTTP, { ...HTTP, name: 'other' }] }),
    ['spec.ports[1].number: 80 is there twice'],
  ],
  ['a port without a name', se({ ports: [{ number: 80 }] }), ['spec.ports[0].name: is required']],
  [
    'a port name that is no DNS label',
    se({ ports: [{ ...HTTP, name: 'HTTP_1' }] }),
    ['spec.ports[0].name: "HTTP_1" is no DNS label'],
  ],
  ['port 0', se({ ports: [{ ...HTTP, number: 0 }] }), ['spec.ports[0].number: 0 is no whole number from 1 to 65535']],
  ['a target port beyond 65535', se({ ports: [{ ...HTTP, targetPort: 65536 }] }), ['spec.ports[0].targetPort: 65536']],
  [
    'a protocol that nobody speaks',
    se({ ports: [{ ...HTTP, protocol: 'SMTP' }] }),
    ['spec.ports[0].protocol: "SMTP" is none of HTTP'],
  ],
  ['endpoints with NONE', se(ends({ address: '10.0.0.1' })), ['spec.endpoints: is not possible with resolution NONE']],
  [
    'a host name with STATIC',
    se({ ...STATIC, ...ends({ address: 'b.example' }) }),
    ['spec.endpoints[0].address: "b.example" is no IP address: with host names the resolution is DNS'],
  ],
  [
    'a port that the entry does not have',
    se({ ...STATIC, ...ends({ address: '10.0.0.1', ports: { https: 1 } }) }),
    ['spec.endpoints[0].ports[https]: is no port of this entry'],
  ],
  [
    'a socket with two ports',
    se({ ...STATIC, ports: [HTTP, TCP], ...ends({ address: 'unix:///a' }) }),
    ['spec.endpoints[0].address: a socket of the file system needs exactly one port'],
  ],
  [
    'a socket with DNS',
    se({ ...DNS, ...ends({ address: 'unix:///a' }) }),
    ['spec.endpoints[0].address: a socket of the file system is not possible with resolution DNS'],
  ],
  [
    'two endpoints with DNS_ROUND_ROBIN',
    se({ resolution: 'DNS_ROUND_ROBIN', ...ends({ address: 'a.b' }, { address: 'c.d' }) }),
    ['spec.endpoints: at most one is possible with resolution DNS_ROUND_ROBIN'],
  ],
  ['a wildcard to resolve', se({ ...DNS, hosts: ['*.example'] }), ['spec.hosts[0]: "*.example" can not be resolved']],
  [
    'selector and endpoints',
    se({ ...STATIC, workloadSelector: { labels: { a: 'b' } }, ...ends({ address: '10.0.0.1' }) }),
    ['spec: workloadSelector and endpoints together'],
  ],
  [
    'several hosts by UDP',
    se({ ...DNS, hosts: ['a.b', 'c.d'], ports: [{ ...TCP, protocol: 'UDP' }] }),
    ['spec.hosts: several hosts can not be told apart on a port with protocol UDP'],
  ],
  [
    'DYNAMIC_DNS for one host',
    se({ ...DYNAMIC, hosts: ['a.example'] }),
    ['spec.hosts[0]: only wildcards (*.) are possible'],
  ],
  [
    'DYNAMIC_DNS by TCP',
    se({ ...DYNAMIC, ports: [TCP] }),
    ['spec.ports[0].protocol: only HTTP, HTTP2, GRPC, TLS are possible'],
  ],
  [
    'DYNAMIC_DNS with addresses and endpoints',
    se({ ...DYNAMIC, addresses: ['10.0.0.1'], ...ends({ address: 'a.b' }) }),
    ['spec.addresses: is not possible', 'spec.endpoints: is not possible'],
  ],
  [
    'DYNAMIC_DNS in the mesh with a waypoint',
    se({ ...DYNAMIC, location: 'MESH_INTERNAL' }, { 'istio.io/use-waypoint': 'w' }),
    ['spec.location: MESH_INTERNAL is not possible'],
  ],
  ['exported twice', se({ exportTo: ['a', 'a'] }), ['spec.exportTo: names something twice']],
  ['exported to all and one', se({ exportTo: ['*', 'a'] }), ['spec.exportTo: * can only stand alone']],
  ['exported to no namespace', se({ exportTo: ['A!'] }), ['spec.exportTo[0]: "A!" is neither a namespace nor one of']],
  ['a field of a newer version', se({ flavour: 'x' }), [], ['spec.flavour: unknown field; it has no effect']],
  ['TCP without an address', se({ ports: [TCP] }), [], ['spec.ports[0]: a TCP port is reached by address']],
  ['TCP that gets an address', se({ ...DNS, ports: [TCP] }), []],
  [
    'TCP that opted out of an address',
    se({ ...DNS, ports: [TCP] }, { 'networking.istio.io/enable-autoallocate-ip': 'false' }),
    [],
    ['spec.ports[0]: a TCP port is reached by address'],
  ],
  ['STATIC with nothing behind it', se(STATIC), [], ['spec: has neither endpoints nor a workloadSelector']],
  [
    'a selector with NONE',
    se({ workloadSelector: { labels: { a: 'b' } } }),
    [],
    ['spec.workloadSelector: has no effect with resolution NONE'],
  ],
  [
    'an endpoint in another network',
    se({ ...STATIC, ...ends({ network: 'n' }) }),
    [],
    ['spec.endpoints[0]: has no address: it is reached only through a gateway'],
  ],
] satisfies readonly Row[]);

table(
  'a ServiceEntry whose selector meets nothing is warned about',
  [
    ['pods', se({ ...STATIC, workloadSelector: { labels: { app: 'db' } } }), []],
    [
      'workload entries, by the labels of their spec',
      se({ ...STATIC, workloadSelector: { labels: { app: 'vm' } } }),
      [],
    ],
    [
      'nothing',
      se({ ...STATIC, workloadSelector: { labels: { app: 'no' } } }),
      [],
      ['spec.workloadSelector: no workload of namespace shop has app=no'],
    ],
  ] satisfies readonly Row[],
  among(pod('shop/db', { labels: { app: 'db' } }), of('WorkloadEntry', { address: '10.0.0.1', labels: { app: 'vm' } })),
);

const we = (spec: unknown) => of('WorkloadEntry', spec);
table('WorkloadEntry', [
  [
    'an address',
    we({
      address: '10.0.0.1',
      ports: { http: 80 },
      labels: { app: 'vm' },
      serviceAccount: 'vm',
      weight: 0,
      locality: 'a',
    }),
    [],
  ],
  ['a host name', we({ address: 'vm.example' }), []],
  ['no spec', we(undefined), ['spec: is required']],
  ['neither address nor network', we({}), ['spec: needs an address or a network']],
  ['only a network', we({ network: 'n' }), [], ['spec: has no address']],
  ['no address', we({ address: 'a b' }), ['spec.address: "a b" is neither an IP address nor a host name']],
  ['a socket', we({ address: 'unix:///var/a' }), [], ['spec.address: ztunnel can not reach a socket']],
  [
    'a socket without a full path',
    we({ address: 'unix://a' }),
    ['spec.address: "unix://a": the path of a socket begins with /'],
  ],
  ['a socket that ends with a slash', we({ address: 'unix:///a/' }), ['the path of a socket does not end with /']],
  [
    'a socket with ports',
    we({ address: 'unix://@a', ports: { a: 1 } }),
    ['spec.ports: a socket of the file system has no ports'],
  ],
  ['a port name with a dot', we({ address: '::1', ports: { 'a.b': 1 } }), ['spec.ports[a.b]: is no name of a port']],
  ['a port beyond 65535', we({ address: '::1', ports: { a: 65536 } }), ['spec.ports[a]: 65536 is no whole number']],
  [
    'a label that no pod could have',
    we({ address: '::1', labels: { a: 'b c' } }),
    ['spec.labels[a]: "b c" is no value that a label can have'],
  ],
  [
    'a locality of four parts',
    we({ address: '::1', locality: 'a/b/c/d' }),
    ['spec.locality: has the form region/zone/subzone'],
  ],
  ['a negative weight', we({ address: '::1', weight: -1 }), ['spec.weight: -1 is no whole number']],
] satisfies readonly Row[]);
