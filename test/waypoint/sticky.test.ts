import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const PODS = [1, 2, 3, 4];

/** Four pods of cart that say who they are. */
async function shop(t: Parameters<typeof WaypointWorld.start>[0], yaml: string): Promise<WaypointWorld> {
  const more = [3, 4].map((n) => podYaml('shop', `cart-${n}`, n, 'cart')).join('\n---\n');
  const world = await WaypointWorld.start(t, { yaml: `${SHOP}\n---\n${more}\n---\n${yaml}` });
  for (const n of PODS) {
    await world.http(n, 8080, (_, res) => res.end(String(n)));
    await world.tcp(n, 9090, (socket) => socket.end(String(n)));
  }
  return world;
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
  const world = await shop(t, hashed('httpHeaderName: x-user'));
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
  const world = await shop(t, hashed('httpCookie: { name: user, ttl: 60s, path: / }'));
  const port = await world.through('web/client', `${CART}:80`);
  const first = await ask(port);
  assert.match(first.cookie ?? '', /^user=[-0-9a-f]+; Max-Age=60; Path=\/; HttpOnly$/);
  const cookie = first.cookie?.split(';')[0] ?? '';
  for (let i = 0; i < 10; i++) assert.deepEqual(await ask(port, { cookie }), { pod: first.pod, cookie: null });
});

test('connections from the same address go to the same endpoint: the one that the tunnel says', async (t) => {
  const world = await shop(t, hashed('useSourceIp: true, maglev: {}'));
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
