import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TurnQueue } from './turn-queue.ts';

const nextTurn = () => new Promise((turn) => setImmediate(turn));

it('a flood of arrivals is taken a few a turn, in order, and nothing is lost', async () => {
  const done: number[] = [];
  const queue = new TurnQueue<number>(4, (item) => done.push(item));
  for (let i = 0; i < 11; i++) queue.push(i);
  const perTurn = [done.length];
  while (done.length < 11) {
    await nextTurn();
    perTurn.push(done.length);
  }
  assert.deepEqual(perTurn, [4, 8, 11]);
  assert.deepEqual(done, [...Array(11).keys()]);
});

it('after a quiet turn the next arrival is taken at once', async () => {
  const done: string[] = [];
  const queue = new TurnQueue<string>(1, (item) => done.push(item));
  queue.push('a');
  queue.push('b');
  assert.deepEqual(done, ['a']);
  await nextTurn();
  await nextTurn();
  queue.push('c');
  assert.deepEqual(done, ['a', 'b', 'c']);
});
