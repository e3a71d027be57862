import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HeldViews } from './held-views.ts';

const view = (bytes: number, value: number) => Buffer.alloc(bytes, value);

/** All that is held, `piece` bytes at a time. */
function drain(held: HeldViews, piece: number): Buffer {
  const parts: Buffer[] = [];
  for (let next = held.take(); next !== undefined; next = held.take()) {
    const used = Math.min(piece, next.length);
    parts.push(Buffer.from(next.subarray(0, used)));
    held.giveBack(used);
  }
  return Buffer.concat(parts);
}

describe('bytes that wait', () => {
  for (const size of [1, 5_000, 40_000, 65_536, 65_537, 200_000, 300_000]) {
    test(`a view of ${size} bytes comes out as it went in, in pieces, behind what came before`, () => {
      const held = new HeldViews();
      held.push(view(10, 1));
      held.push(view(size + 3, 2), 3);
      assert.equal(held.bytes, size + 10);
      assert.deepEqual(drain(held, 7_000), Buffer.concat([view(10, 1), view(size, 2)]));
      assert.equal(held.bytes, 0);
    });
  }

  test('what is pushed first comes before what was pushed', () => {
    const held = new HeldViews();
    held.push(view(2, 1));
    held.push(view(2, 0), 0, true);
    assert.deepEqual([...drain(held, 10)], [0, 0, 1, 1]);
  });

  test('the view may change once it is pushed', () => {
    const held = new HeldViews();
    const mine = view(50_000, 1);
    held.push(mine);
    mine.fill(9);
    assert.deepEqual(drain(held, 50_000), view(50_000, 1));
  });

  test('what is dropped while somebody looks at it is not written to by the next', () => {
    const held = new HeldViews();
    held.push(view(50_000, 1));
    const looked = held.take();
    held.clear();
    held.giveBack(50_000); // of nothing
    held.push(view(50_000, 2));
    assert.deepEqual(looked, view(50_000, 1));
    assert.equal(held.bytes, 50_000);
  });

  test('two that wait at once never share memory, however often it was used before', () => {
    for (let i = 0; i < 40; i++) {
      const [a, b] = [new HeldViews(), new HeldViews()];
      a.push(view(60_000, i));
      b.push(view(60_000, 255 - i));
      assert.deepEqual([drain(a, 60_000), drain(b, 60_000)], [view(60_000, i), view(60_000, 255 - i)]);
    }
  });
});
