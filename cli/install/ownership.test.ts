import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATEWAY_CRD } from '../../core/kube/crds/index.ts';
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

const gatewayApi = (
  author: 'ours' | 'published',
  versions: string[],
  labels: Record<string, string> = {},
): KubeObject => {
  const crd = object('CustomResourceDefinition', labels, versions);
  const annotations =
    author === 'ours'
      ? GATEWAY_CRD.metadata.annotations
      : { 'api-approved.kubernetes.io': 'https://x.y/pull/1', 'gateway.networking.k8s.io/bundle-version': 'v1.2.0' };
  return { ...crd, metadata: { ...crd.metadata, ...(annotations !== undefined && { annotations }) } };
};

const gatewayRows: readonly [string, KubeObject | undefined, Step['do'], RegExp | undefined][] = [
  ['where there is no Gateway API, it is installed', undefined, 'create', undefined],
  ['our Gateway API is brought up to date', gatewayApi('ours', ['v1'], OURS), 'update', undefined],
  [
    'the Gateway API of a cluster is left alone, and its bundle is named',
    gatewayApi('published', ['v1']),
    'keep',
    /Gateway API v1.2.0 .*as it is$/,
  ],
  [
    'a published Gateway API that was put over ours is left alone',
    gatewayApi('published', ['v1'], OURS),
    'keep',
    /v1.2.0/,
  ],
  [
    'a kind of Gateway API that is too old does not stop the installation',
    gatewayApi('published', ['v1alpha2']),
    'keep',
    /have no effect/,
  ],
];

for (const [name, present, wanted, note] of gatewayRows) {
  test(name, () => {
    const step = planStep(gatewayApi('ours', ['v1'], OURS), present);
    assert.equal(step.do, wanted);
    if (note !== undefined) assert.match(describeStep(step), note);
  });
}

for (const [name, kind, present, wanted, note] of rows) {
  test(name, () => {
    const step = planStep(object(kind, OURS), present);
    assert.equal(step.do, wanted);
    if (note !== undefined) assert.match(describeStep(step), note);
  });
}
