import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeApi } from '../../core/kube/fake/index.ts';
import { KubeError, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { until } from '../test-mesh.ts';
import { Leader } from './leader.ts';

/** Replicas in front of one set of leases, on a clock that is moved by hand. */
async function replicas() {
  const api = await FakeApi.start();
  let time = 1_000_000;
  let unreachable: string | undefined;
  const waiting = new Set<() => void>();
  const events: string[] = [];
  let attempts = 0;
  const key = 'istio-system/lease';
  const clock = {
    now: () => time,
    delay: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const at = time + ms;
        attempts += 1;
        const check = (): void => {
          if (time < at) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
  };
  const start = (identity: string) => {
    const guard = async <T>(work: () => T): Promise<T> => {
      if (unreachable === identity) throw new KubeError(0, 'Unreachable', 'no API server');
      return work();
    };
    const conflict = (): never => {
      throw new KubeError(409, 'Conflict', 'changed');
    };
    const client = {
      find: <T extends KubeObject>() => guard(() => api.get(RESOURCES.Lease, key) as T | undefined),
      create: <T extends KubeObject>(o: T) =>
        guard(() => (api.get(RESOURCES.Lease, key) === undefined ? (api.put(o) as T) : conflict())),
      replace: <T extends KubeObject>(o: T) =>
        guard(() => {
          const held = api.get(RESOURCES.Lease, key)?.metadata.resourceVersion;
          return held === o.metadata.resourceVersion ? (api.put(o) as T) : conflict();
        }),
    };
    return new Leader({
      client,
      namespace: 'istio-system',
      lease: 'lease',
      identity,
      clock,
      onChange: (leads) => events.push(`${identity} ${leads ? 'leads' : 'follows'}`),
      onProblem: () => {},
    }).start();
  };
  return {
    start,
    events,
    cutOff: (identity: string | undefined) => {
      unreachable = identity;
    },
    /** Moves the clock in steps of one attempt, letting every replica finish it. */
    async advance(ms: number) {
      for (const end = time + ms; time < end; ) {
        const before = attempts;
        const running = waiting.size;
        time += 7_500;
        for (const check of [...waiting]) check();
        await until(() => attempts === before + running, 'attempts');
      }
    },
    async settled(running: number) {
      await until(() => waiting.size === running, 'first attempts');
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

test('one replica leads; cut off from the API server it steps down before another one takes over', async () => {
  await using r = await replicas();
  await using a = r.start('a');
  await r.settled(1);
  await using b = r.start('b');
  await r.settled(2);
  assert.deepEqual([a.leads, b.leads], [true, false]);
  await r.advance(60_000);
  assert.deepEqual(r.events, ['a leads']);
  r.cutOff('a');
  await r.advance(22_500);
  assert.deepEqual(r.events, ['a leads', 'a follows']);
  await r.advance(15_000);
  assert.deepEqual(r.events, ['a leads', 'a follows', 'b leads']);
  r.cutOff(undefined);
  await r.advance(60_000);
  assert.deepEqual([a.leads, b.leads], [false, true]);
});

test('a replica that stops gives the lease back, and the next one leads at its next try', async () => {
  await using r = await replicas();
  const a = r.start('a');
  await r.settled(1);
  await a[Symbol.asyncDispose]();
  await using b = r.start('b');
  await until(() => b.leads, 'b leads');
  assert.deepEqual(r.events, ['a leads', 'a follows', 'b leads']);
});

test('a restarted replica is itself again at once', async () => {
  await using r = await replicas();
  await using before = r.start('a');
  await r.settled(1);
  await using after = r.start('a');
  await r.settled(2);
  assert.deepEqual([before.leads, after.leads], [true, true]);
});
