import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { describeStep, planStep, type Step } from './ownership.ts';

const OURS = { 'app.kubernetes.io/part-of': 'ambit' };
const object = (kind: string, labels: Record<string, string> = {}, versions: string[] = []): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'x', namespace: 'istio-system', labels },
  spec: { versions: versions.map((name) => ({ name, served: true })) },
});

const rows: readonly [string, string, KubeObject | undefined, Step['do'], RegExp | undefined][] = [
  ['what is absent is created', 'Deployment', undefined, 'create', undefined],
  ['what is ours is brought up to date', 'Deployment', object('Deployment', OURS), 'update', undefined],
  ["another mesh's object is refused, not overwritten", 'Deployment', object('Deployment'), 'refuse', /another mesh/],
  ['a namespace that somebody else made is used as it is', 'Namespace', object('Namespace'), 'keep', /used as it is/],
  [
    'a definition of somebody else that serves v1 is used as it is, and its versions are named',
    'CustomResourceDefinition',
    object('CustomResourceDefinition', {}, ['v1', 'v1beta1']),
    'keep',
    /versions v1, v1beta1/,
  ],
  [
    'a definition of somebody else that is too old stops the installation',
    'CustomResourceDefinition',
    object('CustomResourceDefinition', {}, ['v1beta1']),
    'refuse',
    /only v1beta1; v1 is needed/,
  ],
  [
    'our definition is brought up to date',
    'CustomResourceDefinition',
    object('CustomResourceDefinition', OURS, ['v1']),
    'update',
    undefined,
  ],
];

for (const [name, kind, present, wanted, note] of rows) {
  test(name, () => {
    const step = planStep(object(kind, OURS), present);
    assert.equal(step.do, wanted);
    if (note !== undefined) assert.match(describeStep(step), note);
  });
}
