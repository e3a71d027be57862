/** What a waypoint has seen, as `ambit authz` reads it from its admin port. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { ambit, memoryCluster } from '../../cli/test-support.ts';
import { createLogger, serveHttp } from '../../core/telemetry/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { adminRoutes } from '../../waypoint/admin.ts';
import { parseConfig } from '../../waypoint/config.ts';
import { localDataPlane } from '../../waypoint/data-plane.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const PODS = `
apiVersion: v1
kind: Pod
metadata: { name: waypoint-1, namespace: shop, labels: { gateway.networking.k8s.io/gateway-name: waypoint } }
status: { phase: Running }
---
apiVersion: v1
kind: Pod
metadata: { name: ztunnel-1, namespace: istio-system, labels: { app: ztunnel } }
spec: { nodeName: node-1 }
status: { phase: Running }
`;

const objectsOf = (yaml: string) => parseAllDocuments(yaml).map((document) => document.toJS() as KubeObject);

/** The cluster of a waypoint that serves its admin port, and a node that has seen nothing. */
async function clusterOf(t: TestContext, world: WaypointWorld) {
  const env = { POD_NAME: 'waypoint-1', POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'waypoint', INSTANCE_IP: '127.0.0.1' };
  const routes = adminRoutes({
    config: parseConfig({ env, readFile: () => undefined }),
    told: world.plane.told,
    plane: localDataPlane(world.plane),
    certificates: { dump: () => [] },
    log: createLogger({ format: 'plain', level: 'info', root: 'waypoint', write: () => {} }),
    quit: () => {},
  });
  const admin = await serveHttp({ port: 0, host: 'localhost', routes });
  t.after(() => admin[Symbol.asyncDispose]());
  return {
    ...memoryCluster(objectsOf(`${SHOP}---${PODS}`)),
    podHttp: async ({ name }: { readonly name: string }, _port: number, path: string) =>
      name === 'ztunnel-1' ? '{"flows":[]}' : (await fetch(`http://localhost:${admin.port}${path}`)).text(),
  };
}

const ask = async (port: number, path: string, method = 'GET') => {
  const { status } = await fetch(`http://127.0.0.1:${port}${path}`, { method });
  return status;
};

test('what is suggested from the requests that a waypoint saw lets in just these', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http(n, 8080, (req, res) => res.end(req.url));
  const [web, batch] = [
    await world.through('web/client', `${CART}:80`),
    await world.through('jobs/batch', `${CART}:80`, 201),
  ];
  await ask(web, '/items/17');
  await ask(web, '/items/1234?verbose=1');
  await ask(web, '/items', 'POST');
  await ask(batch, '/stock/2026/7');
  const cluster = await clusterOf(t, world);
  const { code, out, said } = await ambit(['authz', 'suggest', 'shop'], cluster);
  assert.deepEqual([code, said], [0, '']);
  assert.match(
    out,
    /# spiffe:\S+\/ns\/web\/sa\/client -> GET \/items\/\{\*\} of shop\/cart\.shop\.svc\S+:80 at waypoint shop\/waypoint, 2 times/,
  );
  await world.apply(out);
  assert.equal(world.conditions.get('AuthorizationPolicy shop/cart-requests WaypointAccepted')?.reason, 'Accepted');
  const asked: readonly [port: number, path: string, method: string, status: number][] = [
    [web, '/items/17', 'GET', 200],
    [web, '/items/99', 'GET', 200],
    [web, '/items', 'POST', 200],
    [batch, '/stock/2025/8', 'GET', 200],
    [web, '/items/17', 'POST', 403],
    [web, '/items', 'GET', 403],
    [web, '/items/17/parts', 'GET', 403],
    [web, '/stock/2026/7', 'GET', 403],
    [batch, '/items/17', 'GET', 403],
  ];
  for (const [port, path, method, status] of asked)
    assert.equal(await ask(port, path, method), status, `${method} ${path}`);
});

test('a policy is held against the requests that a waypoint saw before it is applied', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http(n, 8080, (req, res) => res.end(req.url));
  const web = await world.through('web/client', `${CART}:80`);
  for (const path of ['/items/17', '/admin/users']) await ask(web, path);
  const cluster = await clusterOf(t, world);
  const folder = mkdtempSync(join(tmpdir(), 'ambit-evidence-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const policy = join(folder, 'policy.yaml');
  const text = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: shop }
spec: { targetRefs: [{ kind: Service, name: cart }], action: DENY, rules: [{ to: [{ operation: { paths: ["/admin/*"] } }] }] }`;
  writeFileSync(policy, text);
  const { code, out } = await ambit(['authz', 'diff', '-f', policy, '-o', 'json'], cluster);
  const { requests } = JSON.parse(out);
  const told = requests.changes.map((one: { effect: string; request: { paths: string } }) => [
    one.effect,
    one.request.paths,
  ]);
  assert.deepEqual([code, told, requests.unchanged], [1, [['cut', '/admin/users']], 1]);
  await world.apply(text);
  assert.deepEqual([await ask(web, '/admin/users'), await ask(web, '/items/17')], [403, 200]);
});
