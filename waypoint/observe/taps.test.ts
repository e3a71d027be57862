import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, type TapFilter, Taps } from './taps.ts';
import { entry } from './test-entry.ts';

const ALL: TapFilter = { service: undefined, status: undefined, path: undefined, method: undefined };

class Sink {
  readonly lines: string[] = [];
  isFull = false;
  isOver = false;
  write(line: string): boolean {
    if (!this.isFull) this.lines.push(line);
    return !this.isFull;
  }
  end(): void {
    this.isOver = true;
  }
}

test('filters of a tap', async (t) => {
  const rows: Readonly<Record<string, readonly [Partial<TapFilter>, boolean]>> = {
    'none lets all through': [{}, true],
    'the key of the service': [{ service: 'shop/cart.shop.svc.cluster.local' }, true],
    'its host': [{ service: 'cart.shop.svc.cluster.local' }, true],
    'its name': [{ service: 'cart' }, true],
    'its name and namespace': [{ service: 'shop/cart' }, true],
    'its name and namespace as a host': [{ service: 'cart.shop' }, true],
    'another service': [{ service: 'car' }, false],
    'the service that was called, where a route has led to another': [{ service: 'shop/front' }, true],
    'a status': [{ status: '200' }, true],
    'a class of them': [{ status: '2XX' }, true],
    'another class': [{ status: '5xx' }, false],
    'how the path begins': [{ path: '/it' }, true],
    'another path': [{ path: '/x' }, false],
    'a method': [{ method: 'GET' }, true],
    'another method': [{ method: 'POST' }, false],
  };
  const led = entry({ called: { service: 'shop/front.shop.svc.cluster.local', port: 80 } });
  for (const [name, [filter, expected]] of Object.entries(rows)) {
    await t.test(name, () => assert.equal(matches({ ...ALL, ...filter }, led), expected));
  }
});

test('a tap shows what is known of a request', () => {
  const taps = new Taps();
  const sink = new Sink();
  taps.open(ALL, 2, sink);
  taps.saw(entry({ because: 'no policies' }));
  assert.deepEqual(JSON.parse(sink.lines[0] ?? ''), {
    at: '2026-01-02T03:04:05.678Z',
    method: 'GET',
    authority: 'cart',
    path: '/items?all',
    protocol: 'HTTP/1.1',
    status: 200,
    flags: '-',
    details: 'via_upstream',
    durationMs: 12.4,
    upstreamMs: 9.6,
    source: {
      principal: 'spiffe://cluster.local/ns/web/sa/client',
      ip: '10.1.0.7',
      workload: 'client-v1',
      namespace: 'web',
    },
    destination: {
      service: 'shop/cart.shop.svc.cluster.local',
      port: 80,
      endpoint: '10.1.0.9:8080',
      workload: 'cart-v2',
      principal: 'spiffe://cluster.local/ns/shop/sa/cart',
    },
    route: 'default',
    policy: { verdict: 'allow', because: 'no policies' },
    bytesReceived: 3,
    bytesSent: 1024,
    traceId: 'a'.repeat(32),
    requestId: 'id-1',
  });
});

test('a tap ends after as many lines as it asked for', () => {
  const taps = new Taps();
  const sink = new Sink();
  taps.open(ALL, 2, sink);
  for (let i = 0; i < 3; i++) taps.saw(entry());
  assert.equal(sink.lines.length, 2);
  assert.equal(sink.isOver, true);
  assert.equal(taps.isIdle, true);
});

test('a slow reader loses lines, and is told how many', () => {
  const taps = new Taps();
  const sink = new Sink();
  taps.open(ALL, 100, sink);
  sink.isFull = true;
  for (let i = 0; i < 5; i++) taps.saw(entry());
  sink.isFull = false;
  taps.saw(entry());
  assert.deepEqual(
    sink.lines.map((line) => JSON.parse(line)['lost'] ?? 'a request'),
    [5, 'a request'],
  );
});

test('there are only so many taps at a time, and one that left makes room', () => {
  const taps = new Taps();
  const open = Array.from({ length: 16 }, () => taps.open(ALL, 1, new Sink()));
  assert.equal(taps.open(ALL, 1, new Sink()), undefined);
  open[3]?.[Symbol.dispose]();
  assert.notEqual(taps.open(ALL, 1, new Sink()), undefined);
});
