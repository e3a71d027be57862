import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatTable } from './table.ts';

test('a table lines its columns up and leaves no blanks at the end of a line', () => {
  assert.equal(
    formatTable(
      ['NAME', 'READY'],
      [
        ['istiod', '1/1'],
        ['istio-cni-node', ''],
      ],
    ),
    ['NAME            READY', 'istiod          1/1', 'istio-cni-node'].join('\n'),
  );
});
