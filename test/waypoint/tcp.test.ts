import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { HboneError } from '../../core/hbone/index.ts';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';

test('a TCP port of a bound service is carried to an endpoint, whose node learns who the caller really is', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => socket.pipe(socket));
  const socket = connect({ port: await world.through('web/client', `${CART}:90`), host: '127.0.0.1' });
  socket.end('hello');
  assert.equal(await text(socket), 'hello');
  const [arrival] = world.arrivals;
  assert.equal(arrival?.peer, 'spiffe://cluster.local/ns/shop/sa/waypoint');
  assert.match(arrival?.authority ?? '', /:9090$/);
  assert.equal(arrival?.headers.get('ambit-source'), `spiffe://cluster.local/ns/web/sa/client;${world.ip(200)}`);
});

test('connections are spread over the endpoints', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => socket.end(String(n)));
  const port = await world.through('web/client', `${CART}:90`);
  const answers = new Set<string>();
  for (let i = 0; i < 40; i++) answers.add(await text(connect({ port, host: '127.0.0.1' })));
  assert.deepEqual([...answers].sort(), ['1', '2']);
});

test('a server that speaks first is served on a port of which nobody said what is spoken there', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 8080, (socket) => socket.end('220 ready\r\n'));
  const port = await world.through('web/client', `${CART}:95`);
  assert.equal(await text(connect({ port, host: '127.0.0.1' })), '220 ready\r\n');
});

test('an endpoint outside the mesh is reached in the clear', async (t) => {
  const outside = podYaml('shop', 'cart-3', 3, 'outside').replace('annotations:', 'annotations_:');
  const yaml = `${SHOP}\n---\n${outside}\n---
apiVersion: v1
kind: Service
metadata: { name: out, namespace: shop }
spec: { clusterIP: 10.0.0.101, selector: { app: outside }, ports: [{ name: tcp, port: 90, targetPort: 9090 }] }`;
  const world = await WaypointWorld.start(t, { yaml });
  await world.tcp(3, 9090, (socket) => socket.end('plain'));
  const port = await world.through('web/client', '10.0.0.101:90');
  assert.equal(await text(connect({ port, host: '127.0.0.1' })), 'plain');
  assert.deepEqual(world.arrivals, []);
});

test('what is not bound to this waypoint is refused, and said to be', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  const rows: Readonly<Record<string, [string, RegExp]>> = {
    'an address that nobody has': ['10.0.0.99:80', /is not bound to this waypoint/],
    'a pod by its own address, at a waypoint for services': ['10.0.0.1:8080', /is not bound to this waypoint/],
    'a port that the service does not have': ['10.0.0.100:81', /has no port 81/],
    'no address at all': ['nonsense', /is no host and port/],
  };
  for (const [name, [authority, why]] of Object.entries(rows)) {
    await t.test(name, async () => {
      await assert.rejects(
        world.open('web/client', authority),
        (error: HboneError) => error.code === 'CONNECT_REFUSED',
      );
      await world.logged(why);
    });
  }
});

test('a service that is not bound any more is not served any more', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => socket.pipe(socket));
  const port = await world.through('web/client', `${CART}:90`);
  const open = connect({ port, host: '127.0.0.1' });
  open.write('x');
  await once(open, 'data');
  const cut = closed(open);
  world.remove('Service', 'shop/cart');
  await cut;
  await assert.rejects(world.open('web/client', `${CART}:90`));
});

test('a connection has until the deadline when the waypoint stops, and is cut then', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.tcp(n, 9090, (socket) => socket.pipe(socket));
  const port = await world.through('web/client', `${CART}:90`);
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('x');
  await once(socket, 'data');
  const drained = world.plane.drain(300);
  socket.write('y');
  await once(socket, 'data');
  const cut = closed(socket);
  await drained;
  await cut;
});

/** Also when it is reset. */
function closed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.once('close', () => resolve()));
}
