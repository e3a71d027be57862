import assert from 'node:assert/strict';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
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

const KINDS = ['net', 'mnt', 'pid', 'uts'];
const OWN = new Set(KINDS.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));

/** Namespaces that are not this process's own: by name, and one of the files that tell of each. */
function namespacesOf(pids: readonly number[]): ReadonlyMap<string, string> {
  const files = pids.flatMap((pid) => KINDS.map((kind) => `/proc/${pid}/ns/${kind}`));
  const named = files.flatMap((file) => {
    const name = link(file);
    return name === undefined || OWN.has(name) ? [] : [[name, file] as const];
  });
  return new Map(named);
}

/**
 * Namespaces of a lab, which no process may be in afterwards. They are kept open meanwhile: the kernel gives the number
 * of a namespace that is gone to the next one, which may be another test's.
 */
class LabNamespaces implements Disposable {
  readonly #open: ReadonlyMap<string, number>;

  constructor(pids: readonly number[]) {
    this.#open = new Map([...namespacesOf(pids)].map(([name, file]) => [name, openSync(file, 'r')]));
  }

  get size(): number {
    return this.#open.size;
  }

  areEmpty(): boolean {
    const still = namespacesOf(everyProcess());
    return [...this.#open.keys()].every((name) => !still.has(name));
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open.values()) closeSync(fd);
  }
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

async function assertNothingLeft(lab: TestLab, namespaces: LabNamespaces): Promise<void> {
  assert.equal(existsSync(lab.paths.state), false);
  assert.equal(new Cgroup(labGroup(lab.paths.name)).exists(), false);
  assert.equal(readFileSync('/proc/self/mounts', 'utf8').includes(lab.paths.name), false);
  // The kernel takes a moment to end a killed process, and with it what it holds.
  await eventually('no process is in a namespace of the lab', () => namespaces.areEmpty());
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
  using namespaces = new LabNamespaces(pidsOf(lab));
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
  using namespaces = new LabNamespaces(pids);
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
