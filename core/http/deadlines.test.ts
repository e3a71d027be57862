import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../time/index.ts';
import { Deadline, Deadlines, TICK_MS, threadDeadlines } from './deadlines.ts';

function stand() {
  const clock = new FakeClock();
  const all = new Deadlines(clock);
  const told: string[] = [];
  return { clock, all, told, make: (name: string) => new Deadline(all, () => void told.push(name)) };
}

test('a deadline is told once, not before it is due and at most a tick after', async () => {
  const { clock, told, make } = stand();
  make('a').set(1_000);
  await clock.advance(999);
  assert.deepEqual(told, []);
  await clock.advance(1 + TICK_MS);
  assert.deepEqual(told, ['a']);
  await clock.advance(10_000);
  assert.deepEqual(told, ['a']);
});

test('a deadline that is moved again and again costs one timer, and is told when nothing moved it any more', async () => {
  const { clock, told, make } = stand();
  const idle = make('idle');
  for (let i = 0; i < 100; i += 1) {
    idle.set(1_000);
    assert.equal(clock.pending, 1);
    await clock.advance(100);
  }
  assert.deepEqual(told, []);
  await clock.advance(900 + TICK_MS);
  assert.deepEqual(told, ['idle']);
});

test('a deadline that is moved to an earlier time is told at the earlier time', async () => {
  const { clock, told, make } = stand();
  const one = make('one');
  one.set(3_600_000);
  await clock.advance(500);
  one.set(1_000);
  await clock.advance(1_000 + TICK_MS);
  assert.deepEqual(told, ['one']);
});

test('deadlines that are taken back are not told, and no timer is left', async () => {
  const { clock, all, told, make } = stand();
  const [a, b, c] = [make('a'), make('b'), make('c')];
  for (const each of [a, b, c]) each.set(100);
  a.clear();
  b.set(0);
  c.close();
  await clock.advance(1_000);
  assert.deepEqual(told, []);
  assert.deepEqual([clock.pending, all.watched], [0, 0]);
});

test('one that takes another back when both are due keeps it from being told', async () => {
  const { clock, all, told } = stand();
  const later: Deadline[] = [];
  for (const name of ['a', 'b']) {
    later.push(
      new Deadline(all, () => {
        told.push(name);
        for (const each of later) each.close();
      }),
    );
  }
  for (const each of later) each.set(100);
  await clock.advance(200);
  assert.equal(told.length, 1);
});

test('a deadline that is set again while it is told is told again', async () => {
  const { clock, all } = stand();
  let times = 0;
  const beat: Deadline = new Deadline(all, () => {
    times += 1;
    beat.set(1_000);
  });
  beat.set(1_000);
  await clock.advance(5_000 + 5 * TICK_MS);
  assert.equal(times, 5);
});

test('many deadlines in no order are each told in time', async () => {
  const { clock, all } = stand();
  const start = clock.now();
  const wrong: string[] = [];
  let told = 0;
  for (let i = 0; i < 1_000; i += 1) {
    const ms = 1 + ((i * 7919) % 5_000);
    const deadline: Deadline = new Deadline(all, () => {
      told += 1;
      const took = clock.now() - start;
      if (took < ms || took > ms + TICK_MS) wrong.push(`${ms}: ${took}`);
      deadline.close();
    });
    deadline.set(ms);
  }
  await clock.advance(6_000);
  assert.deepEqual(wrong, []);
  assert.deepEqual([told, all.watched], [1_000, 0]);
});

test("the thread's own deadlines follow real time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hold = setInterval(() => {}, 1_000); // theirs keeps no process alive
  new Deadline(threadDeadlines(), resolve).set(1);
  await promise;
  clearInterval(hold);
});
