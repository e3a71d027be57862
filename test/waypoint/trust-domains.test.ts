/** A trust domain that is being renamed: certificates of its old name, and of nobody else, are good on both sides of a waypoint. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/netns.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const OLD = 'spiffe://old.example/ns/web/sa/client';
const ALLOW_OLD_NAME = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  rules: [{ from: [{ source: { principals: [cluster.local/ns/web/sa/client] } }] }]`;

test('a caller whose certificate is of an alias of the trust domain is served, and cut when it is none any more', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP + ALLOW_OLD_NAME });
  for (const n of [1, 2]) {
    await world.tcp(n, 9090, (socket) => socket.pipe(socket));
    await world.http(n, 8080, (req, res) => res.end(req.headers['ambit-source']));
  }
  await assert.rejects(world.open(OLD, `${CART}:80`));
  await world.logged(/a handshake failed.*not of trust domain cluster\.local/);

  await world.reconfigure({ trustDomainAliases: ['old.example'] });
  const response = await fetch(`http://127.0.0.1:${await world.through(OLD, `${CART}:80`)}`);
  assert.deepEqual([response.status, await response.text()], [200, `${OLD};${world.ip(200)}`]);
  const socket = connect({ host: '127.0.0.1', port: await world.through(OLD, `${CART}:90`) });
  socket.on('error', () => {});
  socket.write('x');
  await once(socket, 'data');

  await world.reconfigure({});
  await eventually('it is cut', () => socket.destroyed);
  await assert.rejects(world.open(OLD, `${CART}:80`));
});

test('an endpoint whose certificate is of an alias of the trust domain is reached, and no other account', async (t) => {
  const world = await WaypointWorld.start(t, { yaml: SHOP, podTrustDomain: 'old.example' });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end('ok'));
  const port = await world.through('web/client', `${CART}:80`);
  const status = async () => (await fetch(`http://127.0.0.1:${port}`)).status;
  assert.equal(await status(), 503);
  await world.reconfigure({ trustDomainAliases: ['old.example'] });
  assert.equal(await status(), 200);
  world.remove('Pod', 'shop/cart-1');
  await world.apply(`
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { clusterIP: 10.0.0.100, selector: { app: other }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: other-1, namespace: shop, labels: { app: other }, annotations: { ambient.istio.io/redirection: enabled } }
spec: { nodeName: node-1, serviceAccountName: other, containers: [{ name: c }] }
status: { phase: Running, podIPs: [{ ip: 10.0.0.1 }], conditions: [{ type: Ready, status: "True" }] }`);
  assert.equal(await status(), 503, 'at that address the certificate is still that of account cart');
});
