/** The table of policy semantics at L7: what was predicted is what a waypoint does, for the reason that was given. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { buildModel, DEFAULT_MESH_CONFIG } from '../../../mesh/index.ts';
import { readRequest } from './case.ts';
import { expectedOf, foundOf, inShort, L7World } from './enforcement.ts';
import { predicted } from './prediction.ts';
import { TABLE } from './table.ts';

const DEADLINE_MS = 20_000;
const cleanups: (() => unknown)[] = [];
let world: L7World;
before(async () => {
  world = await L7World.start({ after: (cleanup) => void cleanups.push(cleanup as () => unknown) });
});
after(async () => {
  for (const cleanup of cleanups) await cleanup();
});

for (const row of TABLE) {
  test(`predicted and enforced: ${row.name}`, { timeout: DEADLINE_MS }, async () => {
    const model = buildModel(world.objectsOf(row), { ...DEFAULT_MESH_CONFIG, ...row.config });
    await world.apply(row);
    for (const [text, said] of Object.entries(row.requests)) {
      const request = readRequest(text);
      const prediction = predicted(model, request);
      assert.equal(prediction?.says ?? said, said, `predicted: ${text}`);
      const expected = prediction === undefined ? { says: inShort(said) } : expectedOf(request, prediction);
      assert.deepEqual(foundOf(await world.ask(request), expected), expected, `enforced: ${text}`);
    }
  });
}

test('no two rows have one name', () => {
  const names = TABLE.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
