import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '../../../core/kube/index.ts';
import { WorkQueue } from './work-queue.ts';

/** A queue whose work is done by hand. */
function manual() {
  const calls: {
    readonly key: string;
    readonly finish: (again?: number) => void;
    readonly fail: (error: unknown) => void;
  }[] = [];
  const waiting: (() => void)[] = [];
  const problems: unknown[] = [];
  const queue = new WorkQueue(
    (key) => {
      const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
      calls.push({ key, finish: resolve, fail: reject });
      for (const wake of waiting.splice(0)) wake();
      return promise;
    },
    (_key, error) => problems.push(error),
  );
  const called = async (count: number): Promise<void> => {
    while (calls.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { queue, calls, called, problems };
}

test('requests of one turn make one run, and keys do not wait for each other', async () => {
  const { queue, calls, called } = manual();
  for (const key of ['a', 'a', 'b', 'a']) queue.add(key);
  await called(2);
  assert.deepEqual(
    calls.map(({ key }) => key),
    ['a', 'b'],
  );
  for (const { finish } of calls) finish();
  await queue[Symbol.asyncDispose]();
});

test('a key that is asked for while it runs, runs once more', async () => {
  const { queue, calls, called } = manual();
  queue.add('a');
  await called(1);
  queue.add('a');
  queue.add('a');
  assert.equal(calls.length, 1, 'never two at a time');
  calls[0]?.finish();
  await called(2);
  calls[1]?.finish();
  await queue[Symbol.asyncDispose]();
  assert.equal(calls.length, 2);
});

test('a failure is told and tried again; a conflict is only tried again', async () => {
  const { queue, calls, called, problems } = manual();
  queue.add('a');
  await called(1);
  calls[0]?.fail(new KubeError(409, 'Conflict', 'stale'));
  await called(2);
  assert.equal(problems.length, 0);
  calls[1]?.fail(new Error('broken'));
  await called(3);
  assert.equal(problems.length, 1);
  calls[2]?.finish();
  await queue[Symbol.asyncDispose]();
});

test('work can ask to be called again later', async () => {
  const { queue, calls, called } = manual();
  queue.add('a');
  await called(1);
  calls[0]?.finish(1);
  await called(2);
  calls[1]?.finish();
  await queue[Symbol.asyncDispose]();
});

test('a closed queue lets what runs finish and starts nothing more', async () => {
  const { queue, calls, called } = manual();
  queue.add('a');
  await called(1);
  queue.add('a');
  const closed = queue[Symbol.asyncDispose]();
  calls[0]?.finish(1);
  await closed;
  queue.add('b');
  assert.equal(calls.length, 1);
});
