import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLog } from './h2load.ts';

const lines = (durations: readonly number[], status = 200) =>
  durations.map((micros, i) => `${1_000 + i}\t${status}\t${micros}\n`).join('');

test('percentiles are of the requests in the log, in whatever order they ended', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual(parseLog(lines(hundred)), { requests: 100, p50: 51, p99: 100 });
  assert.deepEqual(parseLog(lines([7])), { requests: 1, p50: 7, p99: 7 });
});

test('a log with a denial, or of nothing, is no measurement', () => {
  assert.throws(() => parseLog(lines([5]) + lines([5], 403)), /answered with 403/);
  assert.throws(() => parseLog(''), /nothing was answered/);
});
