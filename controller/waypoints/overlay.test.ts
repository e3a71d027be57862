import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readOverlay } from './overlay.ts';

const read = (data: Record<string, string>) =>
  readOverlay({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'n' }, data });

test('a patch for each kind', () => {
  const data = {
    deployment: 'spec: {replicas: 2}',
    podDisruptionBudget: 'spec: {minAvailable: 1}',
    service: '# nothing yet',
  };
  assert.deepEqual(read(data), {
    Deployment: { spec: { replicas: 2 } },
    PodDisruptionBudget: { spec: { minAvailable: 1 } },
  });
});

const wrong: readonly (readonly [name: string, data: Record<string, string>, message: RegExp])[] = [
  ['an unknown key', { daemonSet: 'spec: {}' }, /^ConfigMap n\/c: daemonSet is no kind .*horizontalPodAutoscaler/],
  ['no YAML', { deployment: '{a' }, /n\/c: deployment: /],
  ['no object', { service: '[1]' }, /must be a part of an object/],
  ['another kind', { service: 'kind: Pod' }, /kind is Pod, and must be Service/],
  ['another name', { service: 'metadata: {name: x}' }, /metadata\.name can not be changed/],
  ['another owner', { deployment: 'metadata: {ownerReferences: []}' }, /ownerReferences/],
  [
    'a bomb',
    { deployment: `a: &a [${'1,'.repeat(50)}]\nb: &b [${'*a,'.repeat(50)}]\nc: [${'*b,'.repeat(50)}]` },
    /alias/i,
  ],
];
for (const [name, data, message] of wrong) {
  test(`${name} is a problem of the whole`, () => assert.match(String(read(data)), message));
}
