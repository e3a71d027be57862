/** The pure parts of starting a container. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerCapabilities } from './capabilities.ts';
import { buildEnv, expand } from './env-vars.ts';
import { fieldValue, type PodFacts, resourceValue } from './field-ref.ts';
import type { Container, EnvVar, Pod } from './pod.ts';
import { hostsFile, podHostname, resolvConf } from './pod-files.ts';
import { parseQuantity } from './quantity.ts';

const facts: PodFacts = {
  podIps: ['10.244.1.5', 'fd00:244:1::5'],
  hostIps: ['172.30.0.11', 'fd00:30::11'],
  capacity: { cpu: 4, memory: 8 * 2 ** 30 },
};
const container: Container = {
  name: 'main',
  image: 'ambit/samples',
  resources: { limits: { cpu: '250m', memory: '64Mi' }, requests: { memory: '1Mi' } },
};
const makePod = (spec: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web-1',
    namespace: 'shop',
    uid: 'u-1',
    labels: { b: 'two', a: 'one "1"' },
    annotations: { 'x.io/y': 'z' },
  },
  spec: { containers: [container], nodeName: 'node-1', serviceAccountName: 'web', ...spec },
});

const quantities: readonly (readonly [text: string, value: number])[] = [
  ['100m', 0.1],
  ['2', 2],
  ['.5', 0.5],
  ['64Mi', 67108864],
  ['1e3', 1000],
  ['2k', 2000],
  ['1Gi', 2 ** 30],
];
for (const [text, value] of quantities) {
  test(`the quantity ${text} is ${value}`, () => assert.equal(parseQuantity(text), value));
}
for (const text of ['', '1x', 'ten', '1 Mi', '--1']) {
  test(`"${text}" is not a quantity`, () => assert.throws(() => parseQuantity(text), { code: 'QUANTITY_MALFORMED' }));
}

const expansions: readonly (readonly [name: string, text: string, expected: string])[] = [
  ['a known name is replaced', 'a $(A) b', 'a 1 b'],
  ['an unknown one stays', '$(NOPE)', '$(NOPE)'],
  ['two dollars are one, and what follows is not a reference', '$$(A)', '$(A)'],
  ['an empty value counts', '[$(E)]', '[]'],
  ['a lone dollar stays', 'a$ $A', 'a$ $A'],
];
for (const [name, text, expected] of expansions) {
  test(`in commands and variables ${name}`, () => {
    assert.equal(
      expand(
        text,
        new Map([
          ['A', '1'],
          ['E', ''],
        ]),
      ),
      expected,
    );
  });
}

const fields: readonly (readonly [path: string, value: string])[] = [
  ['metadata.name', 'web-1'],
  ["metadata.labels['b']", 'two'],
  ["metadata.annotations['x.io/y']", 'z'],
  ["metadata.labels['none']", ''],
  ['metadata.labels', 'a="one \\"1\\""\nb="two"'],
  ['status.podIP', '10.244.1.5'],
  ['status.podIPs', '10.244.1.5,fd00:244:1::5'],
  ['status.hostIP', '172.30.0.11'],
  ['spec.serviceAccountName', 'web'],
];
for (const [path, value] of fields) {
  test(`a pod knows its ${path}`, () => assert.equal(fieldValue(makePod(), facts, path), value));
}
test('a field that does not exist is an error that names it', () => {
  assert.throws(() => fieldValue(makePod(), facts, 'status.phase'), /status\.phase/);
});

const resources: readonly (readonly [name: string, ref: { resource: string; divisor?: string }, value: string])[] = [
  ['parts of a CPU count upwards', { resource: 'limits.cpu' }, '1'],
  ['a divisor gives millis', { resource: 'limits.cpu', divisor: '1m' }, '250'],
  ['memory in MiB', { resource: 'limits.memory', divisor: '1Mi' }, '64'],
  ['a request that is not set is 0', { resource: 'requests.cpu' }, '0'],
];
for (const [name, ref, value] of resources) {
  test(`of its resources a container knows: ${name}`, () => assert.equal(resourceValue(container, facts, ref), value));
}
test('a limit that is not set is what the node has', () => {
  assert.equal(resourceValue({ name: 'c', image: 'i' }, facts, { resource: 'limits.cpu' }), '4');
});

const envOf = (env: readonly EnvVar[], envFrom: Container['envFrom'] = []) =>
  buildEnv({
    pod: makePod(),
    container: { ...container, env, envFrom },
    facts,
    image: { FROM_IMAGE: 'i' },
    services: { KUBERNETES_SERVICE_HOST: '10.96.0.1' },
    hostname: 'web-1',
    read: async (kind, name) => (name === 'there' ? new Map([['key', Buffer.from(kind)]]) : undefined),
  });

test('variables see those before them, and win over what the image and services set', async () => {
  const env = await envOf([
    { name: 'FROM_IMAGE', value: 'mine' },
    { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'URL', value: 'http://$(IP)/$(LATER)' },
    { name: 'LATER', value: 'x' },
    { name: 'API', value: '$(KUBERNETES_SERVICE_HOST)' },
  ]);
  assert.equal(env.get('FROM_IMAGE'), 'mine');
  assert.equal(env.get('URL'), 'http://10.244.1.5/$(LATER)');
  assert.equal(env.get('API'), '10.96.0.1');
});

test('a ConfigMap or Secret gives one key or all of them', async () => {
  const one = [{ name: 'S', valueFrom: { secretKeyRef: { name: 'there', key: 'key' } } }];
  const env = await envOf(one, [{ prefix: 'P_', configMapRef: { name: 'there' } }]);
  assert.equal(env.get('S'), 'Secret');
  assert.equal(env.get('P_key'), 'ConfigMap');
});

test('what is missing is named, unless it is optional', async () => {
  const ref = (name: string, key: string, optional = false) => [
    { name: 'V', valueFrom: { configMapKeyRef: { name, key, optional } } },
  ];
  await assert.rejects(envOf(ref('gone', 'key')), /env V: ConfigMap "gone" not found/);
  await assert.rejects(envOf(ref('there', 'other')), /env V: ConfigMap "there" has no key "other"/);
  assert.equal((await envOf(ref('gone', 'key', true))).has('V'), false);
  await assert.rejects(envOf([], [{ secretRef: { name: 'gone' } }]), /Secret "gone" not found/);
});

const NET_ADMIN = 12;
const CHOWN = 0;
test('a container has the usual capabilities, with those it adds and without those it drops', () => {
  assert.equal(containerCapabilities({}).length, 14);
  assert.deepEqual(containerCapabilities({ drop: ['ALL'] }), []);
  assert.deepEqual(containerCapabilities({ drop: ['ALL'], add: ['CAP_NET_ADMIN'] }), [NET_ADMIN]);
  assert.equal(containerCapabilities({ drop: ['chown'] }).includes(CHOWN), false);
  assert.equal(containerCapabilities({ add: ['ALL'] }).length, 41);
  assert.throws(() => containerCapabilities({ add: ['FLY'] }), /"FLY"/);
});

test("a pod's own name is short enough for the kernel, and a pod on its node's network has the node's", () => {
  const long = { ...makePod(), metadata: { ...makePod().metadata, name: `${'a'.repeat(62)}.b` } };
  assert.equal(podHostname(long, 'node-1'), 'a'.repeat(62));
  assert.equal(podHostname(makePod({ hostNetwork: true }), 'node-1'), 'node-1');
});

test('the hosts file has the pod, its subdomain and its aliases', () => {
  const text = hostsFile(
    makePod({ subdomain: 'db', hostAliases: [{ ip: '1.2.3.4', hostnames: ['x', 'y'] }] }),
    'web-1',
    facts.podIps,
  );
  assert.match(text, /^10\.244\.1\.5\tweb-1\.db\.shop\.svc\.cluster\.local\tweb-1$/m);
  assert.match(text, /^fd00:244:1::5\tweb-1\.db/m);
  assert.match(text, /^1\.2\.3\.4\tx\ty$/m);
});

const node = 'nameserver 9.9.9.9\n';
const dns: readonly (readonly [name: string, spec: Partial<Pod['spec']>, expected: string])[] = [
  [
    'a pod asks the cluster first',
    {},
    'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n',
  ],
  ["a pod on its node's network asks what the node asks", { hostNetwork: true }, 'nameserver 9.9.9.9\n'],
  [
    'unless it wants the cluster',
    { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' },
    'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n',
  ],
  [
    'its own options replace ours',
    {
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] },
    },
    'nameserver 1.1.1.1\nsearch a.b\noptions ndots:2\n',
  ],
];
for (const [name, spec, expected] of dns) {
  test(`resolv.conf: ${name}`, () => assert.equal(resolvConf(makePod(spec), '10.96.0.10', node), expected));
}
