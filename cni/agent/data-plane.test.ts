import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RESOURCES } from '../../core/kube/index.ts';
import { closeFds, listenTcp, openUdp } from '../../core/net/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { TestNode, uidOf } from '../../test/support/cni-node.ts';
import { eventually, needsRoot } from '../../test/support/netns.ts';
import { DataPlane } from './data-plane.ts';
import { NetnsFinder } from './netns-finder.ts';
import { type Pod, podOf } from './pod.ts';

const root = { skip: needsRoot };
type Step = 'zds add' | 'zds remove' | 'host add' | 'host remove' | 'annotate';

/** A data plane whose neighbours write down what they are asked, and fail where they are told to. */
async function stage(dnsCapture = false) {
  const node = await TestNode.create({ pods: 1, ambient: true });
  node.pod(1);
  const steps: string[] = [];
  const failing = new Set<Step>();
  const step = (name: Step, detail = '') => {
    steps.push(`${name}${detail}`);
    if (failing.has(name)) throw new Error(`${name} failed`);
  };
  const finder = new NetnsFinder(node.config);
  const dataPlane = new DataPlane({
    finder,
    zds: { add: async () => step('zds add'), remove: async () => step('zds remove') },
    host: { add: async () => step('host add'), remove: async () => step('host remove') },
    defaults: { ipv6: true, dnsCapture },
    annotate: async (_pod, value) => {
      step('annotate', ` ${value}`);
      return '100';
    },
    farewellMs: 1,
    successionMs: 50,
    log: createLogger({ format: 'plain', level: 'error', write: () => {} }),
  });
  const pod = (): Pod => podOf(node.api.get(RESOURCES.Pod, 'shop/pod1') ?? assert.fail('no pod'));
  return {
    node,
    dataPlane,
    steps,
    failing,
    pod,
    rules: () => node.tables('pod1'),
    async [Symbol.asyncDispose]() {
      dataPlane[Symbol.dispose]();
      finder[Symbol.dispose]();
      await node[Symbol.asyncDispose]();
    },
  };
}

test('a pod is annotated last, when everything else stands', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  assert.deepEqual(s.steps, ['zds add', 'host add', 'annotate enabled']);
  assert.ok(s.dataPlane.isComplete(uidOf(1)));
});

test('a ztunnel that is not there leaves the pod captured and pending', root, async () => {
  await using s = await stage();
  s.failing.add('zds add');
  await assert.rejects(s.dataPlane.add(s.pod()), /zds add failed/);
  assert.deepEqual(s.steps, ['zds add', 'annotate pending']);
  assert.match(await s.rules(), /istio-ambient-nat/);
  s.failing.clear();
  await s.dataPlane.add(s.pod());
  assert.ok(s.dataPlane.isComplete(uidOf(1)));
});

test('peers hear that a pod leaves while it is still served', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  s.steps.length = 0;
  await s.dataPlane.remove(s.pod(), false);
  assert.deepEqual(s.steps, ['annotate pending', 'host remove', 'zds remove', 'annotate undefined']);
});

test('a removal that fails after the rules went is completed by the next try', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  s.failing.add('zds remove');
  await assert.rejects(s.dataPlane.remove(s.pod(), false));
  assert.equal(await s.rules(), '');
  assert.ok(s.dataPlane.knows(uidOf(1)));
  s.failing.clear();
  await s.dataPlane.remove(s.pod(), false);
  assert.ok(!s.dataPlane.knows(uidOf(1)));
});

test('rules whose removal fails are not forgotten', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = '/nowhere'; // no nft to be found
  try {
    await assert.rejects(s.dataPlane.remove(s.pod(), false), { code: 'TOOL_MISSING' });
  } finally {
    process.env['PATH'] = path;
  }
  assert.match(await s.rules(), /istio-ambient-nat/);
  await s.dataPlane.remove(s.pod(), false);
  assert.equal(await s.rules(), '');
});

test('a pod whose rules can not be set is taken back from the proxy, and nothing of it stays', root, async () => {
  await using s = await stage();
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = '/nowhere';
  try {
    await assert.rejects(s.dataPlane.add(s.pod()), { code: 'TOOL_MISSING' });
  } finally {
    process.env['PATH'] = path;
  }
  assert.deepEqual([s.steps, s.dataPlane.knows(uidOf(1))], [['zds add', 'zds remove'], false]);
});

test('the rules of a pod that has ended go with its namespace, and its annotation is no obstacle', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  s.failing.add('annotate');
  await s.dataPlane.remove(s.pod(), true);
  assert.match(await s.rules(), /istio-ambient-nat/);
  assert.ok(!s.dataPlane.knows(uidOf(1)));
});

test('plugin and informer that enrol a pod at the same time do it one after the other', root, async () => {
  await using s = await stage();
  const path = `/var/run/netns/${s.node.net.host('pod1').netnsName}`;
  await Promise.all([s.dataPlane.add(s.pod()), s.dataPlane.add(s.pod(), s.pod().ips, path)]);
  assert.deepEqual(s.steps, ['zds add', 'host add', 'annotate enabled', 'zds add', 'host add', 'annotate enabled']);
  assert.equal(s.dataPlane.list().length, 1);
});

test('a watch that lags behind our own annotation is known to', root, async () => {
  await using s = await stage();
  await s.dataPlane.add(s.pod());
  const at = (resourceVersion: string): Pod => {
    const { object } = s.pod();
    return podOf({ ...object, metadata: { ...object.metadata, resourceVersion } });
  };
  assert.deepEqual(
    ['99', '100', '101', 'x'].map((version) => s.dataPlane.isStale(at(version))),
    [true, false, false, false],
  );
});

/** Listens in a pod as a ztunnel does, until disposed. */
function proxy(s: Awaited<ReturnType<typeof stage>>, withDns: boolean): Disposable {
  const { netns } = s.node.net.host('pod1');
  const fds = [listenTcp({ netns, port: 15_001 })];
  if (withDns) fds.push(openUdp({ netns, bind: { ip: '127.0.0.1', port: 15_053 } }));
  return { [Symbol.dispose]: () => closeFds(fds) };
}

const CAPTURES_DNS = /istio-ambient-raw/; // the table that is there for DNS alone

test('DNS is captured for a ztunnel that listens for it, and with the pod it leaves nothing', root, async () => {
  await using s = await stage(true);
  using _ztunnel = proxy(s, true);
  await s.dataPlane.add(s.pod());
  assert.match(await s.rules(), CAPTURES_DNS);
  await s.dataPlane.remove(s.pod(), false);
  assert.equal(await s.rules(), '');
});

test(
  'DNS is not captured while the ztunnel has its DNS proxy switched off, and follows when that changes',
  root,
  async () => {
    await using s = await stage(true);
    {
      using _ztunnel = proxy(s, false);
      await s.dataPlane.add(s.pod());
      assert.match(await s.rules(), /istio-ambient-nat/);
      assert.doesNotMatch(await s.rules(), CAPTURES_DNS);
    }
    using _successor = proxy(s, true);
    s.dataPlane.followProxy();
    await eventually('it is captured', async () => CAPTURES_DNS.test(await s.rules()));
  },
);

test('DNS is let go when the last ztunnel that listened for it has left', root, async () => {
  await using s = await stage(true);
  const old = proxy(s, true);
  await s.dataPlane.add(s.pod());
  assert.match(await s.rules(), CAPTURES_DNS);
  s.dataPlane.followProxy(); // the successor is here, and the old one still listens
  old[Symbol.dispose]();
  using _successor = proxy(s, false);
  await eventually('it is let go', async () => !CAPTURES_DNS.test(await s.rules()));
});

test('without any ztunnel rules are what they are meant to be once it comes', root, async () => {
  await using s = await stage(true);
  s.failing.add('zds add');
  await assert.rejects(s.dataPlane.add(s.pod()), /zds add failed/);
  assert.match(await s.rules(), CAPTURES_DNS);
});
