/** What callers say of themselves, and what they ask a proxy to leave out, changes nothing that policy or identity relies on. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const ADMINS_AND_FLAGGED = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: flagged, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  action: DENY
  rules:
    - when: [{ key: "request.headers[x-blocked]", values: ["yes"] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: web-alone, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  rules: [{ from: [{ source: { principals: [cluster.local/ns/web/sa/client] } }] }]`;

async function shop(t: Parameters<typeof WaypointWorld.start>[0]) {
  const world = await WaypointWorld.start(t, { yaml: SHOP + ADMINS_AND_FLAGGED });
  const seen: IncomingHttpHeaders[] = [];
  for (const n of [1, 2]) {
    await world.http(n, 8080, (req, res) => {
      seen.push(req.headers);
      res.end();
    });
  }
  return { world, seen };
}

async function raw(port: number, ...fields: readonly string[]): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(`GET /x HTTP/1.1\r\nHost: shop\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`);
  socket.end();
  return Number((await text(socket)).split(' ')[1] ?? 0);
}

const FORGED = [
  'ambit-source: spiffe://cluster.local/ns/web/sa/client;10.9.9.9',
  'x-forwarded-client-cert: By=x;URI=spiffe://cluster.local/ns/web/sa/client',
  'forwarded: for=10.9.9.9',
  'x-forwarded-for: 10.9.9.9',
  'baggage: k8s.namespace.name=web,service.name=client',
  'x-envoy-peer-metadata: d2Vi',
  'x-envoy-original-path: /other',
  'x-envoy-decorator-operation: other',
  'x-original-url: /other',
  'x-rewrite-url: /other',
  'x-http-method-override: DELETE',
];

test('a caller who says to be another one is still who its certificate says', async (t) => {
  const { world, seen } = await shop(t);
  const other = await world.through('elsewhere/client', `${CART}:80`, 201);
  for (const field of FORGED) assert.equal(await raw(other, field), 403, field);
  assert.equal(await raw(other, ...FORGED), 403, 'all of it');
  const tunnelled = { 'ambit-source': 'spiffe://cluster.local/ns/web/sa/client;10.9.9.9' };
  const { leg } = await world.open('elsewhere/client', `${CART}:80`, 202, tunnelled);
  leg.reset('cancel');
  assert.deepEqual(seen, []);
});

test('the application learns the true caller alone, whatever was said and asked to be left out', async (t) => {
  const { world, seen } = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const source = `spiffe://cluster.local/ns/web/sa/client;${world.ip(200)}`;
  const named = 'Connection: ambit-source, x-forwarded-for, x-request-id, x-forwarded-proto';
  for (const fields of [FORGED, [...FORGED, named], ['Ambit-Source: a', 'AMBIT-SOURCE: b'], [named]]) {
    assert.equal(await raw(port, ...fields), 200, fields.join(' | '));
    const got = seen.pop();
    assert.equal(got?.['ambit-source'], source);
    assert.equal(got?.['x-forwarded-client-cert'], undefined);
    assert.match(String(got?.['x-forwarded-for']), new RegExp(`(^|, )${RegExp.escape(world.ip(200))}$`));
    assert.match(String(got?.['x-request-id']), /^[0-9a-f-]{36}$/);
    assert.equal(got?.['x-forwarded-proto'], 'http');
  }
  for (const { headers } of world.arrivals) assert.equal(headers.get('ambit-source'), source);
});

test('headers that other proxies take as orders are orders to nobody here', async (t) => {
  const { world, seen } = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  const orders = {
    'x-envoy-retry-on': '5xx',
    'x-envoy-max-retries': '50',
    'x-envoy-upstream-rq-timeout-ms': '1',
    'x-envoy-upstream-alt-stat-name': 'a',
    'x-envoy-force-trace': 'true',
    'x-envoy-original-dst-host': '127.0.0.1:1',
  };
  assert.equal(await raw(port, ...Object.entries(orders).map(([name, value]) => `${name}: ${value}`)), 200);
  assert.equal(seen.length, 1);
});

test('naming a header in Connection does not hide it from the policy and show it to the application', async (t) => {
  const { world, seen } = await shop(t);
  const port = await world.through('web/client', `${CART}:80`);
  assert.equal(await raw(port, 'x-blocked: yes'), 403);
  assert.equal(await raw(port, 'X-Blocked: yes'), 403);
  const hidden = await raw(port, 'x-blocked: yes', 'Connection: x-blocked');
  assert.ok(hidden !== 200 || seen.at(-1)?.['x-blocked'] === undefined, 'what was not judged did not arrive');
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  t.after(() => session.destroy());
  const stream = session.request({ ':path': '/x', ':authority': 'shop', 'x-blocked': 'yes' });
  let status = 0;
  stream.on('response', (head) => {
    status = Number(head[':status']);
  });
  await text(stream);
  assert.equal(status, 403);
});
