import assert from 'node:assert/strict';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestNode, uidOf } from '../../test/support/cni-node.ts';
import { eventually, needsRoot } from '../../test/support/netns.ts';
import type { EnrolledReport } from './report.ts';

const root = { skip: needsRoot };

/** What the plugin sends for pod n. */
function announce(node: TestNode, n: number, more: object = {}): Promise<{ status: number; body: string }> {
  const pod = node.net.host(`pod${n}`);
  const event = {
    Netns: `/var/run/netns/${pod.netnsName}`,
    PodName: `pod${n}`,
    PodNamespace: 'shop',
    IPs: [pod.ip4, pod.ip6].map((IP) => ({ Interface: 0, Address: { IP, Mask: '////AA==' }, Gateway: '' })),
    ...more,
  };
  return post(node, JSON.stringify(event));
}

function post(node: TestNode, body: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const call = request(
    { socketPath: join(node.config.runDir, 'pluginevent.sock'), path: '/cmdadd', method: 'POST' },
    (reply) => {
      let text = '';
      reply.on('data', (chunk) => {
        text += chunk;
      });
      reply.on('end', () => resolve({ status: reply.statusCode ?? 0, body: text }));
    },
  );
  call.once('error', reject);
  call.end(body);
  return promise;
}

test('labelling a namespace enrols its running pods, and unlabelling leaves nothing of it', root, async () => {
  await using node = await TestNode.create({ pods: 2 });
  node.pod(1);
  node.pod(2, { labels: { 'istio.io/dataplane-mode': 'none' } });
  const agent = await node.agent();
  using ztunnel = await node.ztunnel();
  await eventually('the snapshot', () => ztunnel.kinds.length === 1);
  node.labelNamespace(true);
  await eventually('the annotation', () => node.annotation(1) === 'enabled');
  assert.deepEqual(ztunnel.kinds, ['snapshotSent', `add ${uidOf(1)}`]);
  assert.equal(ztunnel.heard[1]?.netns, node.net.host('pod1').netns.inode);
  assert.match(await node.tables('pod1'), /istio-ambient-nat[\s\S]*fwmark 0x111[\s\S]*fwmark 0x111/);
  assert.match(
    await node.net.host('host').exec('nft list ruleset'),
    new RegExp(`${node.net.host('pod1').ip4} comment`),
  );
  assert.equal(await node.tables('pod2'), '');
  node.labelNamespace(false);
  await eventually('the annotation to go', () => node.annotation(1) === undefined);
  assert.equal(ztunnel.kinds.at(-1), `del ${uidOf(1)}`);
  assert.equal(await node.tables('pod1'), '');
  const report = async () => (await fetch(`http://127.0.0.1:${agent.healthPort}/enrolled`)).json();
  await eventually('nothing under way', async () => ((await report()) as { pending: number }).pending === 0);
  assert.deepEqual(await report(), { node: 'node-1', pods: [], pending: 0, failing: [] });
});

test('a new pod is enrolled before its start, with the addresses of the event', root, async () => {
  await using node = await TestNode.create({ pods: 1, ambient: true });
  node.pod(1, { ips: [], phase: 'Pending' });
  await node.agent();
  using ztunnel = await node.ztunnel();
  await eventually('the snapshot', () => ztunnel.kinds.length === 1);
  assert.deepEqual(await announce(node, 1), { status: 200, body: '' });
  assert.equal(node.annotation(1), 'enabled');
  assert.deepEqual(ztunnel.kinds, ['snapshotSent', `add ${uidOf(1)}`]);
  assert.deepEqual(await announce(node, 1), { status: 200, body: '' });
});

test('without a ztunnel a new pod does not start, and a running one is pending until there is one', root, async () => {
  await using node = await TestNode.create({ pods: 2, ambient: true });
  node.pod(1, { ips: [], phase: 'Pending' });
  node.pod(2);
  await node.agent();
  const refused = await announce(node, 1);
  assert.deepEqual([refused.status, /no ztunnel connection/.test(refused.body)], [500, true]);
  await eventually('pending', () => node.annotation(1) === 'pending' && node.annotation(2) === 'pending');
  using _ztunnel = await node.ztunnel();
  await eventually('enabled', () => node.annotation(2) === 'enabled');
});

const REFUSED: readonly (readonly [string, (node: TestNode) => object, RegExp])[] = [
  ["the host's namespace", (node) => ({ Netns: `/var/run/netns/${node.net.host('host').netnsName}` }), /host's own/],
  [
    "another pod's namespace",
    (node) => ({ Netns: `/var/run/netns/${node.net.host('pod2').netnsName}` }),
    /none of the pod's addresses/,
  ],
  ['a path elsewhere', () => ({ Netns: '/etc/passwd' }), /not a path of a pod's network namespace/],
  ['a path that climbs', () => ({ Netns: '/var/run/netns/../../../etc/passwd' }), /not a path/],
  ['a namespace that is not there', () => ({ Netns: '/var/run/netns/amb-nowhere' }), /can't open/],
  ['a pod that is not there', () => ({ PodName: 'pod9' }), /no such pod/],
];
test('an event that names what it must not is refused, and nothing is enrolled', root, async (t) => {
  await using node = await TestNode.create({ pods: 2, ambient: true });
  node.pod(1, { ips: [] });
  await node.agent();
  using ztunnel = await node.ztunnel();
  await eventually('the snapshot', () => ztunnel.kinds.length === 1);
  for (const [title, change, reason] of REFUSED) {
    await t.test(title, async () => {
      const { status, body } = await announce(node, 1, change(node));
      assert.equal(status, 500);
      assert.match(body, reason);
    });
  }
  for (const body of ['', '{', '{} trailing', '{"Netns":"/x"}']) assert.equal((await post(node, body)).status, 400);
  assert.deepEqual(ztunnel.kinds, ['snapshotSent']);
  assert.equal(await node.tables('host'), 'table inet istio-ambient-nat\n');
});

test('a pod that is not eligible is refused even if the plugin asks', root, async () => {
  await using node = await TestNode.create({ pods: 1, ambient: false });
  node.pod(1, { ips: [] });
  await node.agent();
  const { status, body } = await announce(node, 1);
  assert.deepEqual([status, /not part of the mesh/.test(body)], [500, true]);
});

test(
  'a restarted agent gives the ztunnel every enrolled pod with its namespace, and heals tampered rules',
  root,
  async () => {
    await using node = await TestNode.create({ pods: 3, ambient: true });
    const enabled = { annotations: { 'ambient.istio.io/redirection': 'enabled' } };
    node.pod(1, enabled);
    node.pod(2, { ...enabled, phase: 'Succeeded' });
    node.pod(3, enabled);
    const { rmSync } = await import('node:fs');
    rmSync(join(node.dir, 'proc', '103'), { recursive: true }); // no process of pod 3 to be found
    await node.agent();
    assert.match(await node.tables('pod1'), /istio-ambient-mangle/);
    using ztunnel = await node.ztunnel();
    await eventually('the snapshot', () => ztunnel.kinds.includes('snapshotSent'));
    assert.deepEqual(ztunnel.kinds.slice(0, 3).sort(), [`add ${uidOf(1)}`, `keep ${uidOf(3)}`, 'snapshotSent'].sort());
    // the finished pod leaves, and the one without namespace is completed once it is found
    await eventually('the finished pod to leave', () => node.annotation(2) === undefined);
    node.process(203, node.net.host('pod3').path, `0::/kubepods/pod${uidOf(3)}/x`, 'app');
    await eventually('pod 3', () => ztunnel.kinds.includes(`add ${uidOf(3)}`), 10_000);
  },
);

test('labels that went while the agent was away take the rules out of the pod', root, async () => {
  await using node = await TestNode.create({ pods: 1, ambient: true });
  node.pod(1);
  const first = await node.agent();
  {
    using _ztunnel = await node.ztunnel();
    await eventually('enabled', () => node.annotation(1) === 'enabled');
  }
  node.api.put({
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'istio-cni-node', namespace: 'istio-system' },
  });
  await first.stop();
  assert.match(await node.tables('pod1'), /istio-ambient-nat/, 'running pods stay captured while the agent is away');
  node.labelNamespace(false);
  await node.agent();
  await eventually('the annotation to go', () => node.annotation(1) === undefined);
  assert.equal(await node.tables('pod1'), '');
});

test(
  "a pod of the host's network that says it is enrolled gets nothing let through, and loses the claim",
  root,
  async () => {
    await using node = await TestNode.create({ pods: 1, ambient: true });
    const { ip4 } = node.net.host('host');
    node.pod(1, { hostNetwork: true, ips: [ip4], annotations: { 'ambient.istio.io/redirection': 'enabled' } });
    const agent = await node.agent();
    using ztunnel = await node.ztunnel();
    await eventually('the claim to go', () => node.annotation(1) === undefined);
    assert.equal((await node.net.host('host').exec('nft list ruleset')).includes(`${ip4} comment`), false);
    assert.equal(
      ztunnel.kinds.some((kind) => /^(add|keep)/.test(kind)),
      false,
    );
    const report = await (await fetch(`http://127.0.0.1:${agent.healthPort}/enrolled`)).json();
    assert.deepEqual((report as EnrolledReport).failing, []);
  },
);

test('a pod that is deleted together with its namespace is still taken from the ztunnel', root, async () => {
  await using node = await TestNode.create({ pods: 1, ambient: true });
  const { RESOURCES } = await import('../../core/kube/index.ts');
  node.pod(1);
  await node.agent();
  using ztunnel = await node.ztunnel();
  await eventually('enabled', () => node.annotation(1) === 'enabled');
  node.api.remove(RESOURCES.Namespace, 'shop');
  node.api.remove(RESOURCES.Pod, 'shop/pod1');
  await eventually('the removal', () => ztunnel.kinds.at(-1) === `del ${uidOf(1)}`);
  await eventually('the host set', async () => !/comment/.test(await node.net.host('host').exec('nft list ruleset')));
});

test('the report names enrolled pods, and rules that stand in a pod which is not enrolled', root, async () => {
  await using node = await TestNode.create({ pods: 3, ambient: true });
  node.pod(1);
  node.pod(2, { labels: { 'istio.io/dataplane-mode': 'none' } });
  node.pod(3, { labels: { 'istio.io/dataplane-mode': 'none' } });
  const agent = await node.agent();
  using _ztunnel = await node.ztunnel();
  await eventually('enabled', () => node.annotation(1) === 'enabled');
  await node.net.host('pod2').exec('nft add table inet istio-ambient-nat');
  const answer = await fetch(`http://127.0.0.1:${agent.healthPort}/enrolled`);
  const { pods } = (await answer.json()) as EnrolledReport;
  const seen = pods.map(({ name, enrolled, rules }) => [name, enrolled, rules]);
  assert.deepEqual(seen, [
    ['pod1', true, true],
    ['pod2', false, true],
  ]);
});

test('readiness needs the plugin in place, and metrics tell how many pods are enrolled', root, async () => {
  await using node = await TestNode.create({ pods: 1, ambient: true });
  node.pod(1);
  const agent = await node.agent();
  using _ztunnel = await node.ztunnel();
  await eventually('readiness', async () => (await fetch(`http://127.0.0.1:${agent.healthPort}/readyz`)).ok);
  await eventually('the gauge', async () => {
    const text = await (await fetch(`http://127.0.0.1:${agent.metricsPort}/metrics`)).text();
    return /ambit_cni_enrolled_pods\{state="complete"\} 1/.test(text) && /ztunnel_connected 1/.test(text);
  });
  assert.equal((await fetch(`http://127.0.0.1:${agent.healthPort}/healthz`)).status, 200);
});
