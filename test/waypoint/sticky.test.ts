import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const PODS = [1, 2, 3, 4];

/** Four pods of cart that say who they are. */
async function shop(t: Parameters<typeof WaypointWorld.start>[0], yaml: string) {
  const more = [3, 4].map((n) => podYaml('shop', `cart-${n}`, n, 'cart')).join('\n---\n');
  const world = await WaypointWorld.start(t, { yaml: `${SHOP}\n---\n${more}\n---\n${yaml}` });
  const broken = new Set<number>();
  for (const n of PODS) {
    await world.http(n, 8080, (_, res) => {
      if (broken.has(n)) res.statusCode = 500;
      res.end(broken.has(n) ? 'broken' : String(n));
    });
    await world.tcp(n, 9090, (socket) => socket.end(String(n)));
  }
  return { world, broken };
}

const hashed = (by: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec:
  host: cart
  trafficPolicy: { loadBalancer: { consistentHash: { ${by} } } }
`;

async function ask(port: number, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
  return { pod: await response.text(), cookie: response.headers.get('set-cookie') };
}

test('requests with the same header go to the same endpoint, whoever sends them', async (t) => {
  const { world } = await shop(t, hashed('httpHeaderName: x-user'));
  const ports = [await world.through('web/client', `${CART}:80`), await world.through('web/other', `${CART}:80`, 201)];
  const seen = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const pods = new Set<string>();
    for (const port of ports) for (let i = 0; i < 2; i++) pods.add((await ask(port, { 'x-user': `${user}` })).pod);
    assert.equal(pods.size, 1, `user ${user}: ${[...pods]}`);
    for (const pod of pods) seen.add(pod);
  }
  assert.ok(seen.size >= 3, `${[...seen]}`);
});

test('who comes without the cookie gets one, and stays with it; the answer of another gets none', async (t) => {
  const { world } = await shop(t, hashed('httpCookie: { name: user, ttl: 60s, path: / }'));
  const port = await world.through('web/client', `${CART}:80`);
  const first = await ask(port);
  assert.match(first.cookie ?? '', /^user=[-0-9a-f]+; Max-Age=60; Path=\/; HttpOnly$/);
  const cookie = first.cookie?.split(';')[0] ?? '';
  for (let i = 0; i < 10; i++) assert.deepEqual(await ask(port, { cookie }), { pod: first.pod, cookie: null });
});

test('connections from the same address go to the same endpoint: the one that the tunnel says', async (t) => {
  const { world } = await shop(t, hashed('useSourceIp: true, maglev: {}'));
  const seen = new Set<string>();
  for (let n = 200; n < 212; n++) {
    const port = await world.through('web/client', `${CART}:90`, n);
    const pods = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      pods.add(await text(socket));
    }
    assert.equal(pods.size, 1, `client ${n}: ${[...pods]}`);
    const http = await world.through('web/client', `${CART}:80`, n);
    pods.add((await ask(http, { 'x-forwarded-for': '1.2.3.4' })).pod);
    assert.equal(pods.size, 1, `client ${n} by HTTP: ${[...pods]}`);
    for (const pod of pods) seen.add(pod);
  }
  assert.ok(seen.size >= 3, `${[...seen]}`);
});

const routed = (session: string, backends = '{ name: cart, port: 80 }') => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: cart, namespace: shop, generation: 1 }
spec:
  parentRefs: [{ group: "", kind: Service, name: cart }]
  rules: [{ backendRefs: [${backends}], sessionPersistence: { ${session} } }]
`;

test('a session stays with its endpoint, and begins anew when that is gone', async (t) => {
  const { world } = await shop(t, routed('sessionName: shop'));
  const port = await world.through('web/client', `${CART}:80`);
  const first = await ask(port);
  assert.match(first.cookie ?? '', /^shop=[0-9a-f]{24}; Path=\/; HttpOnly; SameSite=Strict$/);
  const cookie = `theme=dark; ${first.cookie?.split(';')[0]}`;
  for (let i = 0; i < 12; i++) assert.deepEqual(await ask(port, { cookie }), { pod: first.pod, cookie: null });
  const others = new Set<string>();
  for (let i = 0; i < 40; i++) others.add((await ask(port)).pod);
  assert.equal(others.size, PODS.length, 'who has no session goes anywhere');

  world.remove('Pod', `shop/cart-${first.pod}`);
  const next = await ask(port, { cookie });
  assert.notEqual(next.pod, first.pod);
  const again = next.cookie?.split(';')[0] ?? '';
  for (let i = 0; i < 8; i++) assert.deepEqual(await ask(port, { cookie: again }), { pod: next.pod, cookie: null });
});

test('a session stays with its backend, whatever becomes of weights, and makes no way to another service', async (t) => {
  const service = (name: string, n: number) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop }
spec: { clusterIP: 10.0.0.${n}, selector: { app: ${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
${podYaml('shop', `${name}-1`, n - 100, name)}
---`;
  const weights = (v1: number, v2: number, more = '') =>
    routed(
      'type: Header, sessionName: x-session',
      `{ name: v1, port: 80, weight: ${v1} }, { name: v2, port: 80, weight: ${v2} }${more}`,
    );
  const { world } = await shop(t, service('v1', 111) + service('v2', 112) + service('v3', 113) + weights(0, 1));
  for (const n of [11, 12, 13]) await world.http(n, 8080, (_, res) => res.end(`v${n - 10}`));
  const port = await world.through('web/client', `${CART}:80`);
  const call = async (session?: string) => {
    const headers = session === undefined ? {} : { 'x-session': session };
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers });
    return { backend: await response.text(), session: response.headers.get('x-session') ?? undefined };
  };
  const { backend, session } = await call();
  assert.equal(backend, 'v2');
  await world.apply(weights(1, 0));
  assert.equal((await call()).backend, 'v1');
  assert.deepEqual(await call(session), { backend: 'v2', session: undefined });
  assert.equal((await call(`${session?.slice(0, -1)}x`)).backend, 'v1');

  await world.apply(weights(0, 0, ', { name: v3, port: 80 }'));
  const third = await call();
  assert.equal(third.backend, 'v3');
  await world.apply(weights(1, 1));
  for (let i = 0; i < 8; i++) assert.notEqual((await call(third.session)).backend, 'v3', 'it is none of the rule');
});

test('a session begins anew where its endpoint is left out, and stays there', async (t) => {
  const { world, broken } = await shop(
    t,
    `${routed('')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: cart, namespace: shop }
spec: { host: cart, trafficPolicy: { outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 1h } } }
`,
  );
  const port = await world.through('web/client', `${CART}:80`);
  const first = await ask(port);
  const cookie = first.cookie?.split(';')[0] ?? '';
  assert.match(cookie, /^ambit-session-[0-9a-f]{8}=/);
  broken.add(Number(first.pod));
  assert.deepEqual(await ask(port, { cookie }), { pod: 'broken', cookie: null });
  const next = await ask(port, { cookie });
  assert.notEqual(next.pod, 'broken');
  const again = next.cookie?.split(';')[0] ?? '';
  for (let i = 0; i < 8; i++) assert.deepEqual(await ask(port, { cookie: again }), { pod: next.pod, cookie: null });
});
