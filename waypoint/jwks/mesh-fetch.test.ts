import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, threadDeadlines } from '../../core/http/index.ts';
import { type BackendPolicy, NO_LIMITS, serviceKey, View, type Workload } from '../../mesh/index.ts';
import { fill, service, workload } from '../../mesh/test-support.ts';
import { parseConfig } from '../config.ts';
import { ownPlace, ownSource } from '../place.ts';
import { Endpoints } from '../upstream/endpoints.ts';
import { Pool } from '../upstream/pool.ts';
import { meshFetch } from './mesh-fetch.ts';

const CONFIG = parseConfig({ env: { POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'w' }, readFile: () => undefined });
const PLACE = ownPlace(CONFIG);
const ISSUER = service('issuer');
const KEY = serviceKey(ISSUER);
const URL = 'http://issuer.default.svc.cluster.local/keys';

/** A fetch in a mesh of these objects; where it went is told. */
function world(...objects: readonly (typeof ISSUER | Workload)[]) {
  return ruledWorld(undefined, ...objects);
}

/** The same, with a rule for all services. */
function ruledWorld(policy: BackendPolicy | undefined, ...objects: readonly (typeof ISSUER | Workload)[]) {
  const view = new View({ network: '', localNode: '' });
  fill(view, objects);
  const went: string[] = [];
  const endpoints = new Endpoints({ view, place: () => PLACE, policy: () => policy, random: () => 0, now: () => 0 });
  const dial = (): Promise<never> => {
    went.push('mesh');
    return Promise.reject(new HttpError('connect-failed', 'not here'));
  };
  let known: Promise<void> = Promise.resolve();
  const fetch = meshFetch({
    endpoints,
    pool: new Pool({ dial, limits: CONFIG.limits }),
    own: () => ownSource(PLACE),
    deadlines: threadDeadlines(),
    addressesKnown: () => known,
    hasService: (key) => view.serviceByKey(key) !== undefined,
    outside: async () => {
      went.push('outside');
      return 'from outside';
    },
  });
  const wait = (): void => {
    known = new Promise(() => {});
  };
  return { fetch, went, wait };
}

const endpoint = (tunnelProtocol: Workload['tunnelProtocol'] = 'HBONE') =>
  workload('issuer-1', { addresses: ['10.0.0.1'], services: { [KEY]: { 80: 8000 } }, tunnelProtocol });

test('a URL that names no service is fetched outside', async () => {
  const { fetch, went } = world(ISSUER, endpoint());
  assert.equal(await fetch(URL, 1_000, ''), 'from outside');
  assert.deepEqual(went, ['outside']);
});

test('a name that is no service of the mesh is looked for outside', async () => {
  const { fetch, went } = world();
  assert.equal(await fetch(URL, 1_000, KEY), 'from outside');
  assert.deepEqual(went, ['outside']);
});

test('an endpoint without a tunnel is not called from here, whatever its address: it is fetched as from outside', async () => {
  const { fetch, went } = world(ISSUER, endpoint('NONE'));
  assert.equal(await fetch(URL, 1_000, KEY), 'from outside');
  assert.deepEqual(went, ['outside']);
});

test('where TLS is asked for, an endpoint without a tunnel is not called, and nothing is fetched in the clear', async () => {
  const policy: BackendPolicy = { service: KEY, port: 0, balancing: 'RANDOM', refusal: '', limits: NO_LIMITS };
  const tls = { sni: 'issuer', names: [], unverified: false, roots: '', chain: '', key: '' };
  const rows: readonly (readonly [BackendPolicy, RegExp])[] = [
    [{ ...policy, tls }, /TLS is asked for, and \S+issuer-1 has no tunnel: say https in the URL/],
    [{ ...policy, refusal: 'no key' }, /no key/],
  ];
  for (const [ruled, expected] of rows) {
    const { fetch, went } = ruledWorld(ruled, ISSUER, endpoint('NONE'));
    await assert.rejects(fetch(URL, 1_000, KEY), expected);
    assert.deepEqual(went, []);
  }
});

test('what has a tunnel is fetched through it, and never in the clear when that fails', async () => {
  const { fetch, went } = world(ISSUER, endpoint());
  await assert.rejects(
    fetch(URL, 1_000, KEY),
    /JWKS_FETCH_FAILED.*through the mesh, as spiffe:.*\/ns\/shop\/sa\/w: not here/,
  );
  assert.deepEqual(went, ['mesh']);
});

test('while nobody has said whether there is such a service, nothing is fetched in the clear', async () => {
  const { fetch, went, wait } = world();
  wait();
  await assert.rejects(fetch(URL, 20, KEY), /nobody has said whether there is such a service/);
  assert.deepEqual(went, []);
});
