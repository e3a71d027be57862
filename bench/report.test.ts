import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chart } from './chart.ts';
import { parseCpuSeconds } from './cpu.ts';
import { curvesOf } from './curve.ts';
import { parseOptions } from './options.ts';
import { bestRival, type Metric, median, ratio, Samples, showNumber, spreadOf, table } from './report.ts';

const THROUGHPUT: Metric = { suite: 'hbone', name: '1 stream', metric: 'throughput', unit: 'Gbit/s', better: 'higher' };
const LATENCY: Metric = { suite: 'latency', name: '1 <open> connection', metric: 'p50', unit: 'us', better: 'lower' };

function rowsOf(metric: Metric, values: Readonly<Record<string, readonly number[]>>) {
  const samples = new Samples();
  for (const [who, all] of Object.entries(values)) for (const value of all) samples.add(metric, who, value);
  return samples.rows();
}

test('a row has the median of each peer and the worst spread', () => {
  const rows = rowsOf(THROUGHPUT, { ambit: [9, 1, 5], haproxy: [4, 2] });
  assert.deepEqual(rows, [{ ...THROUGHPUT, ambit: 5, peers: { haproxy: 3 }, spread: 0.8 }]);
});

test('an even number of rounds has the mean of the middle two as its median', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(spreadOf([7]), 0);
});

test('the best rival is the fastest of those that the targets name, not the link itself nor nginx', () => {
  const [fast] = rowsOf(THROUGHPUT, { ambit: [6], none: [50], nginx: [9], haproxy: [4], envoy: [5] });
  assert.ok(fast);
  assert.deepEqual(bestRival(fast), { name: 'envoy', value: 5 });
  assert.equal(ratio(fast), 1.2);
  const [quick] = rowsOf(LATENCY, { ambit: [6], haproxy: [4], envoy: [5] });
  assert.ok(quick);
  assert.equal(ratio(quick), 1.5);
});

test('there is no ratio without a rival or without Ambit', () => {
  const [alone] = rowsOf(LATENCY, { ambit: [6], none: [1] });
  const [without] = rowsOf(LATENCY, { haproxy: [6] });
  assert.ok(alone && without);
  assert.equal(ratio(alone), undefined);
  assert.equal(ratio(without), undefined);
});

test('the table names the ratio and marks what was not measured', () => {
  const text = table([...rowsOf(THROUGHPUT, { ambit: [6], haproxy: [4] }), ...rowsOf(LATENCY, { none: [1.234] })]);
  const [, first, second] = text.split('\n');
  assert.match(first ?? '', /^hbone: 1 stream, throughput +Gbit\/s +higher +6 +4 +- +1\.50 of haproxy +±0 %$/);
  assert.match(second ?? '', / +- +- +1\.23 +- +±0 %$/);
});

test('numbers have three digits, and all of them from a hundred on', () => {
  assert.deepEqual([0.012345, 12.345, 123.45, 123456, undefined].map(showNumber), [
    '0.0123',
    '12.3',
    '123',
    '123456',
    '-',
  ]);
});

test('a chart scales the bars of a row by its largest and escapes names', () => {
  const svg = chart(rowsOf(LATENCY, { ambit: [10], haproxy: [20] }), 'a & b');
  const widths = [...svg.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) => Number(width));
  assert.equal(widths.length, 2);
  assert.equal((widths[0] ?? 0) * 2, widths[1]);
  assert.ok(svg.includes('1 &lt;open&gt; connection') && svg.includes('a &amp; b'));
});

test('what was measured at several sizes is a curve, from small to large, and no bars', () => {
  const rows = [100_000, 1000, 10_000].flatMap((pods) => {
    const metric = { suite: 'mesh', name: `derive ${pods}`, metric: 'time', unit: 'ms', better: 'lower' } as const;
    return rowsOf({ ...metric, growth: { of: 'derivation', by: 'pods', at: pods } }, { ambit: [pods / 100] });
  });
  assert.deepEqual(
    curvesOf(rows).map(({ points }) => points.map(({ x, y }) => [x, y])),
    [
      [
        [1000, 10],
        [10_000, 100],
        [100_000, 1000],
      ],
    ],
  );
  const svg = chart(rows, 'growth');
  assert.ok(!svg.includes('height="12"'), 'no bars');
  const [line = ''] = /(?<=points=")[^"]+/.exec(svg) ?? [];
  const [first, second, third] = line.split(' ').map((point) => point.split(',').map(Number));
  const rise = (a: readonly number[] = [], b: readonly number[] = []) => (a[1] ?? 0) - (b[1] ?? 0);
  assert.equal(rise(first, second), rise(second, third), 'what is proportional is a straight line');
});

test('CPU time is read also of a process with spaces and parentheses in its name', () => {
  const stat = `7 (a (b) c) S ${Array.from({ length: 10 }, () => '0').join(' ')} 150 50 0 0 20`;
  assert.equal(parseCpuSeconds(stat), 2);
});

test('the command line refuses what it does not know', () => {
  assert.throws(() => parseOptions(['speed'], ['hbone']), /no suite speed; there are: hbone/);
  assert.throws(() => parseOptions(['--rounds', '1.5'], ['hbone']), /--rounds is a whole number/);
  assert.throws(() => parseOptions(['--hbone', 'quic'], ['hbone']), /plane or http2/);
  assert.equal(parseOptions(['--help'], ['hbone']), undefined);
  assert.equal(parseOptions(['--quick'], ['hbone'])?.rounds, 1);
});
