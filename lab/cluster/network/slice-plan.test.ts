import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Pod, Service } from '../types.ts';
import { planSlices } from './slice-plan.ts';

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'n', uid: 'u', labels: { team: 'x' } },
  spec: {
    selector: { app: 'web' },
    clusterIP: '10.96.0.5',
    ipFamilies: ['IPv4'],
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    ...spec,
  },
});
type Shape = {
  readonly port?: number;
  readonly ready?: boolean;
  readonly phase?: string;
  readonly going?: true;
  readonly spec?: object;
  readonly ips?: readonly string[];
};
const pod = (
  name: string,
  { port = 8080, ready = true, phase = 'Running', going, spec = {}, ips = ['10.244.1.2', 'fd00:244:1::2'] }: Shape = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'n',
    uid: `uid-${name}`,
    labels: { app: 'web' },
    ...(going ? { deletionTimestamp: 'x' } : {}),
  },
  spec: { nodeName: 'node-1', containers: [{ name: 'c', ports: [{ name: 'http', containerPort: port }] }], ...spec },
  status: {
    phase,
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const node: Node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'z' } },
};
const plan = (s: Service, ...pods: Pod[]) => planSlices(s, pods, () => node);

test('a slice says everything about an endpoint', () => {
  const [slice, ...others] = plan(service(), pod('a'));
  assert.equal(others.length, 0);
  assert.equal(slice?.addressType, 'IPv4');
  assert.deepEqual(slice?.metadata.labels, {
    team: 'x',
    'kubernetes.io/service-name': 'web',
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
  });
  assert.deepEqual(slice?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  assert.deepEqual(slice?.endpoints, [
    {
      addresses: ['10.244.1.2'],
      conditions: { ready: true, serving: true, terminating: false },
      targetRef: { kind: 'Pod', namespace: 'n', name: 'a', uid: 'uid-a' },
      nodeName: 'node-1',
      zone: 'z',
    },
  ]);
});

test('each family of the service has slices of its own', () => {
  const slices = plan(service({ ipFamilies: ['IPv4', 'IPv6'] }), pod('a'));
  assert.deepEqual(
    slices.map(({ addressType, endpoints }) => [addressType, endpoints[0]?.addresses]),
    [
      ['IPv4', ['10.244.1.2']],
      ['IPv6', ['fd00:244:1::2']],
    ],
  );
});

test('a named port that means different numbers makes slices of different ports', () => {
  const slices = plan(service(), pod('a'), pod('b', { port: 9090 }));
  assert.deepEqual(
    slices.map(({ ports }) => ports?.[0]?.port),
    [8080, 9090],
  );
  assert.notEqual(slices[0]?.metadata.name, slices[1]?.metadata.name);
});

const conditions: readonly (readonly [name: string, s: Service, p: Pod, wanted: readonly boolean[]])[] = [
  ['a ready pod', service(), pod('a'), [true, true, false]],
  ['an unready pod', service(), pod('a', { ready: false }), [false, false, false]],
  [
    'an unready pod that is published all the same',
    service({ publishNotReadyAddresses: true }),
    pod('a', { ready: false }),
    [true, false, false],
  ],
  ['a pod that goes while it serves', service(), pod('a', { going: true }), [false, true, true]],
];
for (const [name, s, p, [ready, serving, terminating]] of conditions) {
  test(`endpoint conditions of ${name}`, () => {
    assert.deepEqual(plan(s, p)[0]?.endpoints[0]?.conditions, { ready, serving, terminating });
  });
}

test('finished pods and pods without an address are no endpoints', () => {
  assert.deepEqual(plan(service(), pod('a', { phase: 'Failed' }), pod('b', { ips: [] }))[0]?.endpoints, []);
});

test('pods of a headless service keep their host names', () => {
  const [slice] = plan(
    service({ clusterIP: 'None' }),
    pod('a', { spec: { hostname: 'db-0', subdomain: 'web', containers: [] } }),
  );
  assert.equal(slice?.endpoints[0]?.hostname, 'db-0');
  assert.equal(slice?.metadata.labels?.['service.kubernetes.io/headless'], '');
});

test('names follow from content: planning twice gives the same', () => {
  assert.deepEqual(plan(service(), pod('a'), pod('b')), plan(service(), pod('b'), pod('a')));
});

test('many endpoints are spread over slices', () => {
  const pods = Array.from({ length: 150 }, (_, i) => pod(`p${i}`, { ips: [`10.244.1.${i}`] }));
  const slices = plan(service(), ...pods);
  assert.deepEqual(
    slices.map(({ endpoints }) => endpoints.length),
    [100, 50],
  );
  assert.equal(new Set(slices.map(({ metadata }) => metadata.name)).size, 2);
});

test('a service without a selector, and an external name, are left to others', () => {
  const { selector: _selector, ...unselective } = service().spec;
  assert.deepEqual(
    planSlices({ ...service(), spec: unselective }, [pod('a')], () => undefined),
    [],
  );
  assert.deepEqual(plan(service({ type: 'ExternalName' }), pod('a')), []);
});
