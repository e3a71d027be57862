import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { decideShutdown, type ShutdownSurroundings } from './shutdown.ts';

const affinity = (key: string, operator: string, values: readonly string[]) => ({
  template: {
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key, operator, values }] }],
          },
        },
      },
    },
  },
});
const daemonSet = (spec: object = {}, deletionTimestamp?: string): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'istio-cni-node', ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
  spec,
});
const fails = (code: number) => async () => {
  throw new KubeError(code, 'X', 'said no');
};

const CASES: readonly (readonly [string, Partial<ShutdownSurroundings>, boolean])[] = [
  ['an upgrade or a reboot', { daemonSet: async () => daemonSet() }, false],
  ['the DaemonSet is gone', { daemonSet: async () => undefined }, true],
  ['the DaemonSet is being deleted', { daemonSet: async () => daemonSet({}, '2026-01-01T00:00:00Z') }, true],
  ['the agent is no longer known', { daemonSet: fails(401) }, true],
  ['the agent has no rights any more', { daemonSet: fails(403) }, true],
  ['nobody answers: pods that should be enrolled go on failing closed', { daemonSet: fails(0) }, false],
  ['the node still matches', { daemonSet: async () => daemonSet(affinity('zone', 'In', ['a'])) }, false],
  ['the node no longer matches', { daemonSet: async () => daemonSet(affinity('zone', 'In', ['b'])) }, true],
  ['safe upgrade is off', { disableSafeUpgrade: true, daemonSet: async () => daemonSet() }, true],
];
for (const [title, change, cleanUp] of CASES) {
  test(`the agent that stops ${cleanUp ? 'cleans up' : 'leaves all in place'}: ${title}`, async () => {
    const decision = await decideShutdown({
      disableSafeUpgrade: false,
      ownedConfig: false,
      daemonSet: async () => undefined,
      nodeLabels: async () => ({ zone: 'a' }),
      sleep: async () => {},
      ...change,
    });
    assert.equal(decision.cleanUp, cleanUp, decision.because);
  });
}
