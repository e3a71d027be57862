import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ambient, cases, found, object, pod } from './test-support.ts';

const network = (name: string, spec: Readonly<Record<string, unknown>>, namespace = 'shop') =>
  object('networking.k8s.io/v1', 'NetworkPolicy', `${namespace}/${name}`, { podSelector: {}, ...spec });
const app = (name: string) => ({ podSelector: { matchLabels: { app: name } } });
const inNamespace = (name: string) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } });
const tcp = (...ports: (number | string)[]) => ports.map((port) => ({ port }));
const TUNNEL = { ports: tcp(15_008) };
const MESH = [
  ambient('shop'),
  pod('shop/cart', { ip: '10.1.0.1' }),
  pod('shop/web', { ip: '10.1.0.2' }),
  ambient('office'),
  pod('office/reporter', { ip: '10.2.0.1' }),
  pod('legacy/batch', { ip: '10.3.0.1', captured: false }),
];
const BLOCKED = 'AMB0401 NetworkPolicy shop/n spec.ingress[0].ports';
const BLOCKED_OUT = 'AMB0402 NetworkPolicy shop/n spec.egress[0].ports';

const INGRESS = cases(
  ['AMB0401'],
  [
    ['no NetworkPolicy', MESH, []],
    ['everybody, on every port', [...MESH, network('n', { ingress: [{}] })], []],
    ['nobody at all: that is no matter of the tunnel', [...MESH, network('n', { ingress: [] })], []],
    [
      'everybody, on the port of the application only',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080) }] })],
      [BLOCKED],
    ],
    ['by the name of the port', [...MESH, network('n', { ingress: [{ ports: tcp('http') }] })], [BLOCKED]],
    [
      'a range that holds the port of the tunnel',
      [...MESH, network('n', { ingress: [{ ports: [{ port: 8000, endPort: 16_000 }] }] })],
      [],
    ],
    [
      'a range that ends before it',
      [...MESH, network('n', { ingress: [{ ports: [{ port: 8000, endPort: 15_007 }] }] })],
      [BLOCKED],
    ],
    [
      'the port of the tunnel, but for UDP',
      [...MESH, network('n', { ingress: [{ ports: [...tcp(8080), { port: 15_008, protocol: 'UDP' }] }] })],
      [BLOCKED],
    ],
    [
      'UDP alone is not carried by tunnels',
      [...MESH, network('n', { ingress: [{ ports: [{ port: 53, protocol: 'UDP' }] }] })],
      [],
    ],
    [
      'the port of the tunnel beside that of the application',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080, 15_008) }] })],
      [],
    ],
    [
      'the port of the tunnel in another rule',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080) }, TUNNEL] })],
      [],
    ],
    [
      'the port of the tunnel in another policy',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080) }] }), network('m', { ingress: [TUNNEL] })],
      [],
    ],
    [
      'in another policy that is about other pods',
      [
        ...MESH,
        network('n', { ...app('cart'), ingress: [{ ports: tcp(8080) }] }),
        network('m', { ...app('web'), ingress: [TUNNEL] }),
      ],
      [BLOCKED],
    ],
    [
      'in another policy for egress',
      [
        ...MESH,
        network('n', { ingress: [{ ports: tcp(8080) }] }),
        network('m', { policyTypes: ['Egress'], egress: [TUNNEL] }),
      ],
      [BLOCKED],
    ],
    [
      'a tunnel for some of the callers',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080) }, { from: [inNamespace('office')], ...TUNNEL }] })],
      [BLOCKED],
    ],
    [
      'a tunnel for exactly the callers',
      [
        ...MESH,
        network('n', {
          ingress: [
            { from: [inNamespace('office')], ports: tcp(8080) },
            { from: [inNamespace('office')], ...TUNNEL },
          ],
        }),
      ],
      [],
    ],
    [
      'a tunnel for more than the callers',
      [
        ...MESH,
        network('n', {
          ingress: [
            { from: [inNamespace('office')], ports: tcp(8080) },
            { from: [{ namespaceSelector: {} }], ...TUNNEL },
          ],
        }),
      ],
      [],
    ],
    [
      'a pod selector is about its own namespace',
      [...MESH, network('n', { ingress: [{ from: [app('reporter')], ports: tcp(8080) }] })],
      [],
    ],
    [
      'both selectors must select',
      [
        ...MESH,
        network('n', { ingress: [{ from: [{ ...inNamespace('office'), ...app('nobody') }], ports: tcp(8080) }] }),
      ],
      [],
    ],
    [
      'selectors by expressions',
      [
        ...MESH,
        network('n', {
          ingress: [
            {
              from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] } }],
              ports: tcp(8080),
            },
          ],
        }),
      ],
      [BLOCKED],
    ],
    [
      'callers outside the mesh need no tunnel',
      [...MESH, network('n', { ingress: [{ from: [inNamespace('legacy')], ports: tcp(8080) }] })],
      [],
    ],
    [
      'callers by their addresses',
      [...MESH, network('n', { ingress: [{ from: [{ ipBlock: { cidr: '10.2.0.0/16' } }], ports: tcp(8080) }] })],
      [BLOCKED],
    ],
    [
      'addresses of nobody in the mesh',
      [
        ...MESH,
        network('n', {
          ingress: [
            { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.2.0.0/16'] } }], ports: tcp(8080) },
          ],
        }),
      ],
      [],
    ],
    [
      'a tunnel by the addresses of all pods',
      [
        ...MESH,
        network('n', { ingress: [{ ports: tcp(8080) }, { from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ...TUNNEL }] }),
      ],
      [],
    ],
    [
      'pods outside the mesh are reached without a tunnel',
      [...MESH, network('n', { ingress: [{ ports: tcp(8080) }] }, 'legacy')],
      [],
    ],
    [
      'a policy for egress only isolates no ingress',
      [...MESH, network('n', { policyTypes: ['Egress'], ingress: [{ ports: tcp(8080) }] })],
      [],
    ],
  ],
);
for (const { name, got, want } of INGRESS) test(`ingress: ${name}`, () => assert.deepEqual(got(), want));

const EGRESS = cases(
  ['AMB0402'],
  [
    ['everywhere', [...MESH, network('n', { egress: [{}] })], []],
    [
      'to a port of the mesh only',
      [...MESH, network('n', { egress: [{ to: [inNamespace('office')], ports: tcp(8080) }] })],
      [BLOCKED_OUT],
    ],
    [
      'to the outside only',
      [...MESH, network('n', { egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: tcp(443) }] })],
      [],
    ],
    [
      'to DNS only',
      [...MESH, network('n', { egress: [{ ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }] }] })],
      [],
    ],
    [
      'with the tunnel',
      [...MESH, network('n', { egress: [{ to: [inNamespace('office')], ports: tcp(8080, 15_008) }] })],
      [],
    ],
    [
      'to pods outside the mesh',
      [...MESH, network('n', { egress: [{ to: [inNamespace('legacy')], ports: tcp(8080) }] })],
      [],
    ],
    [
      'rules without the type: egress is isolated all the same',
      [...MESH, network('n', { ingress: [{}], egress: [{ ports: tcp(8080) }] })],
      [BLOCKED_OUT],
    ],
  ],
);
for (const { name, got, want } of EGRESS) test(`egress: ${name}`, () => assert.deepEqual(got(), want));

const probed = (readinessProbe: object) =>
  pod('shop/cart', { spec: { containers: [{ ports: [{ name: 'http', containerPort: 8080 }], readinessProbe }] } });
const PROBES = cases(
  ['AMB0403'],
  [
    [
      'a probe that the policy lets in',
      [
        ambient('shop'),
        probed({ tcpSocket: { port: 8080 } }),
        network('n', { ingress: [{ ports: tcp(8080, 15_008) }] }),
      ],
      [],
    ],
    [
      'a probe by name',
      [
        ambient('shop'),
        probed({ httpGet: { port: 'http' } }),
        network('n', { ingress: [{ ports: tcp('http', 15_008) }] }),
      ],
      [],
    ],
    [
      'a probe whose address in the mesh is not let in',
      [
        ambient('shop'),
        probed({ tcpSocket: { port: 8080 } }),
        network('n', { ingress: [{ from: [{ podSelector: {} }] }] }),
      ],
      ['AMB0403 NetworkPolicy shop/n spec.ingress'],
    ],
    [
      'that address is let in',
      [
        ambient('shop'),
        probed({ tcpSocket: { port: 8080 } }),
        network('n', {
          ingress: [{ from: [{ podSelector: {} }] }, { from: [{ ipBlock: { cidr: '169.254.7.127/32' } }] }],
        }),
      ],
      [],
    ],
    [
      'a probe that runs a command',
      [ambient('shop'), probed({ exec: { command: ['true'] } }), network('n', { ingress: [] })],
      [],
    ],
    ['a pod outside the mesh', [probed({ tcpSocket: { port: 8080 } }), network('n', { ingress: [] })], []],
  ],
);
for (const { name, got, want } of PROBES) test(`probes: ${name}`, () => assert.deepEqual(got(), want));

test('a blocked tunnel is told with who calls whom', () => {
  const [one] = found([
    ...MESH,
    network('n', { ...app('cart'), ingress: [{ from: [inNamespace('office')], ports: tcp(8080) }] }),
  ]);
  assert.equal(
    one?.message,
    'admits office/reporter to port 8080 of shop/cart, but not to port 15008, where callers of the mesh arrive: they are cut off',
  );
});
