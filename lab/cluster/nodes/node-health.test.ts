import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Lease, Node, Taint } from '../types.ts';
import { judgeNode } from './node-health.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const node = (ready: string, taints: readonly Taint[] = []): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { taints },
  status: { conditions: [{ type: 'Ready', status: ready }] },
});
const lease = (msAgo: number): Lease => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'a', namespace: 'kube-node-lease' },
  spec: { renewTime: new Date(NOW.getTime() - msAgo).toISOString() },
});
const keys = (taints: readonly Taint[] | undefined) => taints?.map(({ key, effect }) => `${key}:${effect}`);

test('a node with a fresh lease is left alone, and looked at when the lease would be too old', () => {
  const verdict = judgeNode(node('True'), lease(39_999), NOW);
  assert.deepEqual(verdict, { conditions: undefined, taints: undefined, isAlive: true, againMs: 1 });
});

test('a node that was silent for 40 s is Unknown and tainted', () => {
  const verdict = judgeNode(node('True'), lease(40_000), NOW);
  assert.equal(verdict.isAlive, false);
  assert.equal(verdict.conditions?.[0]?.status, 'Unknown');
  assert.deepEqual(keys(verdict.taints), [
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
});

test('a node that says it is not ready is tainted as such, other taints stay', () => {
  const other: Taint = { key: 'mine', effect: 'NoSchedule' };
  assert.deepEqual(keys(judgeNode(node('False', [other]), lease(0), NOW).taints), [
    'mine:NoSchedule',
    'node.kubernetes.io/not-ready:NoSchedule',
    'node.kubernetes.io/not-ready:NoExecute',
  ]);
});

test('the taints go when the node is ready again', () => {
  const sick = judgeNode(node('True'), lease(40_000), NOW).taints ?? [];
  assert.deepEqual(judgeNode(node('True', sick), lease(0), NOW).taints, []);
});
