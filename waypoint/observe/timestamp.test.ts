import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timestamps } from './timestamp.ts';

test('a time is written as Date writes it, whatever came before', () => {
  const format = timestamps();
  for (const ms of [
    0, 7, 99, 100, 999, 1_000, 1_767_323_045_678, 1_767_323_045_009.9, 1_767_323_046_000, 1_767_323_045_678,
  ]) {
    assert.equal(format(ms), new Date(ms).toISOString());
  }
});
