import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeaderFields, type HttpError } from '../../core/http/index.ts';
import {
  type BackendPolicy,
  mustParseIp,
  NO_LIMITS,
  type Service,
  serviceKey,
  View,
  type Workload,
} from '../../mesh/index.ts';
import { parseConfig } from '../config.ts';
import { ownPlace } from '../place.ts';
import { SOURCE } from '../test-request.ts';
import { Endpoints } from './endpoints.ts';
import { type Asking, hashKeyOf } from './hash-key.ts';

const CART: Service = {
  name: 'cart',
  namespace: 'shop',
  hostname: 'cart.shop',
  addresses: [],
  ports: [{ servicePort: 80, targetPort: 8080, appProtocol: 'HTTP11' }],
  subjectAltNames: [],
  weightedWaypoints: [],
  ipFamilies: 'AUTOMATIC',
  canonical: true,
  ingressUseWaypoint: false,
  visibility: 'PUBLIC',
};
const KEY = serviceKey(CART);
const TARGET = { kind: 'service', service: KEY, port: 80 } as const;
const ANYBODY: Asking = { source: SOURCE, sent: [] };
const PLACE = ownPlace(
  parseConfig({ env: { POD_NAMESPACE: 'shop', SERVICE_ACCOUNT: 'w' }, readFile: () => undefined }),
);

function pod(n: number): Workload {
  return {
    ...PLACE,
    uid: `pod-${n}`,
    name: `pod-${n}`,
    addresses: [mustParseIp(`10.0.0.${n}`)],
    services: new Map([[KEY, []]]),
  };
}

/** Repeatable, and even enough. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function world(pods: number, policy: Partial<BackendPolicy> = {}) {
  const view = new View({ network: '', localNode: '' });
  view.upsertAddress({ kind: 'service', service: CART });
  for (let n = 1; n <= pods; n++) view.upsertAddress({ kind: 'workload', workload: pod(n) });
  const clock = { now: 0 };
  const whole: BackendPolicy = {
    service: KEY,
    port: 0,
    balancing: 'LEAST_REQUEST',
    refusal: '',
    limits: NO_LIMITS,
    ...policy,
  };
  const endpoints = new Endpoints({
    view,
    place: () => PLACE,
    policy: () => whole,
    random: randomFrom(7),
    now: () => clock.now,
  });
  const spread = (times: number): Readonly<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < times; i++) {
      const chosen = endpoints.choose(TARGET, ANYBODY);
      const { uid } = chosen.candidate.workload;
      counts[uid] = (counts[uid] ?? 0) + 1;
      endpoints.done(chosen);
    }
    return counts;
  };
  return { view, endpoints, clock, spread };
}

test('requests go to the endpoint that has less to do', () => {
  const { endpoints } = world(2);
  const held = Array.from({ length: 100 }, () => endpoints.choose(TARGET, ANYBODY));
  const first = held.filter(({ candidate }) => candidate.workload.uid === 'pod-1').length;
  assert.ok(Math.abs(first - 50) <= 3, `${first} of 100`);
});

test('taking turns is even for any number of endpoints', () => {
  for (const pods of [2, 3, 5]) {
    const counts = Object.values(world(pods, { balancing: 'ROUND_ROBIN' }).spread(1_000));
    assert.equal(counts.length, pods);
    for (const count of counts) assert.ok(Math.abs(count - 1_000 / pods) <= 3, `${counts}`);
  }
});

test('one that was tried is avoided while there is another', () => {
  const { endpoints } = world(3);
  const sent = [1, 2].map((n) => ({ workload: pod(n), port: 8080 }));
  for (let i = 0; i < 50; i++)
    assert.equal(endpoints.choose(TARGET, { ...ANYBODY, sent }).candidate.workload.uid, 'pod-3');
  assert.ok(endpoints.choose(TARGET, { ...ANYBODY, sent: [...sent, { workload: pod(3), port: 8080 }] }));
});

test('one that can not be connected to gets nothing for a while, without anybody configuring that', () => {
  const { endpoints, clock, spread } = world(3);
  for (let failures = 0; failures < 5; ) {
    const chosen = endpoints.choose(TARGET, ANYBODY);
    if (chosen.candidate.workload.uid === 'pod-2') {
      endpoints.report(chosen, { kind: 'local' });
      failures += 1;
    }
    endpoints.done(chosen);
  }
  assert.equal(endpoints.outOf(KEY, 80), 1);
  assert.equal(spread(200)['pod-2'], undefined);
  clock.now = 10_001;
  assert.ok((spread(200)['pod-2'] ?? 0) > 20);
});

test('with too few that are healthy, all are served again', () => {
  const outliers = {
    consecutive5xx: 1,
    consecutiveGateway: 0,
    consecutiveLocal: 0,
    baseEjectionMs: 60_000,
    maxEjectionPercent: 100,
    minHealthPercent: 50,
  };
  const { endpoints, spread } = world(4, { outliers });
  const out = new Set<string>();
  while (out.size < 3) {
    const chosen = endpoints.choose(TARGET, ANYBODY);
    const { uid } = chosen.candidate.workload;
    if (uid !== 'pod-4') {
      endpoints.report(chosen, { kind: 'answered', status: 500 });
      out.add(uid);
    }
    endpoints.done(chosen);
  }
  assert.equal(Object.keys(spread(200)).length, 4);
});

test('a new endpoint gets its share little by little', () => {
  const { view, clock, spread } = world(2, { slowStart: { windowMs: 10_000, minPercent: 10, aggression: 1 } });
  spread(10);
  clock.now = 20_000;
  view.upsertAddress({ kind: 'workload', workload: pod(3) });
  const early = spread(600)['pod-3'] ?? 0;
  clock.now = 26_000;
  const middle = spread(600)['pod-3'] ?? 0;
  clock.now = 40_000;
  const late = spread(600)['pod-3'] ?? 0;
  assert.ok(early < 60 && early < middle && middle < late, `${early} ${middle} ${late}`);
  assert.ok(late > 140, `${late}`);
});

test('at the limit of requests the next one is refused, until one has ended', () => {
  const { endpoints } = world(2, { limits: { ...NO_LIMITS, maxRequests: 2 } });
  const [one] = [endpoints.choose(TARGET, ANYBODY), endpoints.choose(TARGET, ANYBODY)];
  assert.throws(
    () => endpoints.choose(TARGET, ANYBODY),
    (error: HttpError) => error.detail === 'overflow',
  );
  if (one !== undefined) endpoints.done(one);
  assert.ok(endpoints.choose(TARGET, ANYBODY));
});

test('what a rule asks and we can not do is refused, with the reason', () => {
  const { endpoints } = world(1, { refusal: 'tls: not here' });
  assert.throws(() => endpoints.choose(TARGET, ANYBODY), /tls: not here/);
});

const HASH = { key: 'HEADER', name: 'x-user', table: 'RING', size: 1024 } as const;
const asUser = (user: number, sent: Asking['sent'] = []): Asking => ({
  source: SOURCE,
  sent,
  request: { target: '/', headers: HeaderFields.of({ 'x-user': `${user}` }) },
});

/** Where each of some users is sent. */
function usersIn({ endpoints }: ReturnType<typeof world>): readonly string[] {
  return Array.from({ length: 300 }, (_, user) => endpoints.choose(TARGET, asUser(user)).candidate.workload.uid);
}

test('with a hash, every thread sends a user to the same endpoint, again and again', () => {
  for (const table of ['RING', 'MAGLEV'] as const) {
    const hash = { ...HASH, table, size: 251 };
    const one = world(5, { hash });
    const users = usersIn(one);
    assert.deepEqual(usersIn(one), users);
    assert.deepEqual(usersIn(world(5, { hash })), users);
    assert.equal(new Set(users).size, 5);
  }
});

test('with a hash, a user stays when others come and go', () => {
  const mesh = world(5, { hash: HASH });
  const before = usersIn(mesh);
  mesh.view.removeAddress('pod-2');
  for (const [user, uid] of usersIn(mesh).entries()) if (before[user] !== 'pod-2') assert.equal(uid, before[user]);
  mesh.view.upsertAddress({ kind: 'workload', workload: pod(2) });
  assert.deepEqual(usersIn(mesh), before);
});

test('with a hash, an endpoint that is left out is passed over until it is in again', () => {
  const mesh = world(3, { hash: HASH });
  const before = usersIn(mesh);
  const user = before.indexOf('pod-1');
  for (let failures = 0; failures < 5; failures++) {
    mesh.endpoints.report(mesh.endpoints.choose(TARGET, asUser(user)), { kind: 'local' });
  }
  const now = usersIn(mesh);
  assert.equal(now.includes('pod-1'), false);
  for (const [one, uid] of now.entries()) if (before[one] !== 'pod-1') assert.equal(uid, before[one]);
  mesh.clock.now = 10_001;
  assert.deepEqual(usersIn(mesh), before);
});

test('with a hash, one that was tried is tried again', () => {
  const { endpoints } = world(3, { hash: HASH });
  const first = endpoints.choose(TARGET, asUser(1)).candidate;
  const sent = [{ workload: first.workload, port: 8080 }];
  for (let i = 0; i < 20; i++) {
    assert.equal(endpoints.choose(TARGET, asUser(1, sent)).candidate.workload.uid, first.workload.uid);
  }
});

test('with a hash, a request without the key goes where there is less to do', () => {
  const { endpoints } = world(2, { hash: HASH });
  const request = { target: '/', headers: HeaderFields.of({}) };
  const uids = Array.from({ length: 100 }, () => endpoints.choose(TARGET, { ...ANYBODY, request }));
  const first = uids.filter(({ candidate }) => candidate.workload.uid === 'pod-1').length;
  assert.ok(Math.abs(first - 50) <= 3, `${first} of 100`);
});

test('by which key of a request its endpoint is chosen', async (t) => {
  const request = {
    target: '/cart?User=7&user=8',
    headers: HeaderFields.of({ cookie: 'a=1; user="x"', 'x-user': 'y' }),
  };
  const rows = {
    header: [{ key: 'HEADER', name: 'x-user' }, 'y'],
    cookie: [{ key: 'COOKIE', name: 'user' }, 'x'],
    parameter: [{ key: 'QUERY_PARAMETER', name: 'user' }, '8'],
    'the address of the client': [{ key: 'SOURCE_IP', name: '' }, '10.0.0.200'],
    'a header that is not there': [{ key: 'HEADER', name: 'x-none' }, undefined],
    'a cookie that is not there, and is not made': [{ key: 'COOKIE', name: 'use' }, undefined],
  } as const;
  for (const [name, [key, expected]] of Object.entries(rows)) {
    await t.test(name, () => {
      const by = { ...ANYBODY, request };
      assert.equal(hashKeyOf({ ...HASH, ...key }, by, Math.random), expected);
    });
  }
  await t.test('of a connection only the address counts', () => {
    assert.equal(hashKeyOf({ ...HASH, key: 'SOURCE_IP' }, ANYBODY, Math.random), '10.0.0.200');
    assert.equal(hashKeyOf(HASH, ANYBODY, Math.random), undefined);
  });
});

test('whoever comes without the cookie gets one that leads to the same endpoint', () => {
  const hash = { ...HASH, key: 'COOKIE', name: 'user', cookieAttributes: '; Max-Age=60; HttpOnly' } as const;
  const { endpoints } = world(5, { hash });
  for (let i = 0; i < 50; i++) {
    const by: Asking = { ...ANYBODY, request: { target: '/', headers: HeaderFields.of({}) } };
    const first = endpoints.choose(TARGET, by).candidate.workload.uid;
    const made = by.newCookie;
    assert.match(made?.setCookie ?? '', /^user=[0-9a-f]+-[0-9a-f]+; Max-Age=60; HttpOnly$/);
    assert.equal(endpoints.choose(TARGET, by).candidate.workload.uid, first, 'a retry');
    assert.equal(by.newCookie, made);
    const again: Asking = {
      ...ANYBODY,
      request: { target: '/', headers: HeaderFields.of({ cookie: `user=${made?.value}` }) },
    };
    assert.equal(endpoints.choose(TARGET, again).candidate.workload.uid, first);
    assert.equal(again.newCookie, undefined);
  }
});
