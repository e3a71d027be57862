import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ApiObject } from '../object.ts';
import { Store, type StoreEvent } from './store.ts';

const object = (name: string, value = 0): ApiObject =>
  ({
    apiVersion: 'v1',
    kind: 'Thing',
    metadata: { name, namespace: 'n', uid: `uid-${name}` },
    value,
  }) as unknown as ApiObject;
const memory = (historyMs?: number) =>
  new Store({ path: ':memory:', now: () => new Date(0), ...(historyMs === undefined ? {} : { historyMs }) });

test('what a listener writes is told after the change it listened to', () => {
  using store = memory();
  const told: string[] = [];
  store.subscribe((event) => {
    if (event.object.metadata.name === 'a' && event.type === 'ADDED') store.put('/things', object('b'));
  });
  store.subscribe((event) => told.push(`${event.type} ${event.object.metadata.name}`));
  store.put('/things', object('a'));
  assert.deepEqual(told, ['ADDED a', 'ADDED b']);
});

test('a list of the past takes back every event since', () => {
  using store = memory();
  store.put('/things', object('a', 1));
  store.put('/things', object('b', 1));
  const then = store.revision;
  store.put('/things', object('a', 2));
  store.remove('/things', 'n', 'b');
  store.put('/things', object('c', 1));
  const past = store.listAt('/things', 'n', then).map((o) => `${o.metadata.name}${String(o['value'])}`);
  assert.deepEqual(past, ['a1', 'b1']);
  assert.deepEqual(
    store.list('/things').map((o) => o.metadata.name),
    ['a', 'c'],
  );
});

test('forgotten history is refused, not skipped', () => {
  using store = memory(-1);
  store.put('/things', object('a'));
  store.compact();
  assert.throws(() => store.eventsSince('/things', 1), { code: 410 });
  assert.deepEqual(store.eventsSince('/things', store.revision), []);
});

test('stored objects are frozen, and a deletion has a version of its own', () => {
  using store = memory();
  const events: StoreEvent[] = [];
  store.subscribe((event) => events.push(event));
  const made = store.put('/things', object('a'));
  assert.throws(() => {
    made.metadata.name = 'other';
  }, TypeError);
  store.remove('/things', 'n', 'a');
  assert.equal(store.remove('/things', 'n', 'a'), undefined);
  assert.deepEqual(
    events.map((e) => [e.type, Number(e.object.metadata.resourceVersion) - Number(made.metadata.resourceVersion)]),
    [
      ['ADDED', 0],
      ['DELETED', 1],
    ],
  );
});

test('a killed writer loses nothing that it was told is stored', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ambit-store-'));
  try {
    const path = join(dir, 'db.sqlite');
    const program = `
      const { Store } = await import(${JSON.stringify(join(import.meta.dirname, 'store.ts'))});
      const store = new Store({ path: ${JSON.stringify(path)}, now: () => new Date() });
      for (let i = 0; ; i++) {
        store.put('/things', { metadata: { name: 'n' + i, namespace: 'n', uid: 'u' + i } });
        if (i % 50 === 0) { console.log(i); await new Promise((go) => setImmediate(go)); }
      }`;
    const child = spawn(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      program,
    ]);
    let acknowledged = -1;
    for await (const chunk of child.stdout) {
      acknowledged = Number(String(chunk).trim().split('\n').at(-1));
      if (acknowledged >= 500) break;
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    using store = new Store({ path, now: () => new Date() });
    const stored = store.list('/things');
    assert.ok(stored.length > acknowledged, `${stored.length} of ${acknowledged}`);
    const newest = Math.max(...stored.map((o) => Number(o.metadata.resourceVersion)));
    assert.equal(store.revision, newest);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a listener that fails costs neither the writer nor the other listeners anything', () => {
  const errors: unknown[] = [];
  using store = new Store({ path: ':memory:', now: () => new Date(0), onError: (error) => errors.push(error) });
  const told: string[] = [];
  store.subscribe(() => {
    throw new Error('broken');
  });
  store.subscribe((event) => told.push(event.type));
  store.put('/things', object('a'));
  assert.deepEqual(told, ['ADDED']);
  assert.match(String(errors[0]), /broken/);
});
