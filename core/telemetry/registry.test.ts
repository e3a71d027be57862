import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from './index.ts';

test('a counter has _total on its samples only, and families without samples are left out', () => {
  const registry = new Registry();
  registry.gauge('empty', 'Nothing.');
  const opened = registry.counter('istio_tcp_connections_opened', 'Opened.', ['reporter', 'app']);
  opened.labels(['source', 'a"b\\c\nd']).inc();
  opened.labels(['source', 'a"b\\c\nd']).inc(2);
  assert.equal(
    registry.render().body,
    '# HELP istio_tcp_connections_opened Opened.\n# TYPE istio_tcp_connections_opened counter\n' +
      'istio_tcp_connections_opened_total{reporter="source",app="a\\"b\\\\c\\nd"} 3\n# EOF\n',
  );
});

test('a histogram counts up to each bound', () => {
  const registry = new Registry();
  const duration = registry.histogram('d_seconds', 'D.', [], [0.5, 1]).labels([]);
  for (const value of [0.1, 0.5, 0.7, 9]) duration.observe(value);
  assert.match(
    registry.render().body,
    /d_seconds_count 4\nd_seconds_bucket\{le="0.5"\} 2\nd_seconds_bucket\{le="1.0"\} 3\nd_seconds_bucket\{le="\+Inf"\} 4\n/,
  );
});

const ACCEPTS: readonly (readonly [string | undefined, string])[] = [
  [undefined, 'text/plain; charset=utf-8'],
  ['text/plain;version=0.0.4', 'text/plain; charset=utf-8'],
  ['application/openmetrics-text', 'application/openmetrics-text;charset=utf-8;version=1.0.0'],
  [
    'text/plain;q=0.5, Application/OpenMetrics-Text; version=1.0.0;q=0.9',
    'application/openmetrics-text;charset=utf-8;version=1.0.0',
  ],
  ['application/openmetrics-textual', 'text/plain; charset=utf-8'],
];
for (const [accept, want] of ACCEPTS) {
  test(`Accept ${accept} gets ${want}`, () => assert.equal(new Registry().render(accept).contentType, want));
}

test('beyond the bound new label sets share one series and are counted', () => {
  const registry = new Registry({ maxSeries: 2 });
  const family = registry.counter('c', 'C.', ['pod']);
  for (const pod of ['a', 'b', 'c', 'd']) family.labels([pod]).inc();
  const { body } = registry.render();
  assert.match(body, /c_total\{pod="a"\} 1\nc_total\{pod="b"\} 1\nc_total\{pod="overflow"\} 2\n/);
  assert.match(body, /ambit_metric_series_overflow_total\{metric="c"\} 2\n/);
});

test('an idle series is let go, and a connection that still holds it counts on where its labels live now', () => {
  let now = 0;
  const registry = new Registry({ now: () => now, idleMs: 100 });
  const family = registry.counter('c', 'C.', ['pod']);
  const held = family.labels(['a']);
  held.inc();
  assert.match(registry.render().body, /c_total\{pod="a"\} 1/);
  now = 99;
  assert.match(registry.render().body, /c_total\{pod="a"\} 1/);
  now = 100;
  assert.doesNotMatch(registry.render().body, /c_total/);
  family.labels(['a']).inc(5);
  held.inc(2);
  held.inc();
  assert.match(registry.render().body, /c_total\{pod="a"\} 8/);
  now = 300;
  registry.sweep();
  held.inc(10); // alone again: its own total goes on
  assert.match(registry.render().body, /c_total\{pod="a"\} 11/);
});

test('a metric without labels is always shown', () => {
  let now = 0;
  const registry = new Registry({ now: () => now, idleMs: 100 });
  registry.gauge('pending', 'Pending.').labels([]);
  registry.sweep();
  now = 10_000;
  assert.match(registry.render().body, /^pending 0$/m);
});

test('a gauge that is not zero never expires, however steady', () => {
  let now = 0;
  const registry = new Registry({ now: () => now, idleMs: 100 });
  const open = registry.gauge('g', 'G.', ['x']).labels(['1']);
  open.inc();
  registry.sweep();
  now = 10_000;
  assert.match(registry.render().body, /g\{x="1"\} 1/);
});

test('what one registry takes is summed in another, and expiry there never makes a counter go back', () => {
  let nowMs = 0;
  const worker = new Registry({ now: () => nowMs, idleMs: 10 });
  const main = new Registry({ now: () => nowMs, idleMs: 1_000 });
  const families = (registry: Registry) => ({
    count: registry.counter('count', 'n', ['a']),
    open: registry.gauge('open', 'n', ['a']),
    took: registry.histogram('took', 'n', ['a'], [1, 2]),
  });
  const [theirs, ours] = [families(worker), families(main)];
  ours.count.labels(['x']).inc(5);
  theirs.count.labels(['x']).inc(2);
  theirs.open.labels(['x']).set(3);
  theirs.took.labels(['x']).observe(1.5);
  main.absorb(worker.takeDeltas());
  nowMs = 20;
  main.absorb(worker.takeDeltas()); // nothing new; the worker lets the idle series go
  theirs.count.labels(['x']).inc();
  theirs.open.labels(['x']).dec();
  main.absorb(worker.takeDeltas());
  assert.deepEqual(worker.takeDeltas(), []);
  const { body } = main.render();
  assert.match(body, /count_total\{a="x"\} 8\n/);
  assert.match(body, /open\{a="x"\} 2\n/);
  assert.match(body, /took_bucket\{a="x",le="2.0"\} 1\n/);
  assert.match(body, /took_sum\{a="x"\} 1.5\n/);
});
