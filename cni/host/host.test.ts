import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustParseIp } from '../../mesh/index.ts';
import { needsRoot, readAll, TestNet } from '../../test/support/netns.ts';
import { HostRules, kubeletUid } from './index.ts';

const root = { skip: needsRoot };
const [V4, V6] = [mustParseIp('10.77.0.2'), mustParseIp('fd00:77::2')];
const sets = async (net: TestNet) => (await net.host('node').exec('nft -s list ruleset')).match(/elements = .*/g) ?? [];

test(
  'a probe of kubelet reaches an enrolled pod from the probe address, and one of another user does not',
  root,
  async () => {
    await using net = await TestNet.create({ hosts: { node: {}, pod: {} } });
    const [node, pod] = [net.host('node'), net.host('pod')];
    await pod.exec(`ip route add default via ${node.ip4}; ip -6 route add default via ${node.ip6}`);
    await pod.listen(80, (socket) => socket.resume().end(`${socket.remoteAddress}`));
    const host = await HostRules.create({ netns: node.netns, ipv6: true, kubeletUid: 0 });
    const ask = (ip: string) => node.dial({ ip, port: 80 }).then(readAll);
    assert.equal(await ask(pod.ip4), `::ffff:${node.ip4}`);
    await host.add('uid-1', [V4, V6]);
    assert.equal(await ask(pod.ip4), '::ffff:169.254.7.127');
    assert.equal(await ask(pod.ip6), 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff');
    await HostRules.create({ netns: node.netns, ipv6: true, kubeletUid: 65_534 }).then((other) =>
      other.add('uid-1', [V4]),
    );
    assert.equal(await ask(pod.ip4), `::ffff:${node.ip4}`);
  },
);

test('an address that went to a new pod is not taken out when the old one leaves late', root, async () => {
  await using net = await TestNet.create({ hosts: { node: {} } });
  const host = await HostRules.create({ netns: net.host('node').netns, ipv6: true, kubeletUid: 0 });
  await host.add('old', [V4]);
  await host.add('new', [V4, V6]);
  await host.remove('old');
  assert.deepEqual(await sets(net), [
    'elements = { 10.77.0.2 comment "new" }',
    'elements = { fd00:77::2 comment "new" }',
  ]);
  await host.remove('new');
  await host.remove('new');
  assert.deepEqual(await sets(net), []);
});

test('a new start begins with empty sets, and the end leaves no table', root, async () => {
  await using net = await TestNet.create({ hosts: { node: {} } });
  const options = { netns: net.host('node').netns, ipv6: true, kubeletUid: 0 };
  await (await HostRules.create(options)).add('pod', [V4]);
  const again = await HostRules.create(options);
  assert.deepEqual(await sets(net), []);
  await again.destroy();
  assert.equal(await net.host('node').exec('nft list ruleset'), '');
});

test('a uid that would end the comment is refused', root, async () => {
  await using net = await TestNet.create({ hosts: { node: {} } });
  const host = await HostRules.create({ netns: net.host('node').netns, ipv6: true, kubeletUid: 0 });
  await assert.rejects(host.add('x" }', [V4]), { code: 'POD_UID_MALFORMED' });
});

function proc(
  processes: Record<string, { comm: string; cmdline: string }>,
): string & { readonly [Symbol.dispose]?: never } {
  const dir = mkdtempSync(join(tmpdir(), 'amb-proc-'));
  mkdirSync(join(dir, 'net'));
  for (const [pid, { comm, cmdline }] of Object.entries(processes)) {
    mkdirSync(join(dir, pid));
    writeFileSync(join(dir, pid, 'comm'), `${comm}\n`);
    writeFileSync(join(dir, pid, 'cmdline'), cmdline);
  }
  return dir;
}

for (const [comm, cmdline, found] of [
  ['kubelet', '/usr/bin/kubelet\0--x', true],
  ['kubelite', '/snap/kubelite\0--kubelet-args', true],
  ['kubelite', '/snap/kubelite', false],
  ['k3s', '/usr/local/bin/k3s\0agent', true],
  ['bash', 'kubelet', false],
] as const) {
  test(`the process ${comm} of ${cmdline.replace('\0', ' ')} is ${found ? '' : 'not '}taken for kubelet`, () => {
    const dir = proc({ '1': { comm: 'init', cmdline: '' }, '42': { comm, cmdline } });
    try {
      if (found) assert.equal(kubeletUid(dir), process.getuid?.());
      else assert.throws(() => kubeletUid(dir), { code: 'KUBELET_NOT_FOUND' });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}
