import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import { type Call, Link, MaterialCache } from '../../core/threads/index.ts';
import { MeshError, type SpiffeId } from '../../mesh/index.ts';
import { type ThreadSettings, workerThreads } from './count.ts';
import { mergeFlows, newestFirst } from './merge.ts';
import { emptiest } from './spread.ts';

const NOTHING: ThreadSettings = {
  threads: undefined,
  concurrency: undefined,
  cpus: undefined,
  limit: undefined,
  request: undefined,
};

const COUNTS: readonly (readonly [string, Partial<ThreadSettings>, number, number])[] = [
  ['a quarter of the CPUs', {}, 64, 16],
  ['two at least', {}, 1, 2],
  ['what was asked for', { threads: '3', concurrency: 5, limit: '7' }, 64, 3],
  ['all CPUs', { threads: '0' }, 6, 6],
  ['a share, rounded up', { threads: '10%' }, 64, 7],
  ['a share of the limit', { threads: '50%', cpus: '4' }, 64, 2],
  ['one at least', { threads: '0%' }, 64, 1],
  ['the concurrency', { concurrency: 5, limit: '7' }, 64, 5],
  ['all CPUs by concurrency', { concurrency: 0 }, 6, 6],
  ['the CPU limit', { limit: '1500m' }, 64, 2],
  ['a limit below the request', { limit: '1', request: '3' }, 64, 3],
  ['the request', { request: '2500m' }, 4, 3],
  ['a limit of one', { limit: '1' }, 64, 1],
  ['a share of the CPUs by the hint', { cpus: '16' }, 64, 4],
];
for (const [what, settings, cpus, want] of COUNTS) {
  test(`on ${cpus} CPUs, ${JSON.stringify(settings)} gives ${want} threads: ${what}`, () => {
    assert.equal(workerThreads({ ...NOTHING, ...settings }, cpus), want);
  });
}

for (const settings of [{ threads: 'many' }, { threads: '-1' }, { limit: '2Gi' }, { request: '' }]) {
  test(`${JSON.stringify(settings)} is refused`, () => {
    assert.throws(() => workerThreads({ ...NOTHING, ...settings }, 4), RangeError);
  });
}

test('a pod goes where the fewest are', () => {
  const slots = [{ pods: new Set([1, 2]) }, { pods: new Set([3]) }, { pods: new Set([4]) }];
  assert.equal(emptiest(slots), slots[1]);
});

type Sums = { add: Call<readonly [number, number], number> };

test('threads ask each other; errors keep their code; a broken link tells whoever waits', async () => {
  const { port1, port2 } = new MessageChannel();
  using _closed = { [Symbol.dispose]: () => port1.close() };
  const here = new Link<Sums, Sums>((message) => port1.postMessage(message), {
    add: () => Promise.withResolvers<number>().promise,
  });
  const there = new Link<Sums, Sums>((message) => port2.postMessage(message), {
    add: ([a, b]) => {
      if (a < 0) throw new MeshError('POD_START_FAILED', 'less than nothing');
      return a + b;
    },
  });
  port1.on('message', (message) => here.received(message));
  port2.on('message', (message) => there.received(message));
  assert.deepEqual(await Promise.all([here.ask('add', [1, 2]), here.ask('add', [3, 4])]), [3, 7]);
  await assert.rejects(here.ask('add', [-1, 0]), {
    code: 'POD_START_FAILED',
    message: '[POD_START_FAILED] less than nothing',
  });
  const waiting = there.ask('add', [1, 1]);
  there.break(new MeshError('WORKER_DIED', 'gone'));
  await assert.rejects(waiting, { code: 'WORKER_DIED' });
  await assert.rejects(there.ask('add', [1, 1]), { code: 'WORKER_DIED' });
});

const WEB = 'spiffe://cluster.local/ns/shop/sa/web' as SpiffeId;
const material = (serial: string, notAfter: Date): TlsMaterial => ({
  identity: WEB,
  key: '',
  chain: '',
  roots: '',
  notBefore: new Date(0),
  notAfter,
  serial,
});

test('a certificate is asked for once and is one object, until it is renewed, forgotten or expired', async () => {
  let [nowMs, asked] = [0, 0];
  const cache = new MaterialCache(
    async () => {
      asked += 1;
      return material(String(asked), new Date(1_000));
    },
    () => nowMs,
  );
  const [a, b] = await Promise.all([cache.fetch(WEB), cache.fetch(WEB)]);
  assert.equal(a, b);
  assert.equal(await cache.fetch(WEB), a);
  assert.equal(asked, 1);
  const renewed = material('new', new Date(2_000));
  cache.renewed(renewed);
  assert.equal(await cache.fetch(WEB), renewed);
  cache.forgotten(WEB);
  cache.renewed(renewed); // nobody here wants it any more
  assert.equal((await cache.fetch(WEB)).serial, '2');
  nowMs = 1_500;
  assert.equal((await cache.fetch(WEB)).serial, '3');
  await assert.rejects(cache.fetch(WEB, AbortSignal.abort(new Error('left'))), /left/);
});

test('flows that two threads saw are one row, the latest first; receipts sort by time', () => {
  const row = (source: string, count: number, firstSeen: string, lastSeen: string) =>
    ({ source, destination: 'd', port: 80, service: '', verdict: 'allow', count, firstSeen, lastSeen }) as const;
  const merged = mergeFlows([
    { dropped: 1, flows: [row('a', 2, '2026-01-01', '2026-01-03')] },
    { dropped: 2, flows: [row('b', 1, '2026-01-04', '2026-01-04'), row('a', 3, '2026-01-02', '2026-01-05')] },
  ]);
  assert.deepEqual(merged, {
    dropped: 3,
    flows: [row('a', 5, '2026-01-01', '2026-01-05'), row('b', 1, '2026-01-04', '2026-01-04')],
  });
  const receipt = (id: string) => ({ id }) as Parameters<typeof newestFirst>[0][number][number];
  assert.deepEqual(newestFirst([[receipt('3'), receipt('1')], [receipt('2')]], 2), [receipt('3'), receipt('2')]);
});
