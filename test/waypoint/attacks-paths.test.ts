/**
 * What policy judged is what the application gets, or it gets nothing: spellings of paths and hosts through the whole waypoint, over
 * both versions of HTTP, byte for byte.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { PathNormalization } from '../../mesh/index.ts';
import { SHOP, WaypointWorld } from './world.ts';

const CART = '10.0.0.100';
const DENIALS = `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: no-admin, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  action: DENY
  rules:
    - to: [{ operation: { paths: ["/admin", "/admin/*"] } }]
    - to: [{ operation: { hosts: ["admin.shop", "admin.shop:*"] } }]
    - to: [{ operation: { methods: [DELETE] } }]`;

/** Each request that an application of cart got. */
type Seen = { readonly method: string; readonly url: string; readonly host: string };

async function shop(
  t: Parameters<typeof WaypointWorld.start>[0],
  pathNormalization: PathNormalization = 'DECODE_AND_MERGE_SLASHES',
) {
  const world = await WaypointWorld.start(t, { yaml: SHOP + DENIALS, config: { pathNormalization } });
  const seen: Seen[] = [];
  for (const n of [1, 2]) {
    await world.http(n, 8080, (req, res) => {
      seen.push({ method: req.method ?? '', url: req.url ?? '', host: req.headers.host ?? '' });
      res.end();
    });
  }
  const port = await world.through('web/client', `${CART}:80`);
  return { seen, port };
}

/** Bytes as they are; the status, and nothing else is written by us. */
async function raw(port: number, target: string, host: string, method = 'GET'): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1');
  return Number((await text(socket)).split(' ')[1] ?? 0);
}

/** 0: the stream was reset. */
async function raw2(port: number, fields: Readonly<Record<string, string>>): Promise<number> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  try {
    const stream = session.request(fields);
    stream.resume();
    const answer = once(stream, 'response').then(([head]) => Number((head as { ':status': number })[':status']));
    return await answer.catch(() => 0);
  } finally {
    session.destroy();
  }
}

const PATHS: readonly (readonly [target: string, status: number, got?: string])[] = [
  ['/x', 200, '/x'],
  ['/admin', 403],
  ['/admin/', 403],
  ['/admin?x', 403],
  ['/admin/../x', 200, '/x'],
  ['/x/../admin', 403],
  ['/x/..%2fadmin', 403],
  ['//admin', 403],
  ['///admin//x', 403],
  ['/./admin', 403],
  ['/%61dmin', 403],
  ['/%61%64%6D%69%6e', 403],
  ['/x/%2e%2e/admin', 403],
  ['/x/%2E./admin', 403],
  ['/admin%2f..', 200, '/'],
  ['/admin%2Fx', 403],
  ['/admin%5cx', 403],
  ['/\\admin', 403],
  ['/x\\..\\admin', 403],
  ['\\admin', 400],
  ['/admin%00', 400],
  ['/x%00/../admin', 400],
  ['/%', 400],
  ['/%zz', 400],
  ['/%2561dmin', 200, '/%2561dmin'],
  ['/x?/../admin', 200, '/x?/../admin'],
  ['/x?a=%2e%2e/admin', 200, '/x?a=%2e%2e/admin'],
  ['/../../admin', 403],
  ['/admin/..;/x', 403],
  ['/%2f%2fadmin', 403],
  ['/%2e/admin', 403],
  ['/x%2f..%2f..%2fadmin', 403],
];

test('however a path is written, the application gets the path that policy judged, over either version', async (t) => {
  const { seen, port } = await shop(t);
  for (const [target, status, got] of PATHS) {
    const expected = got === undefined ? [] : [got];
    assert.deepEqual(
      [await raw(port, target, 'shop'), seen.splice(0).map(({ url }) => url)],
      [status, expected],
      target,
    );
    const over2 = target.startsWith('/') ? status : 0;
    const { length } = seen;
    const found = await raw2(port, { ':path': target, ':authority': 'shop' });
    assert.deepEqual([found, seen.splice(0).map(({ url }) => url), length], [over2, expected, 0], `HTTP/2 ${target}`);
  }
});

test('an absolute target is the path that it names, at the host that Host names', async (t) => {
  const { seen, port } = await shop(t);
  const rows: readonly (readonly [target: string, host: string, status: number, got?: string])[] = [
    ['http://shop/x', 'shop', 200, '/x'],
    ['http://shop/admin', 'shop', 403],
    ['http://shop//admin', 'shop', 403],
    ['http://shop/x/%2e%2e/admin', 'shop', 403],
    ['http://shop?/admin', 'shop', 200, '/?/admin'],
    ['http://admin.shop/x', 'shop', 400],
    ['http://shop/x', 'admin.shop', 400],
    ['http://admin.shop/x', 'admin.shop', 403],
    ['http://me@shop/x', 'shop', 400],
    ['http://shop\\admin', 'shop', 400],
    ['https://shop/x', 'shop', 400],
    ['shop:80', 'shop:80', 400],
  ];
  for (const [target, host, status, got] of rows) {
    const found = [await raw(port, target, host), seen.splice(0).map(({ url }) => url)];
    assert.deepEqual(found, [status, got === undefined ? [] : [got]], `${target} at ${host}`);
  }
});

const HOSTS: readonly (readonly [host: string, http1: number, http2: number])[] = [
  ['shop', 200, 200],
  ['admin.shop', 403, 403],
  ['ADMIN.shop', 403, 403],
  ['admin.shop.', 403, 403],
  ['admin.shop:80', 403, 403],
  ['Admin.Shop.:8080', 403, 403],
  ['admin.shop:', 400, 0],
  ['admin.shop,x', 400, 0],
  ['admin%2eshop', 400, 0],
  ['x@admin.shop', 400, 0],
  ['admin.shop/', 400, 0],
  ['admin.shop..', 400, 0],
];

test('however a host is written, the policy about it holds, over either version', async (t) => {
  const { seen, port } = await shop(t);
  for (const [host, http1, http2] of HOSTS) {
    assert.equal(await raw(port, '/x', host), http1, host);
    assert.equal(await raw2(port, { ':path': '/x', ':authority': host }), http2, `HTTP/2 ${host}`);
    assert.equal(await raw2(port, { ':path': '/x', host }), http2, `HTTP/2, as host: ${host}`);
  }
  assert.equal(await raw2(port, { ':path': '/x', ':authority': 'shop', host: 'admin.shop' }), 0, 'two hosts');
  assert.deepEqual(new Set(seen.map(({ host }) => host)), new Set(['shop']));
});

test('a method in small letters is no method, over either version', async (t) => {
  const { seen, port } = await shop(t);
  assert.deepEqual([await raw(port, '/x', 'shop', 'DELETE'), await raw(port, '/x', 'shop', 'delete')], [403, 400]);
  assert.equal(await raw2(port, { ':method': 'DELETE', ':path': '/x', ':authority': 'shop' }), 403);
  assert.equal(await raw2(port, { ':method': 'delete', ':path': '/x', ':authority': 'shop' }), 0);
  assert.deepEqual(seen, []);
});
