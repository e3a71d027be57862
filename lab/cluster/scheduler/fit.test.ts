import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, PodSpec, Taint } from '../types.ts';
import { placePod, whyNot } from './fit.ts';

const READY = [{ type: 'Ready', status: 'True' }];
const node = (name: string, labels = {}, taints: readonly Taint[] = [], more: object = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels },
  spec: { taints, ...more },
  status: { conditions: READY },
});
const pod = (spec: Partial<PodSpec> = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n' },
  spec: { containers: [], ...spec },
});
const affinity = (...terms: object[]): Partial<PodSpec> => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
});
const expression = (key: string, operator: string, ...values: string[]) => ({ key, operator, values });
const TAINT: Taint = { key: 'only', value: 'gpu', effect: 'NoSchedule' };

const cases: readonly (readonly [name: string, spec: Partial<PodSpec>, on: Node, reason: RegExp | undefined])[] = [
  ['any pod on a ready node', {}, node('a'), undefined],
  ['a label it selects', { nodeSelector: { zone: 'x' } }, node('a', { zone: 'x' }), undefined],
  ['a label it does not have', { nodeSelector: { zone: 'x' } }, node('a', { zone: 'y' }), /affinity\/selector/],
  ['a taint', {}, node('a', {}, [TAINT]), /untolerated taint \{only: gpu\}/],
  ['a soft taint', {}, node('a', {}, [{ ...TAINT, effect: 'PreferNoSchedule' }]), undefined],
  ['a tolerated taint', { tolerations: [{ key: 'only', value: 'gpu' }] }, node('a', {}, [TAINT]), undefined],
  [
    'a taint tolerated by key',
    { tolerations: [{ key: 'only', operator: 'Exists' }] },
    node('a', {}, [TAINT]),
    undefined,
  ],
  ['all taints tolerated', { tolerations: [{ operator: 'Exists' }] }, node('a', {}, [TAINT]), undefined],
  [
    'another effect tolerated',
    { tolerations: [{ operator: 'Exists', effect: 'NoExecute' }] },
    node('a', {}, [TAINT]),
    /untolerated/,
  ],
  ['a cordoned node', {}, node('a', {}, [], { unschedulable: true }), /unschedulable/],
  ['a node that is not ready', {}, { ...node('a'), status: {} }, /were not ready/],
  [
    'affinity In',
    affinity({ matchExpressions: [expression('zone', 'In', 'x', 'y')] }),
    node('a', { zone: 'y' }),
    undefined,
  ],
  [
    'affinity NotIn without the label',
    affinity({ matchExpressions: [expression('zone', 'NotIn', 'x')] }),
    node('a'),
    undefined,
  ],
  ['affinity Exists', affinity({ matchExpressions: [expression('zone', 'Exists')] }), node('a'), /affinity/],
  ['affinity Gt', affinity({ matchExpressions: [expression('cpus', 'Gt', '3')] }), node('a', { cpus: '4' }), undefined],
  ['affinity by name', affinity({ matchFields: [expression('metadata.name', 'In', 'b')] }), node('a'), /affinity/],
  [
    'terms are alternatives',
    affinity(
      { matchFields: [expression('metadata.name', 'In', 'b')] },
      { matchExpressions: [expression('zone', 'DoesNotExist')] },
    ),
    node('a'),
    undefined,
  ],
  ['an empty term selects nothing', affinity({}), node('a'), /affinity/],
];
for (const [name, spec, on, reason] of cases) {
  test(`scheduling: ${name} ${reason === undefined ? 'fits' : 'does not fit'}`, () => {
    const actual = whyNot(pod(spec), on);
    if (reason === undefined) assert.equal(actual, undefined);
    else assert.match(actual ?? 'fits', reason);
  });
}

test('the emptiest node is taken, by name among equals', () => {
  const counts: Record<string, number> = { a: 3, b: 1, c: 1 };
  const placement = placePod(pod(), [node('c'), node('a'), node('b')], (name) => counts[name] ?? 0);
  assert.equal(placement.kind === 'node' && placement.node.metadata.name, 'b');
});

test('a pod that fits nowhere gets the reasons, counted', () => {
  const nodes = [node('a', {}, [TAINT]), node('b', {}, [TAINT]), node('c', {}, [], { unschedulable: true })];
  assert.deepEqual(
    placePod(pod(), nodes, () => 0),
    {
      kind: 'none',
      message: '0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint {only: gpu}.',
    },
  );
});
