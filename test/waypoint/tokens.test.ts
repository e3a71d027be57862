import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { podYaml, SHOP, WaypointWorld } from './world.ts';

test('only who has a token with the right claim may write, and a forged header says nothing', async (t) => {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = JSON.stringify({ keys: [await exportJWK(publicKey)] });
  const world = await WaypointWorld.start(t, {
    yaml: `${SHOP}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  jwtRules: [{ issuer: me, jwks: '${jwks}', outputClaimToHeaders: [{ header: x-user, claim: sub }] }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: cart, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  rules:
    - to: [{ operation: { methods: [GET] } }]
    - from: [{ source: { requestPrincipals: ["me/*"] } }]
      when: [{ key: "request.auth.claims[realm][roles]", values: [writer] }]`,
  });
  for (const n of [1, 2])
    await world.http(n, 8080, (req, res) => res.end(`${req.headers['x-user']} ${req.headers.authorization}`));
  const port = await world.through('web/client', '10.0.0.100:80');
  const ask = async (method: string, token?: string) => {
    const headers = { 'x-user': 'root', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
    const response = await fetch(`http://127.0.0.1:${port}/`, { method, headers });
    return `${response.status} ${await response.text()}`;
  };
  const sign = (roles: readonly string[]) =>
    new SignJWT({ iss: 'me', sub: 'joe', realm: { roles } }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
  assert.equal(await ask('GET'), '200 undefined undefined');
  assert.equal(
    await ask('GET', 'x'),
    '401 Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
  );
  assert.equal(await ask('POST'), '403 RBAC: access denied');
  assert.equal(await ask('POST', await sign(['reader'])), '403 RBAC: access denied');
  assert.equal(await ask('POST', await sign(['reader', 'writer'])), '200 joe undefined');
});

const ISSUER = `
---
apiVersion: v1
kind: Service
metadata: { name: issuer, namespace: auth }
spec: { clusterIP: 10.0.0.102, selector: { app: issuer }, ports: [{ name: http, port: 80, targetPort: 8000 }] }
---
${podYaml('auth', 'issuer-1', 3, 'issuer')}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: auth }
spec: { mtls: { mode: STRICT } }
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: tokens, namespace: shop }
spec:
  targetRefs: [{ kind: Service, name: cart }]
  jwtRules: [RULE]`;
const HOST = 'http://issuer.auth.svc.cluster.local';

for (const [how, rule, issuer] of [
  ['at a URL', `{ issuer: me, jwksUri: "${HOST}/keys" }`, 'me'],
  ['by discovery', `{ issuer: "${HOST}" }`, HOST],
] as const) {
  test(`keys of an issuer in the mesh are fetched ${how} as everything is sent into it: it may be STRICT`, async (t) => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const world = await WaypointWorld.start(t, { yaml: SHOP + ISSUER.replace('RULE', rule) });
    for (const n of [1, 2]) await world.http(n, 8080, (_, res) => res.end());
    const asked: string[] = [];
    const documents: Readonly<Record<string, object>> = {
      '/keys': { keys: [await exportJWK(publicKey)] },
      '/.well-known/openid-configuration': { jwks_uri: `${HOST}/keys` },
    };
    await world.http(3, 8000, (req, res) => {
      asked.push(`${req.headers.host} ${req.url}`);
      res.end(JSON.stringify(documents[req.url ?? '']));
    });
    const port = await world.through('web/client', '10.0.0.100:80');
    const token = await new SignJWT({ iss: issuer, sub: 'joe' }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await fetch(`http://127.0.0.1:${port}/`, { headers })).status, 200);
    assert.equal(asked.at(-1), 'issuer.auth.svc.cluster.local /keys');
    const arrivals = world.arrivals.filter(({ pod }) => pod === 'auth/issuer-1');
    assert.deepEqual([...new Set(arrivals.map(({ peer }) => peer))], [world.ca.id('shop', 'waypoint')]);
  });
}

test('an issuer whose policies do not admit the waypoint is told of, with who asked, and tokens are not good', async (t) => {
  const yaml = SHOP + ISSUER.replace('RULE', `{ issuer: me, jwksUri: "${HOST}/keys" }`);
  const world = await WaypointWorld.start(t, { yaml });
  for (const n of [1, 2]) await world.http(n, 8080, (_, res) => res.end());
  let asked = 0;
  await world.http(3, 8000, (_, res) => {
    asked += 1;
    res.end('{"keys":[]}');
  });
  world.admits = ({ pod }) => pod !== 'auth/issuer-1';
  const { privateKey } = await generateKeyPair('RS256');
  const token = await new SignJWT({ iss: 'me', sub: 'joe' }).setProtectedHeader({ alg: 'RS256' }).sign(privateKey);
  const port = await world.through('web/client', '10.0.0.100:80');
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(`${response.status} ${await response.text()}`, '401 Jwks remote fetch is failed');
  assert.equal(asked, 0);
  const line = await world.logged(/no keys/);
  assert.match(
    line,
    /issuer\.auth\.svc\.cluster\.local\/keys: through the mesh, as spiffe:\/\/.*\/ns\/shop\/sa\/waypoint/,
  );
  assert.match(line, /: the node of the endpoint denied the caller with 401 \(receipt r-1\): \[CONNECT_REFUSED\]/);
});
