import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { type AddSurroundings, add } from './add.ts';
import { type PluginConf, parseCniArgs, parseConf } from './conf.ts';
import type { AddEvent } from './event.ts';
import { eventIp } from './event.ts';
import { passOn } from './result.ts';

const CONF = {
  cniVersion: '1.0.0',
  ambient_enabled: true,
  pod_namespace: 'istio-system',
  exclude_namespaces: ['kube-system'],
  enablement_selectors: [
    { podSelector: { matchLabels: { mode: 'ambient' } } },
    {
      namespaceSelector: { matchLabels: { mode: 'ambient' } },
      podSelector: { matchExpressions: [{ key: 'mode', operator: 'NotIn', values: ['none'] }] },
    },
  ],
};
const conf = (more: object = {}): PluginConf => parseConf(JSON.stringify({ ...CONF, ...more }));

type Cluster = { readonly pod?: object; readonly namespace?: object; readonly failures?: number };

/** One ADD against a made-up cluster: what the agent heard, how long it waited, and how it ended. */
async function addTo(cluster: Cluster, input: { conf?: PluginConf; podName?: string; podNamespace?: string } = {}) {
  const events: AddEvent[] = [];
  const reads: string[] = [];
  let failures = cluster.failures ?? 0;
  let waitedMs = 0;
  const read = async (what: string, metadata: object, more: object = {}): Promise<KubeObject> => {
    reads.push(what);
    if (failures-- > 0) throw new Error('connection refused');
    return { apiVersion: 'v1', kind: 'X', metadata: { name: 'x', namespace: 'shop', ...metadata }, ...more };
  };
  const world: AddSurroundings = {
    connect: () => ({
      pod: () => read('pod', {}, cluster.pod),
      namespace: () => read('namespace', cluster.namespace ?? {}),
      [Symbol.dispose]: () => {},
    }),
    tellAgent: async (event) => void events.push(event),
    sleep: async (ms) => {
      waitedMs += ms;
    },
    log: () => {},
  };
  const outcome = await add(
    { conf: conf(), netns: '/var/run/netns/x', podName: 'web', podNamespace: 'shop', ...input },
    world,
  ).catch((error: Error) => error);
  return { outcome, events, reads, waitedMs };
}

const ambient = { labels: { mode: 'ambient' } };
const pod = (labels: object, more: object = {}) => ({ metadata: { name: 'web', namespace: 'shop', labels }, ...more });

test('a pod of an ambient namespace is announced once, with its addresses', async () => {
  const prevResult = {
    ips: [{ address: '10.1.2.3/24', gateway: '10.1.2.1', interface: 0 }, { address: 'fd00::7/64' }],
  };
  const { events } = await addTo({ namespace: ambient, pod: pod({}) }, { conf: conf({ prevResult }) });
  assert.deepEqual(events, [
    {
      Netns: '/var/run/netns/x',
      PodName: 'web',
      PodNamespace: 'shop',
      IPs: [
        { Interface: 0, Address: { IP: '10.1.2.3', Mask: '////AA==' }, Gateway: '10.1.2.1' },
        { Interface: null, Address: { IP: 'fd00::7', Mask: '//////////8AAAAAAAAAAA==' }, Gateway: '' },
      ],
    },
  ]);
});

test('masks are the raw bytes in base64', () => {
  assert.equal(eventIp({ address: '10.0.0.1/32' })?.Address.Mask, '/////w==');
  assert.equal(eventIp({ address: '10.0.0.1' })?.Address.Mask, '/////w==');
  assert.equal(eventIp({ address: '10.0.0.1/20' })?.Address.Mask, '///wAA==');
  assert.equal(eventIp({ address: '10.0.0.1/33' }), undefined);
});

const LABELS: readonly (readonly [string, Cluster, boolean])[] = [
  ['label none in an ambient namespace', { namespace: ambient, pod: pod({ mode: 'none' }) }, false],
  ['label ambient in a namespace without', { pod: pod({ mode: 'ambient' }) }, true],
  ['no label anywhere', { pod: pod({}) }, false],
  [
    'a sidecar in an ambient namespace',
    {
      namespace: ambient,
      pod: { metadata: { name: 'web', namespace: 'shop', annotations: { 'sidecar.istio.io/status': '' } } },
    },
    false,
  ],
  ["the host's network", { namespace: ambient, pod: pod({}, { spec: { hostNetwork: true } }) }, false],
];
for (const [title, cluster, told] of LABELS) {
  test(`the agent is ${told ? '' : 'not '}told of a pod with ${title}`, async () => {
    assert.equal((await addTo(cluster)).events.length, told ? 1 : 0);
  });
}

test('an excluded namespace is let through before the API is asked', async () => {
  const { reads, outcome } = await addTo({}, { podNamespace: 'kube-system' });
  assert.deepEqual([reads, outcome], [[], 'namespace kube-system is excluded']);
});

test("the agent's own pod starts without the API, and the same name elsewhere does not", async () => {
  const own = await addTo({ failures: 99 }, { podName: 'istio-cni-node-x1', podNamespace: 'istio-system' });
  assert.equal(own.outcome, 'it is the node agent itself');
  const elsewhere = await addTo({ failures: 99 }, { podName: 'istio-cni-node-x1', podNamespace: 'shop' });
  assert.ok(elsewhere.outcome instanceof Error);
});

test('what is not a pod of Kubernetes is let through', async () => {
  assert.equal((await addTo({}, { podName: '', podNamespace: '' })).outcome, 'it is not a pod of Kubernetes');
});

test('a pod of which nobody can say whether it is eligible does not start outside the mesh', async () => {
  const { outcome, waitedMs, events } = await addTo({ failures: 99 });
  assert.match(String(outcome), /cannot decide whether pod shop\/web is part of the mesh: connection refused/);
  assert.deepEqual([waitedMs, events.length], [1_000, 0]);
});

test('with detection retry an API that comes back after three failures is enough', async () => {
  const { events, waitedMs } = await addTo(
    { namespace: ambient, pod: pod({}), failures: 3 },
    { conf: conf({ enable_ambient_detection_retry: true }) },
  );
  assert.deepEqual([events.length, waitedMs], [1, 3_000]);
  const never = await addTo({ failures: 99 }, { conf: conf({ enable_ambient_detection_retry: true }) });
  assert.deepEqual([never.outcome instanceof Error, never.waitedMs], [true, 30_000]);
});

test('the previous result goes on untouched, in the version asked for', () => {
  const prev = { cniVersion: '1.0.0', ips: [{ address: '10.0.0.1/24' }], interfaces: [{ name: 'eth0' }], odd: 1 };
  assert.deepEqual(passOn(prev, '1.0.0'), prev);
  assert.deepEqual(passOn(prev, '0.4.0'), {
    ...prev,
    cniVersion: '0.4.0',
    ips: [{ version: '4', address: '10.0.0.1/24' }],
  });
  assert.deepEqual(
    passOn({ ...prev, cniVersion: '0.3.1', ips: [{ version: '4', address: '10.0.0.1/24' } as never] }, '1.0.0'),
    prev,
  );
  assert.deepEqual(passOn(undefined, '1.0.0'), { cniVersion: '1.0.0', ips: [], dns: {} });
});

const BAD: readonly (readonly [string, string, number, RegExp])[] = [
  ['not JSON', '{', 6, /not JSON/],
  ['a list', '[]', 6, /not an object/],
  ['an unknown version', '{"cniVersion":"9.0.0"}', 1, /incompatible CNI version/],
  ['a flag that is text', '{"ambient_enabled":"true"}', 7, /ambient_enabled must be true or false/],
  ['namespaces that are numbers', '{"exclude_namespaces":[1]}', 7, /exclude_namespaces must be a list of strings/],
  [
    'a misspelt operator',
    '{"enablement_selectors":[{"podSelector":{"matchExpressions":[{"key":"a","operator":"in"}]}}]}',
    7,
    /enablement_selectors/,
  ],
  ['a result without addresses', '{"prevResult":{"ips":[{}]}}', 7, /prevResult\.ips/],
];
for (const [title, stdin, code, reason] of BAD) {
  test(`a configuration with ${title} is one clear error`, () => {
    assert.throws(() => parseConf(stdin), { code, message: reason });
  });
}

test('CNI_ARGS are read with and without what we know', () => {
  const args = parseCniArgs('IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u');
  assert.deepEqual(args, { podName: 'web', podNamespace: 'shop' });
  assert.deepEqual(parseCniArgs(''), { podName: '', podNamespace: '' });
});
