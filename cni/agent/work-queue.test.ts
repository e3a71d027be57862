import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../test/support/netns.ts';
import { WorkQueue } from './work-queue.ts';

function queue(work: (key: string) => Promise<void>, concurrency = 2) {
  const failures: string[] = [];
  const q = new WorkQueue({
    concurrency,
    work,
    onFailure: (key, error, attempt, retryInMs) => failures.push(`${key} ${String(error)} ${attempt} ${retryInMs}`),
  });
  return { q, failures };
}

test('nothing is done before the start, and each key once', async () => {
  const done: string[] = [];
  const { q } = queue(async (key) => void done.push(key));
  for (const key of ['a', 'b', 'a']) q.add(key);
  assert.deepEqual(done, []);
  q.start();
  await eventually('all', () => q.size === 0);
  assert.deepEqual(done, ['a', 'b']);
  await q[Symbol.asyncDispose]();
});

test('a key that changes while it is worked on is worked on once more, never twice at once', async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const { q } = queue(async () => {
    running += 1;
    runs += 1;
    assert.equal(running, 1);
    await gate.promise;
    running -= 1;
  });
  q.start();
  q.add('a');
  await eventually('the first run', () => running === 1);
  q.add('a');
  q.add('a');
  gate.resolve();
  await eventually('all', () => q.size === 0);
  assert.equal(runs, 2);
  await q[Symbol.asyncDispose]();
});

test('a failure is tried again with growing pauses until it succeeds', async () => {
  let left = 3;
  const { q, failures } = queue(async () => {
    if (left-- > 0) throw new Error('not yet');
  });
  q.start();
  q.add('a');
  await eventually('success', () => q.size === 0);
  assert.deepEqual(failures, ['a Error: not yet 1 5', 'a Error: not yet 2 10', 'a Error: not yet 3 20']);
  await q[Symbol.asyncDispose]();
});

test('one key that keeps failing does not hold up the others, and stopping ends it', async () => {
  const done: string[] = [];
  const { q } = queue(async (key) => {
    if (key === 'bad') throw new Error('never');
    done.push(key);
  }, 1);
  q.start();
  for (const key of ['bad', 'a', 'b']) q.add(key);
  await eventually('the others', () => done.length === 2);
  await q[Symbol.asyncDispose]();
});
