import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { dialTcp, originalDst, resetSocket } from '../../core/net/index.ts';
import { needsRoot, readAll, type TestHost, TestNet } from '../../test/support/netns.ts';
import { applyRules, findRules, isClean, planRules, removeRules, verifyRules } from './index.ts';

const root = { skip: needsRoot };
const MARK = 1337;
const DEFAULT = { ipv6: true, dnsCapture: false, bypassInbound: false, virtualInterfaces: [] } as const;
const PLAN = planRules(DEFAULT);

/**
 * What the node proxy does to these flows, and nothing more: reports where a captured connection was going, or passes it
 * on to the application as the original client.
 */
async function standIn(pod: TestHost): Promise<string[]> {
  const seen: string[] = [];
  const options = { onError: () => {} };
  await pod.listen(15001, (socket) => socket.resume().end(`outbound to ${at(socket)}`), options);
  await pod.listen(
    15006,
    async (socket) => {
      seen.push(`inbound to ${at(socket)}`);
      const to = originalDst(socket);
      const client = socket.remoteAddress?.replace('::ffff:', '') ?? '';
      if (!to) return resetSocket(socket);
      const app = await dialTcp({ netns: pod.netns, to, bindSource: client, mark: MARK });
      socket.pipe(app).pipe(socket);
      for (const end of [socket, app]) end.on('error', () => resetSocket(end));
    },
    options,
  );
  await pod.listen(15008, (socket) => socket.resume().end('tunnel'), options);
  return seen;
}

const at = (socket: Socket) => {
  const dst = originalDst(socket);
  return dst ? `${dst.ip} ${dst.port}` : 'nowhere';
};
const tellClient = (socket: Socket) => socket.resume().end(`you are ${socket.remoteAddress?.replace('::ffff:', '')}`);
const ask = async (from: TestHost, ip: string, port: number, mark?: number) =>
  readAll(await from.dial({ ip, port }, mark === undefined ? {} : { mark }));

test('what a pod dials arrives at the proxy with its original destination, in both families', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, peer: {} } });
  const [pod, peer] = [net.host('pod'), net.host('peer')];
  await applyRules(pod.netns, PLAN);
  await standIn(pod);
  await peer.listen(80, tellClient);
  assert.equal(await ask(pod, peer.ip4, 80), `outbound to ${peer.ip4} 80`);
  assert.equal(await ask(pod, peer.ip6, 80), `outbound to ${peer.ip6} 80`);
  // the proxy's own connections carry its mark and leave
  assert.equal(await ask(pod, peer.ip4, 80, MARK), `you are ${pod.ip4}`);
  assert.equal(await ask(pod, peer.ip6, 80, MARK), `you are ${pod.ip6}`);
});

test('plaintext from outside reaches the proxy, and the application sees the true client', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, peer: {} } });
  const [pod, peer] = [net.host('pod'), net.host('peer')];
  await applyRules(pod.netns, PLAN);
  const seen = await standIn(pod);
  await pod.listen(8080, tellClient);
  assert.equal(await ask(peer, pod.ip4, 8080), `you are ${peer.ip4}`);
  assert.equal(await ask(peer, pod.ip6, 8080), `you are ${peer.ip6}`);
  assert.deepEqual(seen, [`inbound to ${pod.ip4} 8080`, `inbound to ${pod.ip6} 8080`]);
});

test('port 15008, loopback and the pod talking to itself are left alone', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, peer: {} } });
  const [pod, peer] = [net.host('pod'), net.host('peer')];
  await applyRules(pod.netns, PLAN);
  const seen = await standIn(pod);
  await pod.listen(8080, tellClient);
  assert.equal(await ask(peer, pod.ip4, 15008), 'tunnel');
  assert.equal(await ask(peer, pod.ip6, 15008), 'tunnel');
  assert.equal(await ask(pod, '127.0.0.1', 8080), 'you are 127.0.0.1');
  assert.equal(await ask(pod, '::1', 8080), 'you are ::1');
  assert.equal(await ask(pod, pod.ip4, 8080), `you are ${pod.ip4}`);
  assert.equal(await ask(pod, pod.ip6, 8080), `you are ${pod.ip6}`);
  assert.deepEqual(seen, []);
});

test('a probe of kubelet, from its translated address, reaches the application directly', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, node: {} } });
  const [pod, node] = [net.host('pod'), net.host('node')];
  await node.exec(
    'ip addr add 169.254.7.127/32 dev eth0; ip -6 addr add fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128 dev eth0 nodad',
  );
  await pod.exec(`ip route add default via ${node.ip4}; ip -6 route add default via ${node.ip6}`);
  await applyRules(pod.netns, PLAN);
  const seen = await standIn(pod);
  await pod.listen(8080, tellClient);
  const probe = (ip: string, bindSource: string) => node.dial({ ip, port: 8080 }, { bindSource }).then(readAll);
  assert.equal(await probe(pod.ip4, '169.254.7.127'), 'you are 169.254.7.127');
  assert.match(await probe(pod.ip6, 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff'), /fd16:9254:7127:1337/);
  assert.deepEqual(seen, []);
});

test(
  'with inbound bypassed the application is reached directly, while its own traffic is still captured',
  root,
  async () => {
    await using net = await TestNet.create({ hosts: { pod: {}, peer: {} } });
    const [pod, peer] = [net.host('pod'), net.host('peer')];
    await applyRules(pod.netns, planRules({ ...DEFAULT, bypassInbound: true }));
    const seen = await standIn(pod);
    await pod.listen(8080, tellClient);
    assert.equal(await ask(peer, pod.ip4, 8080), `you are ${peer.ip4}`);
    assert.equal(await ask(pod, peer.ip4, 80), `outbound to ${peer.ip4} 80`);
    assert.deepEqual(seen, []);
  },
);

test('applying twice changes nothing, and taking away leaves nothing, also twice', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const { netns } = net.host('pod');
  const before = await everything(net.host('pod'));
  await applyRules(netns, PLAN);
  const once = await everything(net.host('pod'));
  assert.deepEqual(await verifyRules(netns, PLAN), []);
  await applyRules(netns, PLAN);
  assert.equal(await everything(net.host('pod')), once);
  await removeRules(netns);
  await removeRules(netns);
  assert.ok(isClean(await findRules(netns)));
  assert.equal(await everything(net.host('pod')), before);
});

const everything = (pod: TestHost) =>
  pod.exec(
    'nft -s list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all | sed "s/expires [^ ]*//"',
  );

test('a present IPv4 rule does not hide that the IPv6 rule is missing', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const { netns } = net.host('pod');
  await net.host('pod').exec('ip rule add fwmark 0x111/0xfff lookup 100 pref 32764');
  await applyRules(netns, PLAN);
  assert.deepEqual(await verifyRules(netns, PLAN), []);
});

test('tampered tables are found and healed, and foreign rules stay', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const pod = net.host('pod');
  await pod.exec(
    'nft -f -',
    'table inet theirs {\n chain input {\n type filter hook input priority 0\n tcp dport 23 drop\n}\n}\n',
  );
  await applyRules(pod.netns, PLAN);
  await pod.exec(
    'nft flush chain inet istio-ambient-nat istio-output; nft add chain inet istio-ambient-nat sneaky; nft delete table inet istio-ambient-mangle; ip -6 rule del fwmark 0x111/0xfff; ip route flush table 100',
  );
  const problems = (await verifyRules(pod.netns, PLAN)).join('\n');
  for (const found of [
    /istio-output has 0 rules/,
    /sneaky is not ours/,
    /mangle\/output is missing/,
    /rule of IPv6 is/,
    /route of IPv4 is/,
  ]) {
    assert.match(problems, found);
  }
  await applyRules(pod.netns, PLAN);
  assert.deepEqual(await verifyRules(pod.netns, PLAN), []);
  await removeRules(pod.netns);
  assert.match(await pod.exec('nft list ruleset'), /table inet theirs/);
});

test('turning DNS capture off does not leave the raw table behind', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const pod = net.host('pod');
  await applyRules(pod.netns, planRules({ ...DEFAULT, dnsCapture: true }));
  assert.match(await pod.exec('nft list tables'), /istio-ambient-raw/);
  await applyRules(pod.netns, PLAN);
  assert.doesNotMatch(await pod.exec('nft list tables'), /istio-ambient-raw/);
});

test('a pod without IPv6 is captured in the family it has', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {}, peer: {} } });
  const [pod, peer] = [net.host('pod'), net.host('peer')];
  await pod.exec('echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6');
  await applyRules(pod.netns, PLAN);
  assert.deepEqual(await verifyRules(pod.netns, PLAN), []);
  await pod.listen(15001, (socket) => socket.resume().end(at(socket)));
  assert.equal(await ask(pod, peer.ip4, 80), `${peer.ip4} 80`);
  await removeRules(pod.netns);
});

test('rules of several pods are made at the same time', root, async () => {
  await using net = await TestNet.create({ hosts: { a: {}, b: {}, c: {} } });
  const pods = ['a', 'b', 'c'].map((name) => net.host(name).netns);
  await Promise.all([...pods, ...pods].map((netns) => applyRules(netns, PLAN)));
  for (const netns of pods) assert.deepEqual(await verifyRules(netns, PLAN), []);
});

test('rules that the kernel refuses are one clear error, and nothing of them stays', root, async () => {
  await using net = await TestNet.create({ hosts: { pod: {} } });
  const { netns } = net.host('pod');
  await assert.rejects(applyRules(netns, { ...PLAN, nft: `${PLAN.nft}nonsense\n` }), { code: 'NFT_FAILED' });
  assert.equal((await findRules(netns)).chains.size, 0);
});
