import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { mustParseIp } from '../../mesh/index.ts';
import { cgroupOf, TestNode, uidOf } from '../../test/support/cni-node.ts';
import { eventually, needsRoot } from '../../test/support/netns.ts';
import { podUidOfCgroup } from './cgroup.ts';
import { NetnsFinder } from './netns-finder.ts';

const root = { skip: needsRoot };
const U = '6b5b2a51-1c6b-4b6c-9a53-0f2ab7c6c8d1';
const SYSTEMD = U.replaceAll('-', '_');
const ID = 'f'.repeat(64);

const CGROUPS: readonly (readonly [string, string, string | undefined])[] = [
  ['cgroupfs', `0::/kubepods/besteffort/pod${U}/${ID}`, U],
  [
    'systemd and containerd',
    `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD}.slice/cri-containerd-${ID}.scope`,
    U,
  ],
  [
    'containerd with colons',
    `0::/system.slice/containerd.service/kubepods-pod${SYSTEMD}.slice:cri-containerd:${ID}`,
    U,
  ],
  ['docker', `12:cpu:/kubepods/pod${U}/${ID}\n11:memory:/kubepods/pod${U}/${ID}`, U],
  ['cri-o', `0::/kubepods.slice/kubepods-pod${SYSTEMD}.slice/crio-${ID}.scope`, U],
  ['seen from another cgroup namespace', `0::/../../pod${U}/${ID}`, U],
  ['lines that disagree', `2:cpu:/kubepods/pod${U}/x\n1:pids:/kubepods/pod${U.replace('6', '7')}/x`, undefined],
  ['no pod', '0::/system.slice/sshd.service', undefined],
  ['something longer than a uid', `0::/pod${U}0/x`, undefined],
];
for (const [title, cgroup, uid] of CGROUPS) {
  test(`the pod of a process by its cgroup: ${title}`, () => assert.equal(podUidOfCgroup(cgroup), uid));
}

const ipsOf = (node: TestNode, n: number) => [mustParseIp(node.net.host(`pod${n}`).ip4)];

test('a pod is found by its processes, in the namespace that holds its address', root, async () => {
  await using node = await TestNode.create({ pods: 2 });
  using finder = new NetnsFinder(node.config);
  const found = finder.find(new Map([[uidOf(1), ipsOf(node, 1)]]));
  assert.deepEqual([...found.keys()], [uidOf(1)]);
  using netns = found.get(uidOf(1));
  assert.ok(netns?.same(node.net.host('pod1').netns));
});

test('the oldest process wins, and nothing of the others stays open', root, async () => {
  await using node = await TestNode.create({ pods: 2 });
  // of pod 1, but in pod 2's namespace, which has pod 1's address as well
  const shared = ipsOf(node, 1);
  await node.net.host('pod2').exec(`ip addr add ${shared[0]}/32 dev lo`);
  node.process(50, node.net.host('pod2').path, cgroupOf(1), 'older', 5);
  using finder = new NetnsFinder(node.config);
  const before = readdirSync('/proc/self/fd').length;
  const found = finder.find(new Map([[uidOf(1), shared]]));
  assert.ok(found.get(uidOf(1))?.same(node.net.host('pod2').netns));
  found.get(uidOf(1))?.[Symbol.dispose]();
  await eventually('no more descriptors than before', () => readdirSync('/proc/self/fd').length <= before);
});

test("a process passing through another pod's namespace does not lead there", root, async () => {
  await using node = await TestNode.create({ pods: 2 });
  node.process(50, node.net.host('pod2').path, cgroupOf(1), 'visitor', 5);
  using finder = new NetnsFinder(node.config);
  using netns = finder.find(new Map([[uidOf(1), ipsOf(node, 1)]])).get(uidOf(1));
  assert.ok(netns?.same(node.net.host('pod1').netns));
});

test('a pod whose interface has no carrier yet is found by either address', root, async () => {
  await using node = await TestNode.create({ pods: 1 });
  const pod = node.net.host('pod1');
  await pod.exec(
    'ip link add pending type veth peer name other; ip link set pending up; ip addr add 10.9.9.9/32 dev pending; ip addr add fd09::9/128 dev pending',
  );
  using finder = new NetnsFinder(node.config);
  for (const ip of ['10.9.9.9', 'fd09::9']) {
    using netns = finder.find(new Map([[uidOf(1), [mustParseIp(ip)]]])).get(uidOf(1));
    assert.ok(netns?.same(pod.netns), ip);
  }
});

test("the host's namespace is nobody's, and a pod without an address is not found", root, async () => {
  await using node = await TestNode.create({ pods: 1 });
  node.process(60, node.net.host('host').path, cgroupOf(7), 'hostnet');
  using finder = new NetnsFinder(node.config);
  const host = mustParseIp(node.net.host('host').ip4);
  assert.equal(finder.find(new Map([[uidOf(7), [host]]])).size, 0);
  assert.equal(finder.find(new Map([[uidOf(1), []]])).size, 0);
});

test('a process that has ended, or is half gone, is passed over', root, async () => {
  await using node = await TestNode.create({ pods: 1 });
  node.process(70, '/var/run/netns/amb-gone', cgroupOf(1), 'ended');
  using finder = new NetnsFinder(node.config);
  using netns = finder.find(new Map([[uidOf(1), ipsOf(node, 1)]])).get(uidOf(1));
  assert.ok(netns);
});
