import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JwksStore, type KeySource } from './store.ts';

const source: KeySource = {
  issuer: 'me',
  jwks: '',
  jwksUri: 'https://keys.example/a',
  keysService: '',
  timeoutMs: 1_000,
};
const MINUTE = 60_000;

function world() {
  const w = {
    now: 0,
    asked: [] as string[],
    services: [] as string[],
    answers: new Map<string, unknown>([[source.jwksUri, { keys: [] }]]),
    problems: [] as string[],
  };
  const store = new JwksStore({
    now: () => w.now,
    onProblem: (name, error) => w.problems.push(`${name}: ${String(error)}`),
    fetchJson: async (url, _, service) => {
      w.asked.push(url);
      w.services.push(service);
      await Promise.resolve();
      const answer = w.answers.get(url);
      if (answer === undefined) throw new Error(`no ${url}`);
      return answer;
    },
  });
  return { w, store };
}

test('all who want keys at once wait for one fetch, and later ones do not wait', async () => {
  const { w, store } = world();
  const [one, two] = await Promise.all([store.keys(source), store.keys(source)]);
  assert.equal(one, two);
  assert.equal(store.keys(source), one);
  assert.deepEqual(w.asked, [source.jwksUri]);
});

test('keys are refreshed while they are used, and nobody waits for that', async () => {
  const { w, store } = world();
  const first = await store.keys(source);
  w.now = 6 * MINUTE;
  assert.equal(store.keys(source), first);
  await new Promise(setImmediate);
  assert.notEqual(store.keys(source), first);
  assert.equal(w.asked.length, 2);
});

test('an issuer that is away does not take its keys with it at once, but in the end', async () => {
  const { w, store } = world();
  const first = await store.keys(source);
  w.answers.clear();
  w.now = 59 * MINUTE;
  assert.equal(store.keys(source), first);
  await new Promise(setImmediate);
  assert.match(w.problems.join(), /keys\.example/);
  w.now = 61 * MINUTE;
  await assert.rejects(async () => store.keys(source), /JWKS_UNAVAILABLE.*no https:\/\/keys/);
  w.answers.set(source.jwksUri, { keys: [] });
  w.now += 10_000;
  assert.ok(await store.keys(source));
});

test('failures and keys that nobody has are not asked for again at once, however often callers wish', async () => {
  const { w, store } = world();
  w.answers.clear();
  for (let i = 0; i < 50; i++) await assert.rejects(async () => store.keys(source));
  assert.equal(w.asked.length, 1);
  w.answers.set(source.jwksUri, { keys: [] });
  w.now = 5_000;
  const keys = await store.keys(source);
  for (let i = 0; i < 50; i++) assert.equal(await store.keys(source, keys), keys);
  assert.equal(w.asked.length, 2);
  w.now += 31_000;
  assert.notEqual(await store.keys(source, keys), keys);
  assert.equal(w.asked.length, 3);
});

test('without a place for keys, the issuer is asked where they are', async () => {
  const { w, store } = world();
  const issuer = { ...source, jwksUri: '', issuer: 'https://issuer.example/' };
  w.answers.set('https://issuer.example/.well-known/openid-configuration', { jwks_uri: source.jwksUri });
  await store.keys(issuer);
  assert.deepEqual(w.asked, ['https://issuer.example/.well-known/openid-configuration', source.jwksUri]);
  w.answers.set('https://bad.example/.well-known/openid-configuration', { jwks_uri: 'file:///etc/passwd' });
  await assert.rejects(
    async () => store.keys({ ...issuer, issuer: 'https://bad.example' }),
    /says nothing of jwks_uri/,
  );
});

test('inline keys are there at once, and broken ones never', async () => {
  const { w, store } = world();
  assert.ok(!(store.keys({ ...source, jwks: '{"keys":[]}' }) instanceof Promise));
  await assert.rejects(async () => store.keys({ ...source, jwks: 'x' }), /JWKS_UNAVAILABLE/);
  assert.deepEqual(w.asked, []);
});

test('discovery and keys come from the same service of the mesh, and keys from elsewhere do not', async () => {
  const { w, store } = world();
  const issuer = 'http://issuer.auth.svc:8080/realm';
  const about = `${issuer}/.well-known/openid-configuration`;
  const discovered = { ...source, jwksUri: '', issuer, keysService: 'auth/issuer.auth.svc.cluster.local' };
  for (const [uri, service] of [
    ['http://issuer.auth.svc:9090/keys', discovered.keysService],
    ['http://issuer.other.svc:8080/keys', ''],
    ['https://issuer.auth.svc:8080/keys', ''],
  ] as const) {
    w.answers.set(about, { jwks_uri: uri }).set(uri, { keys: [] });
    w.now += 120 * MINUTE;
    await store.keys(discovered);
    assert.deepEqual(w.asked.splice(0), [about, uri]);
    assert.deepEqual(w.services.splice(0), [discovered.keysService, service]);
  }
});
