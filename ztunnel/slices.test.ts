import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices } from './slices.ts';

function* steps(log: string[], count: number): Generator<void, string> {
  for (let i = 0; i < count; i += 1) {
    log.push(`step ${i}`);
    yield;
  }
  return 'done';
}

test('what fits into a slice is done at once', () => {
  assert.equal(
    inSlices(steps([], 1_000), () => 0),
    'done',
  );
});

test('a slice ends when its time is over, and the next one comes in another turn', async () => {
  const log: string[] = [];
  let nowMs = 0;
  const result = inSlices(steps(log, 5), () => (nowMs += 2)); // two steps in 4 ms
  setImmediate(() => log.push('somebody else'));
  assert.deepEqual(log, ['step 0', 'step 1']);
  assert.equal(await result, 'done');
  assert.ok(log.indexOf('somebody else') < log.length - 1, log.join());
  assert.equal(log.at(-1), 'step 4');
});

test('what the work throws in a later slice reaches who waits for it', async () => {
  let nowMs = 0;
  function* failing(): Generator<void, void> {
    for (let i = 0; i < 5; i += 1) yield;
    throw new Error('broken');
  }
  await assert.rejects(async () => inSlices(failing(), () => (nowMs += 2)), /broken/);
});
