import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStatus, Pod, PodPhase } from './pod.ts';
import { type PodView, podStatus } from './pod-status.ts';

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: { containers: [] },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: 'then' },
      { type: 'example.com/gate', status: 'False' },
    ],
  },
};
const at = 'now';
const container = (state: ContainerStatus['state'], more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name: 'c',
  state,
  lastState: {},
  ready: false,
  started: true,
  restartCount: 0,
  image: 'i',
  imageID: 'i',
  ...more,
});
const waiting = container({ waiting: { reason: 'PodInitializing' } });
const running = container({ running: { startedAt: at } }, { ready: true });
const ended = (exitCode: number) => container({ terminated: { exitCode, reason: 'r', finishedAt: at } });
const view = (change: Partial<PodView>): PodView => ({
  pod,
  containers: [],
  initContainers: [],
  sidecars: new Set(),
  initialized: true,
  sandboxReady: true,
  finished: false,
  podIps: ['10.244.1.2', 'fd00:244:1::2'],
  hostIps: ['172.30.0.11'],
  startTime: at,
  ...change,
});

const phases: readonly (readonly [name: string, change: Partial<PodView>, phase: PodPhase])[] = [
  ['nothing has started', { containers: [waiting], initialized: false }, 'Pending'],
  ['init containers still run', { containers: [waiting], initContainers: [running], initialized: false }, 'Pending'],
  ['one runs, one waits', { containers: [running, waiting] }, 'Running'],
  [
    'it waits to be started again',
    { containers: [container({ waiting: { reason: 'CrashLoopBackOff' } }, { restartCount: 2 })] },
    'Running',
  ],
  ['one has ended, one runs', { containers: [ended(0), running] }, 'Running'],
  ['all have ended well', { containers: [ended(0), ended(0)], finished: true }, 'Succeeded'],
  ['one has failed', { containers: [ended(0), ended(1)], finished: true }, 'Failed'],
  [
    'an init container has failed',
    { containers: [waiting], initContainers: [ended(1)], initialized: false, finished: true },
    'Failed',
  ],
  [
    'the deadline is over',
    { containers: [ended(0)], finished: true, failure: { reason: 'DeadlineExceeded', message: 'm' } },
    'Failed',
  ],
];
for (const [name, change, phase] of phases) {
  test(`a pod is ${phase} when ${name}`, () => assert.equal(podStatus(view(change), at).phase, phase));
}

const conditionOf = (change: Partial<PodView>, type: string) =>
  podStatus(view(change), at).conditions?.find((condition) => condition.type === type);

test('a pod is ready when all containers are, and says which are not', () => {
  assert.equal(conditionOf({ containers: [running] }, 'Ready')?.status, 'True');
  const unready = conditionOf({ containers: [running, { ...running, name: 'slow', ready: false }] }, 'Ready');
  assert.equal(unready?.status, 'False');
  assert.match(unready?.message ?? '', /\[slow\]/);
});

test('a sidecar that is not ready keeps the pod from being ready', () => {
  const change = {
    containers: [running],
    initContainers: [{ ...running, name: 'side', ready: false }],
    sidecars: new Set(['side']),
  };
  assert.equal(conditionOf(change, 'Ready')?.status, 'False');
});

test('a condition keeps the time of its last change, and those of others stay', () => {
  assert.equal(conditionOf({ containers: [running] }, 'Ready')?.lastTransitionTime, 'then');
  assert.equal(conditionOf({ containers: [waiting] }, 'Ready')?.lastTransitionTime, 'now');
  assert.equal(conditionOf({ containers: [running] }, 'example.com/gate')?.status, 'False');
});

test('both addresses of a pod are told, and none before it has any', () => {
  assert.deepEqual(podStatus(view({}), at).podIPs, [{ ip: '10.244.1.2' }, { ip: 'fd00:244:1::2' }]);
  assert.equal('podIP' in podStatus(view({ podIps: [] }), at), false);
});
