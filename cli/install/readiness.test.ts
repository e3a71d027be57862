import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readiness } from './readiness.ts';

const deployment = (status: object, generation = 2) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'istiod', generation },
  spec: { replicas: 1 },
  status,
});
const daemonSet = (status: object) => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'ztunnel', generation: 1 },
  status,
});

const rows: readonly [string, Parameters<typeof readiness>[0], boolean][] = [
  [
    'a Deployment whose controller has not looked yet',
    deployment({ observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }),
    false,
  ],
  [
    'a Deployment with an old pod left',
    deployment({ observedGeneration: 2, replicas: 2, updatedReplicas: 1, availableReplicas: 2 }),
    false,
  ],
  [
    'a Deployment that is up',
    deployment({ observedGeneration: 2, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }),
    true,
  ],
  ['a DaemonSet without a status', daemonSet({}), false],
  [
    'a DaemonSet on one of two nodes',
    daemonSet({ observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 }),
    false,
  ],
  [
    'a DaemonSet on all nodes',
    daemonSet({ observedGeneration: 1, desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 }),
    true,
  ],
];

for (const [name, object, complete] of rows) {
  test(`${name} is ${complete ? '' : 'not '}ready`, () => assert.equal(readiness(object).complete, complete));
}
