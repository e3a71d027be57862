import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices, SlicedRounds } from './slices.ts';

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

test('work that gives way rests while connections carry traffic, and still comes to its end', async () => {
  let nowMs = 0;
  let turns = 0;
  let isBusy = true;
  const log: string[] = [];
  const traffic = () => {
    if (isBusy) turns += 1;
    return turns;
  };
  const started = performance.now();
  const result = inSlices(steps(log, 12), () => (nowMs += 0.6), traffic);
  const first = log.length;
  const watch = setInterval(() => {
    if (log.length >= 9) isBusy = false;
  }, 1);
  assert.equal(await result, 'done');
  clearInterval(watch);
  assert.equal(first, 7, 'the first slice is a whole one');
  assert.ok(performance.now() - started >= 4, 'it rested');
  assert.equal(log.length, 12);
});

test('work gives way for a second and no longer, however busy connections are', async () => {
  let nowMs = 0;
  let turns = 0;
  const log: string[] = [];
  const starts: number[] = [];
  const traffic = () => {
    starts.push(log.length);
    turns += 1;
    return turns; // never quiet
  };
  await inSlices(steps(log, 4_000), () => (nowMs += 0.5), traffic);
  const lengths = starts
    .slice(1)
    .map((at, i) => at - (starts[i] ?? 0))
    .filter((length) => length > 0);
  assert.ok(lengths.includes(2), 'short slices while it gives way');
  assert.ok((lengths.at(-2) ?? 0) > 4, 'whole ones afterwards');
});

test('what the work throws in a later slice reaches who waits for it', async () => {
  let nowMs = 0;
  function* failing(): Generator<void, void> {
    for (let i = 0; i < 5; i += 1) yield;
    throw new Error('broken');
  }
  await assert.rejects(async () => inSlices(failing(), () => (nowMs += 2)), /broken/);
});

test('in rounds each thing is looked at once, the longest waiting first, and a flood of changes starves none', async () => {
  const seen: string[] = [];
  let nowMs = 0;
  let rounds = 0;
  const done = Promise.withResolvers<void>();
  const look = (item: string) => {
    seen.push(item);
    if (seen.length < 6) all.add(['a', 'b', 'c']); // a change with every look
  };
  const finished = () => {
    rounds += 1;
    done.resolve();
  };
  const all = new SlicedRounds<string>(look, finished, () => (nowMs += 2));
  all.add(['a', 'b', 'c']);
  assert.deepEqual(seen, ['a', 'b'], 'one slice at once');
  await done.promise;
  assert.deepEqual(seen.slice(0, 6), ['a', 'b', 'c', 'a', 'b', 'c']);
  assert.equal(rounds, 1);
});

test('what is cleared is not looked at, and what comes later is', async () => {
  const seen: string[] = [];
  let nowMs = 0;
  const all = new SlicedRounds<string>(
    (item) => seen.push(item),
    () => {},
    () => (nowMs += 5),
  );
  all.add(['a', 'b', 'c']);
  all.clear();
  await new Promise((turn) => setImmediate(turn));
  await new Promise((turn) => setImmediate(turn));
  all.add(['d']);
  assert.deepEqual(seen, ['a', 'd']);
});
