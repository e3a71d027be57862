import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cgroup, labGroup } from '../../lab/cgroups.ts';
import { down } from '../../lab/down.ts';
import { labPaths } from '../../lab/paths.ts';
import { run } from '../../lab/run.ts';
import { status } from '../../lab/status.ts';
import { up } from '../../lab/up.ts';
import { eventually, needsRoot } from '../support/netns.ts';
import { pod, TestLab } from './test-lab.ts';

const skip = needsRoot;
let labs: string;

before(() => {
  labs = mkdtempSync(join(tmpdir(), 'ambit-labs-'));
});
after(() => rmSync(labs, { recursive: true, force: true }));

/** Namespaces that a process of the lab holds: what must have no holder afterwards. */
function namespacesOf(pids: readonly number[]): Set<string> {
  const kinds = ['net', 'mnt', 'pid', 'uts'];
  const own = new Set(kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  const held = pids.flatMap((pid) => kinds.map((kind) => link(`/proc/${pid}/ns/${kind}`)));
  return new Set(held.filter((ns): ns is string => ns !== undefined && !own.has(ns)));
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // the process has ended
  }
}

const everyProcess = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** The machine's own network, which a lab must not touch. */
const machineNetwork = async () =>
  [
    await run('ip', ['-o', 'link']),
    await run('ip', ['route', 'show', 'table', 'all']),
    await run('ip', ['rule']),
    await run('nft', ['list', 'ruleset']),
  ].map((text) => text.replace(/\b(valid_lft|expires) \S+/g, ''));

async function assertNothingLeft(lab: TestLab, namespaces: ReadonlySet<string>): Promise<void> {
  assert.equal(existsSync(lab.paths.state), false);
  assert.equal(new Cgroup(labGroup(lab.paths.name)).exists(), false);
  assert.equal(readFileSync('/proc/self/mounts', 'utf8').includes(lab.paths.name), false);
  // The kernel takes a moment to end a killed process, and with it what it holds.
  await eventually('no process holds a namespace of the lab', () => {
    const still = namespacesOf(everyProcess());
    return [...namespaces].every((ns) => !still.has(ns));
  });
}

const pidsOf = (lab: TestLab) => new Cgroup(labGroup(lab.paths.name)).processes();

test('a lab that goes down leaves no process, namespace, mount, control group, file, interface or rule', {
  skip,
}, async () => {
  const before = await machineNetwork();
  const lab = await TestLab.start({ nodes: 1, labs });
  await lab.apply(pod('one'));
  await lab.ready('one');
  assert.deepEqual(await machineNetwork(), before);
  const namespaces = namespacesOf(pidsOf(lab));
  assert.ok(namespaces.size > 6);
  assert.equal(await down(lab.paths, () => {}), 'removed');
  await assertNothingLeft(lab, namespaces);
  assert.equal(await down(lab.paths, () => {}), 'was-gone');
  await lab[Symbol.asyncDispose]();
});

test('after kill -9 of the supervisor everything ends, and down leaves nothing', { skip }, async () => {
  await using lab = await TestLab.start({ nodes: 1, labs });
  await lab.apply(pod('one'));
  await lab.ready('one');
  const pids = pidsOf(lab);
  const namespaces = namespacesOf(pids);
  process.kill(lab.info.pid, 'SIGKILL');
  await eventually('all processes end', () => pidsOf(lab).length === 0);
  assert.equal((await status(lab.paths)).state, 'dead');
  await down(lab.paths, () => {});
  await assertNothingLeft(lab, namespaces);
});

test('a node that is killed comes back with its pods, and the other keeps its own', { skip }, async () => {
  await using lab = await TestLab.start({ nodes: 2, labs });
  await lab.apply(pod('lost', { node: 'node-1' }), pod('kept', { node: 'node-2' }));
  await lab.ready('lost', 'kept');
  const kubelets = new Cgroup(`${labGroup(lab.paths.name)}/node-1/kubelet`).processes();
  const first = kubelets.find((pid) => /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
  assert.ok(first);
  process.kill(first, 'SIGKILL');
  const restarts = (name: string) => lab.field(name, '.status.containerStatuses[0].restartCount');
  await eventually('the pod runs again', async () => (await restarts('lost')) === '1', 15_000);
  await lab.ready('lost');
  assert.equal(await lab.sh('lost', 'hostname'), 'lost\n');
  assert.equal(await restarts('kept'), '0');
});

test('two labs run side by side', { skip }, async () => {
  await using one = await TestLab.start({ nodes: 1, labs });
  await using two = await TestLab.start({ nodes: 1, labs });
  await Promise.all([one.apply(pod('same')), two.apply(pod('same'))]);
  await Promise.all([one.ready('same'), two.ready('same')]);
  assert.equal(await one.field('same', '.status.podIP'), await two.field('same', '.status.podIP'));
  assert.notEqual(await one.field('same', '.metadata.uid'), await two.field('same', '.metadata.uid'));
  await down(one.paths, () => {});
  assert.equal(await two.sh('same', 'hostname'), 'same\n');
});

test('a second lab of the same name is refused, and so is a name that cannot be one', { skip }, async () => {
  await using lab = await TestLab.start({ nodes: 1, labs });
  const again = { paths: lab.paths, nodes: 1, apiPort: 0, logLevel: 'info', say: () => {} };
  await assert.rejects(up(again), { code: 'LAB_EXISTS' });
  assert.throws(() => labPaths(labs, '../other'), { code: 'LAB_NAME_INVALID' });
});
