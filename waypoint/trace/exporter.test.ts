import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, Registry } from '../../core/telemetry/index.ts';
import { FakeClock, settle } from '../../core/time/index.ts';
import { entry } from '../observe/test-entry.ts';
import { type Post, SpanExporter } from './exporter.ts';
import { type OtlpSpan, spanOf, type Trace } from './span.ts';

const TRACE: Trace = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  parentId: undefined,
  isSampled: true,
  tracestate: undefined,
};
const SPAN: OtlpSpan = spanOf(entry(), TRACE, { istio: false, custom: [] }, () => undefined);

function world(post: Post) {
  const clock = new FakeClock();
  const registry = new Registry();
  const logs: string[] = [];
  const exporter = new SpanExporter({
    post,
    resource: { 'service.name': 'waypoint.shop' },
    clock,
    log: createLogger({ format: 'plain', level: 'info', write: (line) => logs.push(line) }),
    spans: registry.counter('spans', 'Spans.', ['outcome']),
    timeoutMs: 5_000,
  });
  const count = (outcome: string) =>
    Number(registry.render().body.match(new RegExp(`spans_total\\{outcome="${outcome}"\\} (\\d+)`))?.[1] ?? 0);
  const add = (n: number) => {
    for (let i = 0; i < n; i++) exporter.add(SPAN);
  };
  return { clock, logs, exporter, count, add };
}

const spansIn = (body: string): number => JSON.parse(body).resourceSpans[0].scopeSpans[0].spans.length;

test('spans wait a second for one another, and go together', async () => {
  const sent: string[] = [];
  const { clock, add, count } = world(async (body) => {
    sent.push(body);
    return 200;
  });
  add(3);
  await clock.advance(999);
  assert.equal(sent.length, 0);
  await clock.advance(1);
  assert.deepEqual(sent.map(spansIn), [3]);
  assert.deepEqual(JSON.parse(sent[0] ?? '').resourceSpans[0].resource.attributes, [
    { key: 'service.name', value: { stringValue: 'waypoint.shop' } },
  ]);
  assert.equal(count('sent'), 3);
  assert.equal(clock.pending, 0);
});

test('a collector that is slow gets one batch at a time; what it can not take is dropped and counted', async () => {
  const waiting: ((status: number) => void)[] = [];
  const { add, count } = world(() => new Promise((resolve) => waiting.push(resolve)));
  add(3_000);
  assert.equal(waiting.length, 1);
  assert.equal(count('dropped'), 3_000 - 512 - 2_048);
  waiting[0]?.(200);
  await settle();
  assert.equal(waiting.length, 2);
  assert.equal(count('sent'), 512);
});

test('a batch that is not answered in time is lost, and the next one tried', async () => {
  let calls = 0;
  const { clock, add, count, logs } = world((_body, signal) => {
    calls += 1;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('it took too long'))));
  });
  add(512);
  add(1);
  await clock.advance(4_999);
  assert.equal(count('failed'), 0);
  await clock.advance(1);
  assert.equal(count('failed'), 512);
  await clock.advance(1_000);
  assert.equal(calls, 2);
  assert.equal(logs.length, 1);
});

test('a refusal is told once, until it works again', async () => {
  let status = 503;
  const { clock, add, count, logs } = world(async () => status);
  for (let i = 0; i < 3; i++) {
    add(1);
    await clock.advance(1_000);
  }
  assert.equal(count('failed'), 3);
  assert.equal(logs.length, 1);
  assert.match(logs[0] ?? '', /the collector answers 503/);
  status = 202;
  add(1);
  await clock.advance(1_000);
  assert.equal(count('sent'), 1);
});

test('what waits is sent at the end, for as long as there is time', async () => {
  const { exporter, add, count, clock } = world(async () => 200);
  add(600);
  await exporter.finish(1_000);
  assert.equal(count('sent'), 600);
  const stuck = world(() => new Promise(() => {}));
  stuck.add(1);
  const finished = stuck.exporter.finish(1_000);
  await stuck.clock.advance(1_000);
  await finished;
  stuck.exporter[Symbol.dispose]();
  stuck.exporter.add(SPAN);
  assert.equal(stuck.count('dropped'), 1);
  assert.equal(clock.pending, 0);
});

test('a span has the attributes that people search by, and only what is there', () => {
  const tags = {
    istio: true,
    custom: [
      { name: 'literal', kind: 'LITERAL', value: 'x', defaultValue: '' },
      { name: 'agent', kind: 'HEADER', value: 'User-Agent', defaultValue: '' },
      { name: 'absent', kind: 'HEADER', value: 'x-absent', defaultValue: 'none' },
      { name: 'pod', kind: 'ENVIRONMENT', value: 'POD_NAME', defaultValue: '' },
    ],
  } as const;
  const trace = { ...TRACE, parentId: 'c'.repeat(16), tracestate: 'v=1' };
  const span = spanOf(entry({ status: 503, flags: 'UF' }), trace, tags, (name) => ({ POD_NAME: 'waypoint-1' })[name]);
  const { attributes, startTimeUnixNano, endTimeUnixNano, ...head } = span;
  assert.deepEqual(head, {
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    parentSpanId: 'c'.repeat(16),
    traceState: 'v=1',
    name: 'cart.shop.svc.cluster.local:80/*',
    kind: 2,
    status: { code: 2 },
  });
  assert.equal(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano), 12_400_000n);
  const text = attributes.map(
    ({ key, value }) => `${key}=${'stringValue' in value ? value.stringValue : value.intValue}`,
  );
  assert.deepEqual(text, [
    'http.url=http://cart/items?all',
    'http.method=GET',
    'http.status_code=503',
    'http.protocol=HTTP/1.1',
    'user_agent=curl/8',
    'guid:x-request-id=id-1',
    'request_size=3',
    'response_size=1024',
    'response_flags=UF',
    'component=proxy',
    'peer.address=10.1.0.7',
    'upstream_cluster=inbound-vip|80|http|cart.shop.svc.cluster.local',
    'istio.source_workload=client-v1',
    'istio.source_namespace=web',
    'istio.source_cluster_id=Kubernetes',
    'istio.source_canonical_service=client',
    'istio.source_canonical_revision=v1',
    'istio.source_app=client',
    'istio.source_app_version=v1',
    'istio.source_workload_type=deployment',
    'istio.destination_workload=cart-v2',
    'istio.destination_namespace=shop',
    'istio.destination_cluster_id=Kubernetes',
    'istio.destination_canonical_service=cart',
    'istio.destination_canonical_revision=v2',
    'istio.destination_app=cart',
    'istio.destination_app_version=v2',
    'istio.destination_workload_type=deployment',
    'istio.destination_instance_name=cart-1',
    'literal=x',
    'agent=curl/8',
    'absent=none',
    'pod=waypoint-1',
  ]);
});
