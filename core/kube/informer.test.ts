import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../mesh/index.ts';
import { FakeApi } from './fake/index.ts';
import { Informer, type InformerOptions, isGone, KubeError, RESOURCES } from './index.ts';
import { clientOf } from './test-client.ts';

const pod = (name: string, labels: Record<string, string> = {}, namespace = 'default') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: { nodeName: 'node-1' },
});

/** An informer that writes down what its handlers saw, and waits for lines instead of sleeping. */
function watching(api: FakeApi, options: Partial<InformerOptions> = {}) {
  const client = clientOf(api);
  const seen: string[] = [];
  const delays: number[] = [];
  const problems: unknown[] = [];
  let wake = (): void => {};
  const informer = new Informer<KubeObject>({
    client,
    type: RESOURCES.Pod,
    random: () => 0.5,
    delay: async (ms) => void delays.push(ms),
    onProblem: (error) => {
      problems.push(error);
      wake();
    },
    ...options,
  });
  const note = (line: string): void => {
    seen.push(line);
    wake();
  };
  informer.on('set', (object, old) => note(`${old === undefined ? 'new' : 'changed'} ${object.metadata.name}`));
  informer.on('delete', (object) => note(`gone ${object.metadata.name}`));
  const until = async (check: () => boolean): Promise<void> => {
    const deadline = Date.now() + 5_000;
    while (!check()) {
      assert.ok(Date.now() < deadline, `waited too long; seen: ${seen.join(', ')}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, 20);
      });
    }
  };
  return {
    informer,
    seen,
    delays,
    problems,
    until,
    async [Symbol.asyncDispose]() {
      await informer.stop();
      await client[Symbol.asyncDispose]();
    },
  };
}

test('an informer lists page by page, is synced, then follows changes', async () => {
  await using api = await FakeApi.start();
  for (let i = 0; i < 1201; i++) {
    const { metadata, ...rest } = pod(`p${i}`);
    api.put({ ...rest, metadata: { ...metadata, managedFields: [{ manager: 'm' }] } as typeof metadata });
  }
  await using w = watching(api);
  w.informer.start();
  await w.informer.synced;
  assert.equal(w.informer.size, 1201);
  assert.equal(w.informer.get('default/p7')?.kind, 'Pod');
  assert.equal('managedFields' in (w.informer.get('default/p7')?.metadata ?? {}), false);
  assert.equal(api.requests.length >= 3, true);
  w.seen.length = 0;
  await w.until(() => api.openWatches === 1);
  api.put(pod('late'));
  api.put(pod('p7', { a: 'b' }));
  api.remove(RESOURCES.Pod, 'default/p8');
  await w.until(() => w.seen.length === 3);
  assert.deepEqual(w.seen, ['new late', 'changed p7', 'gone p8']);
  assert.equal(w.informer.get('default/p8'), undefined);
});

test('after a closed or broken watch it goes on from the last version, without listing again', async () => {
  await using api = await FakeApi.start();
  api.put(pod('a'));
  await using w = watching(api);
  w.informer.start();
  const watches = (): number => api.requests.filter((r) => r.query.has('watch')).length;
  for (const how of ['end', 'cut'] as const) {
    await w.until(() => api.openWatches === 1);
    const before = watches();
    api.closeWatches(how);
    await w.until(() => watches() > before);
    api.put(pod(`after-${how}`));
    await w.until(() => w.seen.includes(`new after-${how}`));
  }
  const lists = api.requests.filter((r) => !r.query.has('watch'));
  assert.equal(lists.length, 1);
  assert.deepEqual(w.seen, ['new a', 'new after-end', 'new after-cut']);
});

test('a version that is too old means: list again, and tell only what differs', async () => {
  await using api = await FakeApi.start();
  api.put(pod('stays'));
  api.put(pod('changes'));
  api.put(pod('goes'));
  await using w = watching(api);
  let holdWatches = false;
  api.intercept = (request) => (holdWatches && request.query.has('watch') ? { status: 503, body: {} } : undefined);
  w.informer.start();
  await w.until(() => api.openWatches === 1);
  holdWatches = true;
  api.closeWatches();
  await w.until(() => w.problems.length > 0);
  api.put(pod('changes', { now: 'different' }));
  api.put(pod('comes'));
  api.remove(RESOURCES.Pod, 'default/goes');
  api.store.compact();
  w.seen.length = 0;
  holdWatches = false;
  await w.until(() => w.seen.length === 3);
  assert.deepEqual(w.seen.toSorted(), ['changed changes', 'gone goes', 'new comes']);
});

test('a bookmark moves the version on, so that a quiet type survives a compaction', async () => {
  await using api = await FakeApi.start();
  api.put(pod('a'));
  await using w = watching(api);
  w.informer.start();
  await w.until(() => api.openWatches === 1);
  api.store.compact();
  api.bookmark();
  api.closeWatches();
  await w.until(() => api.requests.filter((r) => r.query.has('watch')).length >= 2 && api.openWatches === 1);
  assert.equal(api.requests.filter((r) => !r.query.has('watch')).length, 1);
});

test('failures wait twice as long each time, with jitter, up to half a minute, and success resets the wait', async () => {
  await using api = await FakeApi.start();
  let refuse = true;
  api.intercept = () => (refuse ? { status: 500, body: {} } : undefined);
  await using w = watching(api);
  w.informer.start();
  await w.until(() => w.delays.length >= 10);
  assert.deepEqual(w.delays.slice(0, 9), [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
  assert.ok(w.problems[0] instanceof KubeError && w.problems[0].code === 500);
  refuse = false;
  await w.informer.synced;
});

test('selectors reach the server, for lists and watches alike', async () => {
  await using api = await FakeApi.start();
  api.put(pod('in', { app: 'x' }));
  api.put(pod('out', { app: 'y' }));
  await using w = watching(api, {
    labelSelector: 'app=x',
    fieldSelector: 'spec.nodeName=node-1',
    namespace: 'default',
  });
  w.informer.start();
  await w.until(() => api.openWatches === 1);
  api.put(pod('in-too', { app: 'x' }));
  api.put(pod('out-too', { app: 'y' }));
  api.put({ ...pod('elsewhere', { app: 'x' }), spec: { nodeName: 'node-2' } });
  await w.until(() => w.seen.includes('new in-too'));
  assert.deepEqual(w.seen, ['new in', 'new in-too']);
});

test('a handler that throws is reported, and neither stops the others nor the informer', async () => {
  await using api = await FakeApi.start();
  api.put(pod('a'));
  await using w = watching(api);
  w.informer.on('set', () => {
    throw new Error('our bug');
  });
  w.informer.start();
  await w.until(() => api.openWatches === 1);
  api.put(pod('b'));
  await w.until(() => w.seen.includes('new b') && w.problems.length === 2);
});

test('stopping ends the watch and whoever still waited for the first list', async () => {
  await using api = await FakeApi.start();
  const w = watching(api);
  w.informer.start();
  await w.until(() => api.openWatches === 1);
  await w[Symbol.asyncDispose]();
  await w.until(() => api.openWatches === 0);
  const never = watching(api);
  const waits = assert.rejects(never.informer.synced, /stopped before its first list/);
  await never[Symbol.asyncDispose]();
  await waits;
});

test('HTTP 410 and an Expired status both mean gone', () => {
  assert.ok(isGone(new KubeError(410, 'Gone', '')) && isGone(new KubeError(0, 'Expired', '')));
  assert.ok(!isGone(new KubeError(404, 'NotFound', '')) && !isGone(new Error('410')));
});

test('a kind that is not installed has no objects, and is picked up once it is; when it is taken away its objects go', async () => {
  await using api = await FakeApi.start();
  api.put(pod('a'));
  let installed = false;
  api.intercept = () =>
    installed
      ? undefined
      : { status: 404, body: { kind: 'Status', code: 404, reason: 'NotFound', message: 'no such kind' } };
  const asked = Promise.withResolvers<void>();
  const waits: (() => void)[] = [];
  const delay = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      assert.ok(ms >= 100, 'it is not asked for in a hot loop');
      waits.push(resolve);
      signal.addEventListener('abort', () => resolve());
      asked.resolve();
    });
  await using watched = watching(api, { optional: true, delay });
  await watched.informer.start().synced;
  assert.equal(watched.informer.size, 0);
  await asked.promise;
  installed = true;
  waits.shift()?.();
  await watched.until(() => watched.seen.includes('new a'));
  installed = false;
  api.closeWatches('end');
  const turn = setInterval(() => waits.shift()?.(), 1);
  await watched.until(() => watched.seen.includes('gone a'));
  clearInterval(turn);
  assert.deepEqual(watched.problems, []);
});
