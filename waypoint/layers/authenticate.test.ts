import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import type { JwtRule } from '../../mesh/index.ts';
import { JwksStore } from '../jwks/store.ts';
import { exchange, pass, type TestExchange } from '../test-exchange.ts';
import { authenticate } from './authenticate.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECONDS = NOW / 1_000;
const ISSUER = 'https://issuer.example';

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
const keys = new Map<string, Keys>();
const jwks: JWK[] = [];

before(async () => {
  for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA']) {
    const pair = await generateKeyPair(alg, { extractable: true });
    keys.set(alg, pair);
    jwks.push({ ...(await exportJWK(pair.publicKey)), kid: alg });
  }
  keys.set('stranger', await generateKeyPair('RS256'));
});

const rule = (fields: Partial<JwtRule> = {}): JwtRule => ({
  issuer: ISSUER,
  audiences: [],
  jwks: JSON.stringify({ keys: jwks }),
  jwksUri: '',
  fromHeaders: [{ name: 'authorization', prefix: 'Bearer ' }],
  fromParams: ['access_token'],
  fromCookies: [],
  forwardOriginalToken: false,
  outputPayloadToHeader: '',
  outputClaimToHeaders: [],
  timeoutMs: 1_000,
  spaceDelimitedClaims: [],
  isRequired: false,
  keysService: '',
  ...fields,
});

type Claims = Readonly<Record<string, unknown>>;

function sign(
  claims: Claims = {},
  { key = 'RS256', alg = key, kid = alg }: { key?: string; alg?: string; kid?: string } = {},
) {
  const pair = keys.get(key);
  assert.ok(pair);
  return new SignJWT({ iss: ISSUER, sub: 'joe', exp: SECONDS + 600, ...claims })
    .setProtectedHeader({ alg, kid })
    .sign(pair.privateKey);
}

async function ask(rules: readonly JwtRule[], fields: TestExchange) {
  const store = new JwksStore({ now: () => 0, onProblem: () => {}, fetchJson: async () => ({ keys: [] }) });
  const watch = { denied: () => 'receipt', noticed: () => {} };
  const layer = authenticate([{ namespace: 'app', name: 'jwt', rules }], { store, watch, wallClock: () => NOW });
  const x = exchange(fields);
  return { x, ...(await pass(layer, x)) };
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

test('a good token tells policies who asks, whatever its algorithm, and does not reach the application', async () => {
  for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA']) {
    const { x, wasSent } = await ask(
      [rule()],
      bearer(await sign({ aud: ['a'], azp: 'p', scope: 'x y' }, { key: alg })),
    );
    assert.equal(wasSent, true, alg);
    assert.equal(x.token?.principal, `${ISSUER}/joe`);
    assert.deepEqual([x.token.audiences, x.token.presenter, x.token.claims['scope']], [['a'], 'p', ['x', 'y']]);
    assert.equal(x.request.headers.has('authorization'), false);
  }
});

test('no token passes: only a policy can ask for one', async () => {
  const { x, wasSent } = await ask([rule()], { headers: { authorization: 'Basic am9lOmpvZQ==' } });
  assert.deepEqual([wasSent, x.token], [true, undefined]);
  assert.equal(x.request.headers.get('authorization'), 'Basic am9lOmpvZQ==');
});

test('where a token is required, only one that is good for a rule which requires it passes', async () => {
  const required = rule({ isRequired: true });
  const other = rule({ issuer: 'https://other.example' });
  const cookie = rule({
    issuer: 'https://third.example',
    fromHeaders: [],
    fromParams: [],
    fromCookies: ['t'],
    isRequired: true,
  });
  const missing = await ask([other, required], {});
  assert.equal(`${missing.response.status} ${missing.body} ${missing.wasSent}`, '401 Jwt is missing false');
  const challenge = missing.response.headers.first('www-authenticate') ?? '';
  assert.match(challenge, /^Bearer realm="http:\/\/cart\.shop\/"$/);
  const optional = bearer(await sign({ iss: 'https://other.example' }));
  assert.equal((await ask([other, required], optional)).body, 'Jwt issuer is not configured');
  assert.equal((await ask([other, required], bearer(await sign()))).wasSent, true);
  assert.equal((await ask([cookie, required], bearer(await sign()))).wasSent, true);
  assert.equal((await ask([cookie, required], bearer('x'))).response.status, 401);
  const third = await sign({ iss: 'https://third.example' });
  assert.equal((await ask([cookie, required], { headers: { cookie: `t=${third}` } })).wasSent, true);
});

test('each way in which a token can be bad is refused with its status and body', async () => {
  const good = await sign();
  const [head = '', payload = '', signature = ''] = good.split('.');
  const other = (await sign({ sub: 'admin' })).split('.')[1] ?? '';
  const hmac = await new SignJWT({ iss: ISSUER, sub: 'admin' })
    .setProtectedHeader({ alg: 'HS256', kid: 'RS256' })
    .sign(Buffer.from(JSON.stringify(jwks[0])));
  const none = new UnsecuredJWT({ iss: ISSUER, sub: 'admin' }).encode();
  const noneSigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.${signature}`;
  const rows: readonly [string, string, number, string, Partial<JwtRule>?][] = [
    ['no token at all', 'abc', 401, 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    [
      'a dot too many',
      `${good}.x`,
      401,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [
      'without signature',
      `${head}.${payload}.`,
      401,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    ['alg none', none, 401, 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
    ['alg none with a signature', noneSigned, 401, 'Jwt header [alg] is not supported'],
    ['HMAC with the public key', hmac, 401, 'Jwt header [alg] is not supported'],
    ['another payload', `${head}.${other}.${signature}`, 401, 'Jwt verification fails'],
    ['signed by a stranger', await sign({}, { key: 'stranger', alg: 'RS256' }), 401, 'Jwt verification fails'],
    ['a key that nobody has', await sign({}, { kid: 'unknown' }), 401, 'Jwt verification fails'],
    ['a key of another family', await sign({}, { kid: 'ES256' }), 401, 'Jwt verification fails'],
    ['expired', await sign({ exp: SECONDS - 61 }), 401, 'Jwt is expired'],
    ['not yet valid', await sign({ nbf: SECONDS + 61 }), 401, 'Jwt not yet valid'],
    [
      'a time that is none',
      await sign({ exp: 'never' as never }),
      401,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    ['another issuer', await sign({ iss: 'https://evil.example' }), 401, 'Jwt issuer is not configured'],
    ['another audience', await sign({ aud: 'bank' }), 403, 'Audiences in Jwt are not allowed', { audiences: ['shop'] }],
    ['no audience', good, 403, 'Audiences in Jwt are not allowed', { audiences: ['shop'] }],
    ['a rule without keys', good, 401, 'Jwt verification fails', { jwks: '{"keys":[]}' }],
  ];
  for (const [name, token, status, message, fields] of rows) {
    const { x, response, body, wasSent } = await ask([rule(fields)], { target: '/p?q', ...bearer(token) });
    assert.deepEqual([response.status, body, wasSent], [status, message, false], name);
    const challenge = status === 401 ? 'Bearer realm="http://cart.shop/p", error="invalid_token"' : undefined;
    assert.equal(response.headers.get('www-authenticate'), challenge, name);
    assert.equal(x.details, `jwt_authn_access_denied{${message.replaceAll(' ', '_')}}`);
    assert.equal(x.receipt, 'receipt');
  }
});

test('clocks may differ by a minute', async () => {
  assert.equal((await ask([rule()], bearer(await sign({ exp: SECONDS - 59 })))).wasSent, true);
  assert.equal((await ask([rule()], bearer(await sign({ nbf: SECONDS + 59 })))).wasSent, true);
});

test('a token that is good for some rule passes, whatever others make of theirs', async () => {
  const second = rule({ issuer: 'https://second.example', fromHeaders: [{ name: 'x-token', prefix: '' }] });
  const [good, other] = [await sign(), await sign({ iss: 'https://second.example' })];
  const rows: readonly [string, Readonly<Record<string, string>>, number][] = [
    ['the first', { authorization: `Bearer ${good}` }, 200],
    ['the second', { 'x-token': other }, 200],
    ['a good and a bad one', { authorization: 'Bearer x', 'x-token': other }, 200],
    ['both bad', { authorization: 'Bearer x', 'x-token': 'y' }, 401],
    ['only a bad one', { 'x-token': good }, 401],
    ['none', {}, 200],
  ];
  for (const [name, headers, status] of rows) {
    assert.equal((await ask([rule(), second], { headers })).response.status, status, name);
  }
  const shared = rule({ issuer: 'https://second.example' });
  const { x } = await ask([shared, rule()], bearer(good));
  assert.equal(x.token?.principal, `${ISSUER}/joe`, 'two issuers share a header');
});

test('tokens are found in headers, parameters and cookies, and taken out of there', async () => {
  const token = await sign();
  const rows: readonly [string, Partial<JwtRule>, TestExchange, string, string | undefined][] = [
    ['a scheme in small letters', {}, { headers: { authorization: `bearer ${token}` } }, '/', undefined],
    ['a parameter', {}, { target: `/a?x=1&access_token=${token}&y=2` }, '/a?x=1&y=2', undefined],
    ['the only parameter', {}, { target: `/a?access_token=${token}` }, '/a', undefined],
    ['a cookie', { fromCookies: ['t'] }, { headers: { cookie: `a=1; t=${token}; b=2` } }, '/', 'a=1; b=2'],
    ['the only cookie', { fromCookies: ['t'] }, { headers: { cookie: `t="${token}"` } }, '/', undefined],
  ];
  for (const [name, fields, request, target, cookie] of rows) {
    const { x } = await ask([rule(fields)], request);
    assert.equal(x.token?.principal, `${ISSUER}/joe`, name);
    assert.deepEqual([x.request.target, x.request.headers.get('cookie')], [target, cookie], name);
    const kept = await ask([rule({ ...fields, forwardOriginalToken: true })], request);
    assert.deepEqual(
      [kept.x.request.target, kept.x.request.headers.list],
      [request.target ?? '/', exchange(request).request.headers.list],
    );
  }
});

test('a second token beside a good one is not a way to smuggle a bad one in', async () => {
  const token = await sign();
  const { response } = await ask([rule()], { target: '/?access_token=bad', ...bearer(token) });
  assert.equal(response.status, 401);
  const many = Array.from({ length: 20 }, () => `access_token=${token}`).join('&');
  assert.equal(
    (await ask([rule()], { target: `/?${many}` })).response.status,
    401,
    "a hundred signatures are nobody's request",
  );
});

test('what a token says goes to headers, which nobody else can set', async () => {
  const fields: Partial<JwtRule> = {
    outputPayloadToHeader: 'x-payload',
    outputClaimToHeaders: [
      { header: 'x-sub', claim: ['sub'] },
      { header: 'x-role', claim: ['realm', 'role'] },
      { header: 'x-admin', claim: ['admin'] },
      { header: 'x-list', claim: ['list'] },
      { header: 'x-evil', claim: ['evil'] },
      { header: 'x-name', claim: ['name'] },
    ],
  };
  const forged = { 'x-payload': 'e30', 'x-sub': 'admin', 'x-role': 'root', 'x-list': 'a', 'x-evil': 'b' };
  const claims = { realm: { role: 'dev' }, admin: true, list: ['a'], evil: 'a\r\nx-root: 1', name: 'Zoë' };
  const { x } = await ask([rule(fields)], { headers: { ...forged, ...bearer(await sign(claims)).headers } });
  const { headers } = x.request;
  const values = ['x-sub', 'x-role', 'x-admin', 'x-list', 'x-evil'].map((name) => headers.get(name));
  assert.deepEqual(values, ['joe', 'dev', 'true', undefined, undefined]);
  assert.equal(Buffer.from(headers.get('x-name') ?? '', 'latin1').toString(), 'Zoë');
  assert.equal(JSON.parse(Buffer.from(headers.get('x-payload') ?? '', 'base64url').toString()).sub, 'joe');
  const without = await ask([rule(fields)], { headers: forged });
  assert.deepEqual(without.x.request.headers.list, [], 'without a token, too');
});

test('a preflight passes, since browsers send it without a token', async () => {
  const headers = { origin: 'https://a', 'access-control-request-method': 'GET', authorization: 'Bearer x' };
  assert.equal((await ask([rule()], { method: 'OPTIONS', headers })).wasSent, true);
  assert.equal((await ask([rule()], { method: 'OPTIONS', headers: { authorization: 'Bearer x' } })).wasSent, false);
});

test('keys that can not be had are a refusal, and a token that was verified costs no signature again', async () => {
  const store = new JwksStore({
    now: () => 0,
    onProblem: () => {},
    fetchJson: async () => {
      throw new Error('away');
    },
  });
  const watch = { denied: () => '', noticed: () => {} };
  const layer = (rules: readonly JwtRule[]) =>
    authenticate([{ namespace: 'a', name: 'b', rules }], { store, watch, wallClock: () => NOW });
  const token = await sign();
  const away = await pass(layer([rule({ jwks: '', jwksUri: 'https://away.example' })]), exchange(bearer(token)));
  assert.deepEqual([away.response.status, away.body], [401, 'Jwks remote fetch is failed']);
  const one = layer([rule()])(() => ({ status: 200 }) as never);
  assert.ok(one(exchange(bearer(token))) instanceof Promise);
  await one(exchange(bearer(token)));
  assert.ok(!(one(exchange(bearer(token))) instanceof Promise), 'the second time it answers at once');
});
