import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_OUTLIERS, type OutlierPolicy } from '../../mesh/index.ts';
import { Outliers, type TryOutcome } from './outliers.ts';

const POLICY: OutlierPolicy = {
  ...DEFAULT_OUTLIERS,
  consecutive5xx: 3,
  consecutiveGateway: 2,
  consecutiveLocal: 4,
  baseEjectionMs: 1_000,
};
const answered = (status: number): TryOutcome => ({ kind: 'answered', status });
const [OK, E500, E503] = [answered(200), answered(500), answered(503)];
const LOCAL: TryOutcome = { kind: 'local' };

function after(outcomes: readonly TryOutcome[], policy = POLICY, total = 4): boolean {
  const outliers = new Outliers(() => 0);
  for (const outcome of outcomes) outliers.report('a', outcome, policy, total);
  return outliers.isOut('a');
}

test('what puts an endpoint out', async (t) => {
  const rows: Readonly<Record<string, readonly [boolean, readonly TryOutcome[]]>> = {
    'three 5xx in a row': [true, [E500, E500, E500]],
    'two are not enough': [false, [E500, E500]],
    'a good answer in between begins again': [false, [E500, E500, OK, E500]],
    'two gateway errors in a row': [true, [E503, E503]],
    'another 5xx between gateway errors': [false, [E503, E500]],
    'a broken connection counts as a gateway error': [true, [{ kind: 'broken' }, E503]],
    "a 4xx is the caller's own fault": [false, [answered(404), answered(404), answered(404)]],
  };
  for (const [name, [isOut, outcomes]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(after(outcomes), isOut));
  }
});

test('failed connections alone put an endpoint out where no rule says anything', () => {
  const many = Array.from({ length: 50 }, () => E500);
  assert.equal(after(many, DEFAULT_OUTLIERS), false);
  assert.equal(after([LOCAL, LOCAL, LOCAL, LOCAL, LOCAL], DEFAULT_OUTLIERS), true);
});

test('the only endpoint is never put out, nor more than the share that may be', () => {
  assert.equal(after([E503, E503], POLICY, 1), false);
  const outliers = new Outliers(() => 0);
  const policy = { ...POLICY, maxEjectionPercent: 50 };
  for (const key of ['a', 'b', 'c']) for (const one of [E503, E503]) outliers.report(key, one, policy, 4);
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => outliers.isOut(key)),
    [true, true, false],
  );
});

test('it is in again when its time is over, and out for longer the second time', () => {
  let now = 0;
  const outliers = new Outliers(() => now);
  const fail = () => {
    for (const one of [E503, E503]) outliers.report('a', one, POLICY, 4);
  };
  fail();
  now = 999;
  assert.equal(outliers.isOut('a'), true);
  now = 1_000;
  assert.equal(outliers.isOut('a'), false);
  fail();
  now = 2_999;
  assert.equal(outliers.isOut('a'), true);
  now = 3_000;
  assert.equal(outliers.isOut('a'), false);
});

test('nothing is kept of endpoints that do well, or are gone', () => {
  let now = 0;
  const outliers = new Outliers(() => now);
  outliers.report('a', E500, POLICY, 4);
  outliers.report('a', OK, POLICY, 4);
  assert.equal(outliers.isEmpty, true);
  for (const one of [E503, E503]) outliers.report('b', one, POLICY, 4);
  now = 400_000;
  outliers.report('b', OK, POLICY, 4);
  assert.equal(outliers.isEmpty, true);
  outliers.report('c', E500, POLICY, 4);
  outliers.keepOnly(() => false);
  assert.equal(outliers.isEmpty, true);
});
