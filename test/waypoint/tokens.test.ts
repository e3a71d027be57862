import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { SHOP, WaypointWorld } from './world.ts';

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
