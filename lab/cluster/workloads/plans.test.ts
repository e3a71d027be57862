import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet, Deployment, Job, Node, Pod, PodTemplate, ReplicaSet } from '../types.ts';
import { planDaemonSet, REVISION_HASH } from './daemon-set-plan.ts';
import { planDeployment, REVISION, rollingBounds, TEMPLATE_HASH } from './deployment-plan.ts';
import { deploymentStatus } from './deployment-status.ts';
import { planJob } from './job-plan.ts';
import { templateHash } from './pods.ts';
import { planReplicaSet } from './replica-set.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const secondsAgo = (s: number) => new Date(NOW.getTime() - s * 1000).toISOString();
const template = (image: string): PodTemplate => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: image }] },
});

type PodShape = {
  readonly ready?: boolean;
  readonly phase?: string;
  readonly node?: string;
  readonly hash?: string;
  readonly going?: true;
  readonly since?: number;
};
const pod = (name: string, { ready = true, phase = 'Running', node, hash, going, since = 60 }: PodShape = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'n',
    labels: { app: 'web', ...(hash === undefined ? {} : { [REVISION_HASH]: hash }) },
    creationTimestamp: secondsAgo(100),
    ...(going === undefined ? {} : { deletionTimestamp: secondsAgo(1) }),
  },
  spec: { containers: [], ...(node === undefined ? {} : { nodeName: node }) },
  status: {
    phase,
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: secondsAgo(since) }],
  },
});
const names = (pods: readonly { metadata: { name: string } }[]) => pods.map(({ metadata }) => metadata.name);

const replicaSet = (
  name: string,
  image: string,
  spec: number,
  available: number,
  revision = 1,
  age = 100,
): ReplicaSet => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name, namespace: 'n', creationTimestamp: secondsAgo(age), annotations: { [REVISION]: String(revision) } },
  spec: {
    replicas: spec,
    selector: {},
    template: { ...template(image), metadata: { labels: { app: 'web', [TEMPLATE_HASH]: name } } },
  },
  status: { replicas: spec, readyReplicas: available, availableReplicas: available },
});

test('a replica set makes what is missing and counts what is there', () => {
  const set = replicaSet('s', 'i', 3, 0);
  const plan = planReplicaSet(
    set,
    [pod('a'), pod('b', { ready: false }), pod('c', { phase: 'Failed' }), pod('d', { going: true })],
    NOW,
  );
  assert.equal(plan.create, 1);
  const { replicas, readyReplicas, availableReplicas } = plan.status;
  assert.deepEqual(
    { replicas, readyReplicas, availableReplicas },
    { replicas: 2, readyReplicas: 1, availableReplicas: 1 },
  );
});

test('a replica set removes unscheduled, then unready pods first', () => {
  const pods = [
    pod('ready', { node: 'x' }),
    pod('unready', { node: 'x', ready: false }),
    pod('unscheduled', { phase: 'Pending', ready: false }),
  ];
  assert.deepEqual(names(planReplicaSet(replicaSet('s', 'i', 1, 0), pods, NOW).remove), ['unscheduled', 'unready']);
});

test('a ready pod is available after minReadySeconds, and the plan says when to look', () => {
  const set = replicaSet('s', 'i', 1, 0);
  const patient = { ...set, spec: { ...set.spec, minReadySeconds: 90 } };
  const plan = planReplicaSet(patient, [pod('a', { since: 60 })], NOW);
  assert.equal(plan.status.availableReplicas, 0);
  assert.equal(plan.againMs, 30_000);
  assert.equal(planReplicaSet(patient, [pod('a', { since: 90 })], NOW).status.availableReplicas, 1);
});

const deployment = (replicas: number, spec: Partial<Deployment['spec']> = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace: 'n', generation: 2 },
  spec: { replicas, selector: {}, template: template('new'), ...spec },
});
const rolling = (maxSurge: number | string, maxUnavailable: number | string): Partial<Deployment['spec']> => ({
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
});

type Roll = {
  readonly name: string;
  readonly of: Deployment;
  readonly sets: readonly ReplicaSet[];
  readonly oldPods?: true;
  readonly create?: number;
  readonly scale?: Readonly<Record<string, number>>;
};
const rolls: readonly Roll[] = [
  { name: 'the first set gets all replicas', of: deployment(3), sets: [], create: 3 },
  {
    name: 'a new template starts within the surge',
    of: deployment(4, rolling('25%', '25%')),
    sets: [replicaSet('old', 'old', 4, 4)],
    create: 1,
    scale: { old: 3 },
  },
  {
    name: 'nothing is taken away before the new one serves',
    of: deployment(2, rolling(1, 0)),
    sets: [replicaSet('old', 'old', 2, 2), replicaSet('new', 'new', 1, 0, 2)],
  },
  {
    name: 'one old goes for one new that serves',
    of: deployment(2, rolling(1, 0)),
    sets: [replicaSet('old', 'old', 2, 2), replicaSet('new', 'new', 1, 1, 2)],
    scale: { old: 1 },
  },
  {
    name: 'the new one grows into the room that the old left',
    of: deployment(2, rolling(1, 0)),
    sets: [replicaSet('old', 'old', 1, 1), replicaSet('new', 'new', 1, 1, 2)],
    scale: { new: 2 },
  },
  {
    name: 'old pods that serve nobody go first',
    of: deployment(2, rolling(1, 0)),
    sets: [replicaSet('old', 'old', 1, 0), replicaSet('older', 'older', 2, 2)],
    scale: { old: 0 },
    create: 0,
  },
  {
    name: 'a deployment that is done is left alone',
    of: deployment(2),
    sets: [replicaSet('new', 'new', 2, 2), replicaSet('old', 'old', 0, 0)],
  },
  {
    name: 'scaling down takes from the new set',
    of: deployment(1),
    sets: [replicaSet('new', 'new', 3, 3)],
    scale: { new: 1 },
  },
  {
    name: 'Recreate empties the old first',
    of: deployment(2, { strategy: { type: 'Recreate' } }),
    sets: [replicaSet('old', 'old', 2, 2)],
    scale: { old: 0 },
  },
  {
    name: 'Recreate waits for the last old pod',
    of: deployment(2, { strategy: { type: 'Recreate' } }),
    sets: [replicaSet('old', 'old', 0, 0)],
    oldPods: true,
  },
  {
    name: 'Recreate then makes all of the new',
    of: deployment(2, { strategy: { type: 'Recreate' } }),
    sets: [replicaSet('old', 'old', 0, 0)],
    create: 2,
  },
  {
    name: 'a paused deployment is scaled and not rolled',
    of: deployment(3, { paused: true }),
    sets: [replicaSet('old', 'old', 2, 2)],
    scale: { old: 3 },
  },
];
for (const { name, of, sets, oldPods = false, create, scale = {} } of rolls) {
  test(`deployment: ${name}`, () => {
    const plan = planDeployment(of, sets, oldPods);
    assert.equal(plan.create?.replicas, create);
    assert.deepEqual(Object.fromEntries(plan.scale.map(({ set, replicas }) => [set.metadata.name, replicas])), scale);
  });
}

test('both bounds at zero would never move: one pod may then be unavailable', () => {
  assert.deepEqual(rollingBounds(deployment(3, rolling('0%', '10%'))), { maxSurge: 0, maxUnavailable: 1 });
  assert.deepEqual(rollingBounds(deployment(5, rolling('25%', '25%'))), { maxSurge: 2, maxUnavailable: 1 });
});

test('going back to an old template takes up its set under a new revision', () => {
  const plan = planDeployment(
    deployment(1),
    [replicaSet('a', 'new', 0, 0, 1), replicaSet('b', 'other', 1, 1, 2)],
    false,
  );
  assert.equal(plan.current?.metadata.name, 'a');
  assert.equal(plan.revision, 3);
});

test('old sets beyond the history limit are forgotten, the oldest first', () => {
  const sets = [
    replicaSet('new', 'new', 1, 1, 4),
    replicaSet('a', 'a', 0, 0, 1),
    replicaSet('b', 'b', 0, 0, 2),
    replicaSet('c', 'c', 0, 0, 3),
  ];
  assert.deepEqual(names(planDeployment(deployment(1, { revisionHistoryLimit: 1 }), sets, false).forget), ['a', 'b']);
});

test('a rollout that stands still for longer than its deadline is said to have failed', () => {
  const of = deployment(1, { progressDeadlineSeconds: 30 });
  const plan = planDeployment(of, [replicaSet('new', 'new', 1, 0)], false);
  const first = deploymentStatus(of, plan, NOW);
  assert.equal(first.againMs, 30_000);
  const later = new Date(NOW.getTime() + 30_000);
  const second = deploymentStatus({ ...of, status: first.status }, plan, later).status;
  assert.equal(second.conditions.find(({ type }) => type === 'Progressing')?.reason, 'ProgressDeadlineExceeded');
  const before = deploymentStatus({ ...of, status: first.status }, plan, new Date(later.getTime() - 1)).status;
  assert.equal(before.conditions.find(({ type }) => type === 'Progressing')?.reason, 'ReplicaSetUpdated');
});

test('the hash of a template does not depend on the order of keys', () => {
  const a: PodTemplate = { metadata: { labels: { x: '1', y: '2' } }, spec: { containers: [] } };
  const b: PodTemplate = { spec: { containers: [] }, metadata: { labels: { y: '2', x: '1' } } };
  assert.equal(templateHash(a), templateHash(b));
  assert.notEqual(templateHash(a), templateHash(template('z')));
});

const node = (name: string, taints: readonly { key: string; effect: string }[] = [], ready = true): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { taints },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});
const daemonSet = (rollingUpdate?: object): DaemonSet => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'd', namespace: 'n', generation: 1 },
  spec: {
    selector: {},
    template: template('i'),
    updateStrategy: { type: 'RollingUpdate', ...(rollingUpdate ? { rollingUpdate } : {}) },
  },
});
const two = [node('a'), node('b')];
const SURGE = { maxSurge: 1, maxUnavailable: 0 };

type Daemon = {
  readonly name: string;
  readonly set?: DaemonSet;
  readonly nodes?: readonly Node[];
  readonly pods: readonly Pod[];
  readonly create?: readonly string[];
  readonly remove?: readonly string[];
};
const daemons: readonly Daemon[] = [
  { name: 'every node gets a pod', pods: [], create: ['a', 'b'] },
  { name: 'a node without a pod gets one', pods: [pod('x', { node: 'a', hash: 'h' })], create: ['b'] },
  {
    name: 'a node whose pod is going waits',
    pods: [pod('x', { node: 'a', hash: 'h', going: true }), pod('y', { node: 'b', hash: 'h' })],
  },
  {
    name: 'a failed pod makes way',
    pods: [pod('x', { node: 'a', hash: 'h', phase: 'Failed' }), pod('y', { node: 'b', hash: 'h' })],
    remove: ['x'],
  },
  { name: 'a tainted node gets none', nodes: [node('a', [{ key: 't', effect: 'NoSchedule' }])], pods: [] },
  {
    name: 'a node that is not ready gets one',
    nodes: [node('a', [{ key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' }], false)],
    pods: [],
    create: ['a'],
  },
  {
    name: 'NoExecute drives a running pod out',
    nodes: [node('a', [{ key: 't', effect: 'NoExecute' }])],
    pods: [pod('x', { node: 'a', hash: 'h' })],
    remove: ['x'],
  },
  {
    name: 'NoSchedule does not',
    nodes: [node('a', [{ key: 't', effect: 'NoSchedule' }])],
    pods: [pod('x', { node: 'a', hash: 'h' })],
  },
  {
    name: 'a pod of a node that is gone is removed',
    nodes: [],
    pods: [pod('x', { node: 'gone', hash: 'h' })],
    remove: ['x'],
  },
  {
    name: 'rolling takes one at a time',
    pods: [pod('x', { node: 'a', hash: 'o' }), pod('y', { node: 'b', hash: 'o' })],
    remove: ['x'],
  },
  {
    name: 'rolling waits while a new pod is not ready',
    pods: [pod('x', { node: 'a', hash: 'h', ready: false }), pod('y', { node: 'b', hash: 'o' })],
  },
  {
    name: 'rolling takes an old pod that is not ready at once',
    pods: [pod('x', { node: 'a', hash: 'h', ready: false }), pod('y', { node: 'b', hash: 'o', ready: false })],
    remove: ['y'],
  },
  {
    name: 'a surge makes the new pod first',
    set: daemonSet(SURGE),
    pods: [pod('x', { node: 'a', hash: 'o' }), pod('y', { node: 'b', hash: 'o' })],
    create: ['a'],
  },
  {
    name: 'a surge removes the old pod when the new one serves',
    set: daemonSet(SURGE),
    pods: [pod('x', { node: 'a', hash: 'o' }), pod('x2', { node: 'a', hash: 'h' }), pod('y', { node: 'b', hash: 'o' })],
    remove: ['x'],
    create: ['b'],
  },
  {
    name: 'a surge goes no further while the new one does not serve',
    set: daemonSet(SURGE),
    pods: [
      pod('x', { node: 'a', hash: 'o' }),
      pod('x2', { node: 'a', hash: 'h', ready: false }),
      pod('y', { node: 'b', hash: 'o' }),
    ],
  },
];
for (const { name, set = daemonSet(), nodes = two, pods, create = [], remove = [] } of daemons) {
  test(`daemon set: ${name}`, () => {
    const plan = planDaemonSet(set, nodes, pods, 'h', NOW);
    assert.deepEqual(plan.create, create);
    assert.deepEqual(names(plan.remove), remove);
  });
}

test('while a surge lasts, the node does not count as updated', () => {
  const born = (p: Pod, age: number): Pod => ({
    ...p,
    metadata: { ...p.metadata, creationTimestamp: secondsAgo(age) },
  });
  const old = born(pod('z', { node: 'a', hash: 'o' }), 50);
  const fresh = born(pod('b', { node: 'a', hash: 'h' }), 10);
  assert.equal(planDaemonSet(daemonSet(SURGE), [node('a')], [fresh, old], 'h', NOW).status.updatedNumberScheduled, 0);
  assert.equal(planDaemonSet(daemonSet(SURGE), [node('a')], [fresh], 'h', NOW).status.updatedNumberScheduled, 1);
});

const job = (spec: Partial<Job['spec']> = {}, status: Job['status'] = {}): Job => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'j', namespace: 'n' },
  spec: { completions: 1, parallelism: 1, backoffLimit: 1, template: template('i'), ...spec },
  status,
});
const failed = (name: string, since: number) => pod(name, { phase: 'Failed', ready: false, since });

test('a job starts as many pods as may run beside each other', () => {
  assert.equal(planJob(job({ completions: 5, parallelism: 2 }), [pod('a')], NOW).create, 1);
  assert.equal(planJob(job({ suspend: true }), [], NOW).create, 0);
});

test('a failed attempt is repeated after a wait that grows, until the limit', () => {
  const waiting = planJob(job(), [failed('a', 4)], NOW);
  assert.deepEqual([waiting.create, waiting.againMs], [0, 6_000]);
  assert.equal(planJob(job(), [failed('a', 10)], NOW).create, 1);
  const over = planJob(job(), [failed('a', 30), failed('b', 10)], NOW);
  assert.equal(over.status.conditions?.[0]?.reason, 'BackoffLimitExceeded');
});

test('a finished job goes when its time to live is over', () => {
  const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: secondsAgo(10) }];
  assert.equal(planJob(job({ ttlSecondsAfterFinished: 11 }, { conditions }), [], NOW).isExpired, false);
  assert.equal(planJob(job({ ttlSecondsAfterFinished: 10 }, { conditions }), [], NOW).isExpired, true);
});
