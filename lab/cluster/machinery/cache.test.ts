import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '../../../core/kube/index.ts';
import type { KubeObject } from '../../../mesh/index.ts';
import { TYPES } from '../types.ts';
import { Cache, type CacheClient } from './cache.ts';

const pod = (name: string, version: number, uid = `uid-${name}`): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'n', uid, resourceVersion: String(version) },
});

/** A server whose watch events come when the test says so. */
class SlowServer {
  readonly cache: Cache<KubeObject>;
  readonly changes: string[] = [];
  readonly #events: { type: string; object: KubeObject }[] = [];
  #wake: () => void = () => {};

  constructor(listed: readonly KubeObject[], answers: Partial<CacheClient>) {
    const self = this;
    const client = {
      list: async () => ({ metadata: { resourceVersion: '1' }, items: listed }),
      async *watch(_type: unknown, { signal }: { signal: AbortSignal }) {
        while (!signal.aborted) {
          yield* self.#events.splice(0);
          if (self.#events.length > 0 || signal.aborted) continue; // it came meanwhile
          await new Promise<void>((resolve) => {
            self.#wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      },
      ...answers,
    } as unknown as CacheClient;
    this.cache = new Cache<KubeObject>(client, TYPES.Pod, () => {});
    this.cache.onChange((object, _old, kind) => {
      this.changes.push(`${kind} ${object.metadata.name} ${object.metadata.resourceVersion}`);
      this.#changed();
    });
  }

  #changed: () => void = () => {};

  async start(): Promise<void> {
    this.cache.start();
    await this.cache.synced;
  }

  /** Sends events; resolves when the cache has told of as many changes as given. */
  async send(changes: number, ...events: { type: string; object: KubeObject }[]): Promise<void> {
    this.#events.push(...events);
    this.#wake();
    while (this.changes.length < changes) await new Promise<void>((resolve) => (this.#changed = resolve));
  }
}

test('a write is known before the watch shows it, and is told of once', async () => {
  const server = new SlowServer([], {
    create: async <T extends KubeObject>(object: T) => ({ ...object, ...pod('a', 5) }),
  });
  await using cache = server.cache;
  await server.start();
  await cache.create(pod('a', 0));
  assert.equal(cache.get('n/a')?.metadata.resourceVersion, '5');
  await server.send(2, { type: 'ADDED', object: pod('a', 5) }, { type: 'ADDED', object: pod('b', 6) });
  assert.deepEqual(server.changes, ['set a 5', 'set b 6']);
});

test('an older event does not undo a newer write', async () => {
  const server = new SlowServer([pod('a', 1)], { patch: async <T extends KubeObject>() => pod('a', 9) as T });
  await using cache = server.cache;
  await server.start();
  await cache.patch(pod('a', 1), {});
  await server.send(3, { type: 'MODIFIED', object: pod('a', 7) }, { type: 'ADDED', object: pod('b', 10) });
  assert.equal(cache.get('n/a')?.metadata.resourceVersion, '9');
});

test('a late answer does not bring back what is gone', async () => {
  const { promise: answer, resolve } = Promise.withResolvers<KubeObject>();
  const server = new SlowServer([], { create: async <T extends KubeObject>() => (await answer) as T });
  await using cache = server.cache;
  await server.start();
  const creation = cache.create(pod('a', 0));
  await server.send(2, { type: 'ADDED', object: pod('a', 5) }, { type: 'DELETED', object: pod('a', 6) });
  resolve(pod('a', 5));
  await creation;
  assert.equal(cache.get('n/a'), undefined);
});

test('what was asked to go counts as going until the watch tells more', async () => {
  const server = new SlowServer([pod('a', 1)], { delete: async () => 'deleted' as const });
  await using cache = server.cache;
  await server.start();
  await cache.delete(pod('a', 1));
  assert.notEqual(cache.get('n/a')?.metadata.deletionTimestamp, undefined);
  await server.send(2, { type: 'DELETED', object: pod('a', 2) });
  assert.equal(cache.get('n/a'), undefined);
});

test('an object of the same name and another uid takes the place of the old one', async () => {
  const server = new SlowServer([pod('a', 1, 'old')], {});
  await using cache = server.cache;
  await server.start();
  await server.send(2, { type: 'ADDED', object: pod('a', 3, 'new') });
  assert.equal(cache.get('n/a')?.metadata.uid, 'new');
});

test('reading what is gone forgets it', async () => {
  const get = async () => {
    throw new KubeError(404, 'NotFound', 'gone');
  };
  const server = new SlowServer([pod('a', 1)], { get });
  await using cache = server.cache;
  await server.start();
  assert.equal(await cache.refresh(pod('a', 1)), undefined);
  assert.equal(cache.get('n/a'), undefined);
});
