import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Labels, matchLabelSelector, parseFieldSelector, parseLabelSelector } from './selectors.ts';
import { ApiStatusError } from './status-error.ts';
import type { Json } from './types.ts';

const labelCases: readonly (readonly [selector: string, labels: Labels, matches: boolean])[] = [
  ['', {}, true],
  ['a=b', { a: 'b' }, true],
  ['a == b', { a: 'b' }, true],
  ['a=b', {}, false],
  ['a=', { a: '' }, true],
  ['a=', {}, false],
  ['a!=b', {}, true],
  ['a!=b', { a: 'b' }, false],
  ['a in (x, y)', { a: 'y' }, true],
  ['a in (x,y),b', { a: 'y' }, false],
  ['a in (x,y),b', { a: 'y', b: '' }, true],
  ['a notin (x,y)', {}, true],
  ['a notin (x,y)', { a: 'x' }, false],
  ['!a', {}, true],
  ['!a', { a: '' }, false],
  ['app.kubernetes.io/name=web,app.kubernetes.io/part-of', { 'app.kubernetes.io/name': 'web' }, false],
  ['toString', {}, false],
];
for (const [selector, labels, matches] of labelCases) {
  test(`label selector "${selector}" ${matches ? 'matches' : 'does not match'} ${JSON.stringify(labels)}`, () => {
    assert.equal(parseLabelSelector(selector)(labels), matches);
  });
}

for (const selector of ['a=b=c', ',', 'a in x', '=b', 'a b', '-a=b', 'a=b c', `a=${'x'.repeat(64)}`]) {
  test(`label selector "${selector.slice(0, 10)}" is refused`, () => {
    assert.throws(
      () => parseLabelSelector(selector),
      (error) => error instanceof ApiStatusError && error.code === 400,
    );
  });
}

test('a selector object needs its labels and its expressions', () => {
  const selector = {
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'NotIn', values: ['db'] },
      { key: 'app', operator: 'Exists' },
    ],
  };
  assert.equal(matchLabelSelector(selector, { app: 'web' }), true);
  assert.equal(matchLabelSelector(selector, { app: 'web', tier: 'db' }), false);
  assert.equal(matchLabelSelector(selector, {}), false);
  assert.equal(matchLabelSelector({}, {}), true);
});

const pod: Json = { metadata: { name: 'p', namespace: 'n' }, spec: { nodeName: 'node-1' }, status: {} };
const POD_FIELDS = ['metadata.name', 'metadata.namespace', 'spec.nodeName', 'status.phase'];
const fieldCases: readonly (readonly [selector: string, matches: boolean])[] = [
  ['', true],
  ['metadata.name=p', true],
  ['metadata.name==q', false],
  ['spec.nodeName=node-1,status.phase!=Succeeded', true],
  ['metadata.namespace!=a,metadata.namespace!=n', false],
  ['status.phase=', true],
];
for (const [selector, matches] of fieldCases) {
  test(`field selector "${selector}" ${matches ? 'matches' : 'does not match'} the pod`, () => {
    assert.equal(parseFieldSelector(selector, POD_FIELDS)(pod), matches);
  });
}

test('a field selector on an unknown field is refused', () => {
  assert.throws(() => parseFieldSelector('spec.x=1', POD_FIELDS), /field label not supported: spec.x/);
});
