import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Addresses, readCall } from './case.ts';
import { describe, meaningOf } from './prediction.ts';
import { TABLE } from './table.ts';

const host = (n: number) => ({ ip4: `10.77.0.${n}`, ip6: `fd00:77::${n}` });
const AT: Addresses = { client: host(1), near: host(2), server: host(3), other: host(4), outside: host(5) };

for (const row of TABLE) {
  test(`predicted: ${row.name}`, () => {
    const meaning = meaningOf(row, AT);
    const found = Object.keys(row.calls).map((call) => [call, describe(meaning.predict(readCall(call)))]);
    assert.deepEqual(Object.fromEntries(found), row.calls);
  });
}

test('no two rows have one name', () => {
  const names = TABLE.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
