import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/netns.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const policyYaml = (name: string, spec: string) => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}`;
const forCart = 'targetRefs: [{ kind: Service, name: cart }]';

async function shop(t: Parameters<typeof WaypointWorld.start>[0], yaml: string): Promise<WaypointWorld> {
  const world = await WaypointWorld.start(t, { yaml: SHOP + yaml });
  for (const n of [1, 2]) await world.http(n, 8080, (req, res) => res.end(req.url));
  return world;
}

const ask = async (port: number, path: string, init: RequestInit = {}) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, init);
  return `${response.status} ${await response.text()}`;
};

test('a policy of a service holds for its callers, and a change of it for the next request of a connection', async (t) => {
  const allowGets = `{ ${forCart}, rules: [{ from: [{ source: { namespaces: [web] } }], to: [{ operation: { methods: [GET], paths: ["/items*"] } }] }] }`;
  const world = await shop(t, policyYaml('cart', allowGets));
  const [web, other] = [
    await world.through('web/client', `${CART}:80`),
    await world.through('elsewhere/client', `${CART}:80`, 201),
  ];
  assert.equal(await ask(web, '/items/1?x=2'), '200 /items/1?x=2');
  assert.equal(await ask(web, '/items/../secret'), '403 RBAC: access denied');
  assert.equal(await ask(web, '/items', { method: 'POST' }), '403 RBAC: access denied');
  assert.equal(await ask(other, '/items'), '403 RBAC: access denied');
  assert.equal(world.conditions.get('AuthorizationPolicy shop/cart WaypointAccepted')?.reason, 'Accepted');
  const asked = world.plane.requests().requests;
  const rows = asked.map(
    ({ source, method, paths, verdict }) => `${source.split('/')[4]} ${method} ${paths} ${verdict}`,
  );
  assert.deepEqual(rows.sort(), [
    'elsewhere GET /items deny',
    'web GET /items/{*} allow',
    'web GET /secret deny',
    'web POST /items deny',
  ]);
  await world.apply(
    policyYaml('cart', `{ ${forCart}, action: DENY, rules: [{ to: [{ operation: { methods: [POST] } }] }] }`),
  );
  assert.equal(await ask(web, '/secret'), '200 /secret');
  assert.equal(await ask(other, '/items', { method: 'POST' }), '403 RBAC: access denied');
});

test('a policy of the class holds at every waypoint, next to those of its services', async (t) => {
  const world = await shop(
    t,
    `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: all, namespace: istio-system }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint }]
  action: DENY
  rules: [{ to: [{ operation: { paths: [/internal] } }] }]`,
  );
  const port = await world.through('web/client', `${CART}:80`);
  assert.equal(await ask(port, '/internal'), '403 RBAC: access denied');
  assert.equal(await ask(port, '/'), '200 /');
});

test('without HTTP, what can not be seen denies; a connection is cut when its policy changes', async (t) => {
  const world = await shop(t, '');
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => void socket.pipe(socket));
  const port = await world.through('web/client', `${CART}:90`);
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  socket.write('hello');
  const [data] = await once(socket, 'data');
  assert.equal(String(data), 'hello');
  const denyPosts = `{ ${forCart}, action: DENY, rules: [{ to: [{ operation: { methods: [POST], ports: ["90"] } }] }] }`;
  await world.apply(policyYaml('cart', denyPosts));
  await eventually('the connection is cut', () => socket.destroyed);
  const next = connect({ port, host: '127.0.0.1' });
  next.on('error', () => {});
  await eventually('the next is refused', () => next.destroyed);
  assert.equal(await ask(await world.through('web/client', `${CART}:80`), '/', { method: 'POST' }), '200 /');
});
