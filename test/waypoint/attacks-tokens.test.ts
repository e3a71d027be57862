/** Tokens through the whole waypoint: nobody is somebody by a token that is not good, or that the policy did not see. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { SHOP, WaypointWorld } from './world.ts';

const authentication = (rule: string) => `
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  jwtRules: [${rule}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  rules: [{ from: [{ source: { requestPrincipals: ["me/admin"] } }] }]`;

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

async function shop(t: Parameters<typeof WaypointWorld.start>[0]) {
  const [keys, stranger] = await Promise.all([rsa(), rsa()]);
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one' }] });
  const rule = `{ issuer: me, audiences: [shop], jwks: '${jwks}', outputClaimToHeaders: [{ header: x-user, claim: sub }] }`;
  const world = await WaypointWorld.start(t, { yaml: SHOP + authentication(rule) });
  const seen: string[] = [];
  for (const n of [1, 2]) {
    await world.http(n, 8080, (req, res) => {
      seen.push(`${req.headers['x-user']} ${req.headers.authorization}`);
      res.end();
    });
  }
  const port = await world.through('web/client', '10.0.0.100:80');
  return { seen, port, keys, stranger };
}

const rsa = () => generateKeyPair('RS256', { extractable: true });

const GOOD = { iss: 'me', sub: 'admin', aud: 'shop' };
const sign = ({ privateKey }: Keys, claims: Readonly<Record<string, unknown>> = {}, kid = 'one') =>
  new SignJWT({ ...GOOD, ...claims }).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);

async function raw(port: number, target: string, ...fields: readonly string[]): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(`GET ${target} HTTP/1.1\r\nHost: shop\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`);
  socket.end();
  return Number((await text(socket)).split(' ')[1] ?? 0);
}

const bearer = (token: string) => `Authorization: Bearer ${token}`;

test('no token but a good one makes a caller the administrator', async (t) => {
  const { seen, port, keys, stranger } = await shop(t);
  const good = await sign(keys);
  const secret = Buffer.from(await exportSPKI(keys.publicKey));
  const [head = '', , signature = ''] = good.split('.');
  const [, payload = ''] = (await sign(stranger)).split('.');
  const past = 1_000_000_000;
  const rows: readonly (readonly [what: string, status: number, ...fields: string[]])[] = [
    ['none at all', 403],
    ['alg none', 401, bearer(new UnsecuredJWT(GOOD).encode())],
    [
      'HMAC with the public key',
      401,
      bearer(await new SignJWT(GOOD).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret)),
    ],
    ['a stranger with the name of our key', 401, bearer(await sign(stranger))],
    ['a key named as a path', 401, bearer(await sign(stranger, {}, '../../dev/null'))],
    ['another issuer', 401, bearer(await sign(keys, { iss: 'you' }))],
    ['another audience', 403, bearer(await sign(keys, { aud: 'bank' }))],
    ['expired', 401, bearer(await sign(keys, { exp: past }))],
    ['not valid yet', 401, bearer(await sign(keys, { nbf: past * 4 }))],
    ['another subject', 403, bearer(await sign(keys, { sub: 'joe' }))],
    ['a subject that begins the same', 403, bearer(await sign(keys, { sub: 'admin/x' }))],
    [
      'an issuer and subject that only look the same together',
      401,
      bearer(await sign(keys, { iss: 'me/admin', sub: '' })),
    ],
    ['a payload that was not signed', 401, bearer(`${head}.${payload}x.${signature}`)],
    ['a good one that Connection takes away', 403, bearer(good), 'Connection: authorization'],
    ['a good one and a bad one', 401, bearer(good), bearer(await sign(stranger))],
    ['a bad one and a good one', 401, bearer(await sign(stranger)), bearer(good)],
    ['one that is larger than a head may be', 431, bearer('a'.repeat(70_000))],
    ['a header of what a token would say', 403, 'X-User: admin'],
  ];
  for (const [what, status, ...fields] of rows) assert.equal(await raw(port, '/', ...fields), status, what);
  assert.equal(await raw(port, `/?access_token=${await sign(stranger)}`), 401, 'a bad one in the query');
  assert.equal(
    await raw(port, `/?access_token=${await sign(stranger)}`, bearer(good)),
    401,
    'a good one in a header and a bad one in the query',
  );
  assert.deepEqual(seen, []);
  assert.equal(await raw(port, '/', bearer(good), 'X-User: root', 'x-user: root', 'Connection: x-user'), 200);
  assert.deepEqual(seen, ['admin undefined']);
});

test('keys are fetched from no address that only the waypoint or its node may call', async (t) => {
  const keys = await rsa();
  const token = await sign(keys);
  const jwks = JSON.stringify({ keys: [await exportJWK(keys.publicKey)] });
  const world = await WaypointWorld.start(t, { yaml: SHOP });
  for (const n of [1, 2]) await world.http(n, 8080, (_req, res) => res.end());
  let asked = 0;
  const server = createServer((_req, res) => {
    asked += 1;
    res.end(jwks);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  const at = typeof address === 'object' && address !== null ? address.port : 0;
  const port = await world.through('web/client', '10.0.0.100:80');
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433']) {
    await world.apply(authentication(`{ issuer: me, audiences: [shop], jwksUri: "http://${host}:${at}/keys" }`));
    assert.deepEqual([await raw(port, '/', bearer(token)), asked], [401, 0], host);
  }
  await world.apply(authentication(`{ issuer: me, audiences: [shop], jwks: '${jwks}' }`));
  assert.equal(await raw(port, '/', bearer(token)), 200, 'the same keys, written out');
});

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

/** All that comes back until the connection ends, in whatever way. */
async function answered(port: number, sent: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  const { promise, resolve } = Promise.withResolvers<void>();
  let all = '';
  socket.on('data', (piece) => {
    all += piece;
  });
  socket.on('error', () => {});
  socket.once('close', () => resolve());
  socket.end(sent);
  await promise;
  return all;
}

test('where a token is required, nobody gets around it by speaking something else', async (t) => {
  const keys = await rsa();
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'one' }] });
  const yaml = `${SHOP}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  jwtRules: [{ issuer: me, jwks: '${jwks}', presence: REQUIRED }]`;
  const world = await WaypointWorld.start(t, { yaml });
  for (const n of [1, 2]) await world.tcp(n, 8080, (socket) => socket.once('data', () => socket.end(OK)));
  for (const authority of ['10.0.0.100:80', '10.0.0.100:95']) {
    const port = await world.through('web/client', authority);
    assert.equal(await raw(port, '/'), 401, `${authority} without`);
    assert.equal(await raw(port, '/', bearer(await sign(keys))), 200, `${authority} with`);
    const something = await answered(port, '\0GET / HTTP/1.1\r\nHost: shop\r\n\r\n');
    assert.doesNotMatch(something, /200 OK/, `${authority} with something else`);
  }
});
