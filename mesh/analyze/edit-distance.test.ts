import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editDistance, nearest } from './edit-distance.ts';

const rows: readonly [string, string, string, number][] = [
  ['the same', 'ambient', 'ambient', 0],
  ['two letters swapped', 'ambeint', 'ambient', 1],
  ['a letter too few', 'ambint', 'ambient', 1],
  ['a letter too many', 'ambiient', 'ambient', 1],
  ['another letter', 'ambiant', 'ambient', 1],
  ['two slips', 'anbeint', 'ambient', 2],
  ['another word', 'sidecar', 'ambient', 4],
  ['nothing', '', 'ambient', 4],
];
for (const [name, a, b, want] of rows) {
  test(`distance: ${name}`, () => {
    assert.equal(editDistance(a, b, 3), want);
    assert.equal(editDistance(b, a, 3), want);
  });
}

test('a short word is only taken for another when one letter differs', () => {
  assert.equal(nearest('nine', ['none']), 'none');
  assert.equal(nearest('nina', ['none']), undefined);
  assert.equal(nearest('ambaint', ['none', 'ambient']), 'ambient');
});
