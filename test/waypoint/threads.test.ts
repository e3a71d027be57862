import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createLogger, Registry } from '../../core/telemetry/index.ts';
import { parseConfig } from '../../waypoint/config.ts';
import { WorkerDataPlane } from '../../waypoint/threads/workers.ts';
import { eventually } from '../support/netns.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';

/** A world whose callers are served by a waypoint of two threads. */
async function threaded(t: TestContext, yaml = '') {
  const world = await WaypointWorld.start(t, { yaml: SHOP + yaml });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end(`pod ${n}`));
  const material = await world.material();
  const registry = new Registry();
  const lines: string[] = [];
  const plane = await WorkerDataPlane.start({
    threads: 2,
    config: parseConfig({
      env: {
        POD_NAME: 'waypoint-1',
        POD_NAMESPACE: 'shop',
        SERVICE_ACCOUNT: 'waypoint',
        INSTANCE_IP: '127.0.0.1',
        AMBIT_WAYPOINT_PORT: '0',
      },
      readFile: () => undefined,
    }),
    log: createLogger({ format: 'plain', level: 'info', root: 'waypoint', write: (line) => void lines.push(line) }),
    registry,
    write: (text) => void lines.push(text),
    giveUp: assert.fail,
    material: async () => material,
    demand: async () => {},
    release: () => {},
  });
  t.after(() => plane[Symbol.asyncDispose]());
  for (const [typeUrl, update] of world.everything()) assert.deepEqual(await plane.onUpdate(typeUrl, update), []);
  await plane.open();
  world.serveBy(plane.port);
  return { world, plane, registry, lines };
}

test('threads share the port, and their numbers are one', async (t) => {
  const { world, plane, registry } = await threaded(t);
  for (let i = 0; i < 12; i++) {
    const port = await world.through(`web/client-${i}`, `${CART}:80`, 200 + i);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.match(await response.text(), /^pod [12]$/);
  }
  await plane.collect();
  const requests = [...registry.render().body.matchAll(/^istio_requests_total\{.*\} (\d+)/gm)];
  assert.equal(
    requests.reduce((sum, [, count]) => sum + Number(count), 0),
    12,
  );
});

test('a tap sees the requests of all threads, and ends when it has seen enough', async (t) => {
  const { world, plane } = await threaded(t);
  const seen: string[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const everything = { service: undefined, status: undefined, path: undefined, method: undefined };
  plane.tap(everything, 6, { write: (line) => seen.push(line) > 0, end: resolve });
  const ports = await Promise.all(
    Array.from({ length: 6 }, (_, i) => world.through(`web/client-${i}`, `${CART}:80`, 200 + i)),
  );
  for (const [i, port] of ports.entries()) await (await fetch(`http://127.0.0.1:${port}/${i}`)).text();
  await ended;
  assert.deepEqual(seen.map((line) => JSON.parse(line).path).sort(), ['/0', '/1', '/2', '/3', '/4', '/5']);
});

test('a denial of any thread is found by its receipt', async (t) => {
  const { world, plane } = await threaded(t);
  await world.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: shop }
spec:
  targetRefs: [{ kind: Service, group: "", name: cart }]
  action: DENY
  rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }]`);
  for (const [typeUrl, update] of world.everything()) await plane.onUpdate(typeUrl, update);
  for (let i = 0; i < 4; i++) {
    const port = await world.through(`web/client-${i}`, `${CART}:80`, 200 + i);
    assert.equal((await fetch(`http://127.0.0.1:${port}/admin`)).status, 403);
  }
  const receipts = await plane.receipts(10);
  assert.equal(receipts.length, 4);
  for (const { id } of receipts) assert.equal((await plane.receipt(id))?.id, id);
  const { requests } = await plane.requests();
  assert.deepEqual(
    new Set(requests.map(({ source, paths, verdict }) => `${source.slice(-8)} ${paths} ${verdict}`)),
    new Set([0, 1, 2, 3].map((i) => `client-${i} /admin deny`)),
  );
});

test('a thread that dies is replaced, with all that was told before', async (t) => {
  const workers: Worker[] = [];
  const onWorker = (worker: Worker) => void workers.push(worker);
  process.on('worker', onWorker);
  t.after(() => process.off('worker', onWorker));
  const { world, plane, lines } = await threaded(t);
  const before = await world.through('web/early', `${CART}:80`);
  assert.match(await (await fetch(`http://127.0.0.1:${before}/`)).text(), /^pod [12]$/);
  workers[0]?.postMessage(null); // no message: an uncaught TypeError there
  await eventually('the death is told', () => lines.some((line) => line.includes('a worker thread died')));
  await plane.onUpdate('nothing', { upserted: [], removed: [] }); // takes its turn after the snapshot
  for (let i = 0; i < 12; i++) {
    const port = await world.through(`web/late-${i}`, `${CART}:80`, 200 + i);
    assert.match(await (await fetch(`http://127.0.0.1:${port}/`)).text(), /^pod [12]$/);
  }
});

test('a session stays with its endpoint in whatever thread its requests come in', async (t) => {
  const { world } = await threaded(
    t,
    `
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop, generation: 1 }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart }]
  rules: [{ backendRefs: [{ name: cart, port: 80 }], sessionPersistence: { type: Header, sessionName: x-shop } }]`,
  );
  const ask = async (client: number, session = '') => {
    const port = await world.through(`web/client-${client}`, `${CART}:80`, 200 + client);
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-shop': session } });
    return { pod: await response.text(), session: response.headers.get('x-shop') ?? undefined };
  };
  const { pod, session } = await ask(0);
  for (let client = 1; client < 12; client++) assert.deepEqual(await ask(client, session), { pod, session: undefined });
});
