import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../core/time/index.ts';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  encodeAddress,
  encodeAuthorization,
  type Rejection,
} from '../core/xds/index.ts';
import { type Address, type Authorization, evaluate, mustParseIp, View, type Workload } from '../mesh/index.ts';
import { MeshState } from './mesh-state.ts';

function workload(overrides: Partial<Workload> = {}): Workload {
  return {
    uid: 'c//Pod/shop/web',
    name: 'web',
    namespace: 'shop',
    addresses: [mustParseIp('10.0.0.1')],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: 'web',
    node: 'n1',
    canonicalName: 'web',
    canonicalRevision: 'v1',
    workloadType: 'DEPLOYMENT',
    workloadName: 'web',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'c',
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
    ...overrides,
  };
}

/** Its time stands still unless told otherwise: what is sent is applied at once. */
function world(localNode = 'n1', now: () => number = () => 0) {
  const clock = new FakeClock();
  const events: string[] = [];
  const short = (identity: string) => identity.split('/').at(-1);
  const state = new MeshState({
    view: new View({ network: '', localNode }),
    localNode,
    clock,
    now,
    onIdentityWanted: (identity) => events.push(`wanted ${short(identity)}`),
    onIdentityGone: (identity) => events.push(`gone ${short(identity)}`),
  });
  state.onChange(() => events.push('changed'));
  const send = (
    upserted: readonly (Workload | { bytes: Uint8Array; name: string })[],
    removed: readonly string[] = [],
  ) =>
    state.onUpdate(ADDRESS_TYPE, {
      upserted: upserted.map((w) => {
        if ('bytes' in w) return { name: w.name, version: '1', bytes: w.bytes };
        const address: Address = { kind: 'workload', workload: w };
        return { name: w.uid, version: '1', bytes: encodeAddress(address) };
      }),
      removed,
    });
  return { clock, events, send, state };
}

test('a bad resource is refused with its field, and the good ones of the same update are there', () => {
  const { send, state } = world();
  const bad = { name: 'bad', bytes: Buffer.from('0a022807', 'hex') };
  assert.deepEqual(send([bad, workload()]), [{ name: 'bad', reason: 'tunnel_protocol: unknown value 7' }]);
  assert.equal(state.view.workloadByUid('c//Pod/shop/web')?.name, 'web');
});

test('proxies hear of policies and of workloads, after the view has them', () => {
  const { events, send, state } = world();
  send([workload({ node: 'elsewhere' })]);
  assert.deepEqual(events, ['changed']);
  const policy = {
    name: 'p',
    namespace: 'shop',
    scope: 'NAMESPACE',
    action: 'DENY',
    rules: [],
    dryRun: false,
  } as const;
  let held = 0;
  state.onChange(() => {
    held = [...state.view.authorizations()].length;
  });
  const bytes = encodeAuthorization(policy);
  state.onUpdate(AUTHORIZATION_TYPE, { upserted: [{ name: 'shop/p', version: '', bytes }], removed: [] });
  assert.equal(held, 1);
  state.onUpdate(AUTHORIZATION_TYPE, { upserted: [], removed: ['shop/p'] });
  assert.equal(held, 0);
});

test('certificates are asked for once for an identity of this node, and forgotten with its last workload', () => {
  const { events, send } = world();
  send([workload({ uid: 'a' }), workload({ uid: 'b' })]);
  send([workload({ uid: 'far', serviceAccount: 'far', node: 'n2' })]);
  send([workload({ uid: 'plain', serviceAccount: 'plain', tunnelProtocol: 'NONE' })]);
  send([], ['a']);
  assert.deepEqual(
    events.filter((e) => e !== 'changed'),
    ['wanted web', 'wanted web'],
  );
  send([], ['b', 'far']);
  assert.equal(events.filter((e) => e !== 'changed').at(-1), 'gone web');
});

test('a workload that changes its account or its node takes its old identity along', () => {
  const { events, send } = world();
  send([workload({ uid: 'a' })]);
  send([workload({ uid: 'a', serviceAccount: 'other' })]);
  assert.deepEqual(
    events.filter((e) => e !== 'changed'),
    ['wanted web', 'wanted other', 'gone web'],
  );
  send([workload({ uid: 'a', serviceAccount: 'other', node: 'n2' })]);
  assert.equal(events.filter((e) => e !== 'changed').at(-1), 'gone other');
});

const info = { name: 'web', namespace: 'shop', serviceAccount: 'web' };

test('a pod finds its own record at once, or late, or is told after five seconds that there is none', async () => {
  const { clock, send, state } = world();
  const { signal } = new AbortController();
  const late = state.workloadReady(info, signal);
  const never = state.workloadReady({ ...info, name: 'nobody' }, signal);
  await clock.advance(4_999);
  send([workload()]);
  assert.equal((await late).uid, 'c//Pod/shop/web');
  assert.equal((await state.workloadReady(info, signal)).uid, 'c//Pod/shop/web');
  const refused = assert.rejects(never, { code: 'WORKLOAD_UNKNOWN' });
  await clock.advance(1);
  await refused;
  assert.equal(clock.pending, 0);
});

test('waiting for a record ends with the connection that waited', async () => {
  const { clock, state } = world();
  const abort = new AbortController();
  const waiting = state.workloadReady(info, abort.signal);
  abort.abort(new Error('hung up'));
  await assert.rejects(waiting, /hung up/);
  assert.equal(clock.pending, 0);
});

/** Reading it costs a millisecond: what is done between two turns of the loop can be counted. */
function countedTime() {
  let nowMs = 0;
  let turnMs = 0;
  let longestMs = 0;
  let running = true;
  const turn = () => {
    longestMs = Math.max(longestMs, nowMs - turnMs);
    turnMs = nowMs;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    now: () => nowMs++,
    stop() {
      running = false;
      return longestMs;
    },
  };
}

test('a large push, removals and all, is applied in slices of five milliseconds, and told once', async () => {
  const time = countedTime();
  const { events, send, state } = world('n1', time.now);
  const many = Array.from({ length: 100 }, (_, i) => workload({ uid: `w${i}`, serviceAccount: 'far', node: 'n2' }));
  const rejected = await send([...many, { name: 'bad', bytes: Buffer.from('ff', 'hex') }]);
  assert.equal(rejected.length, 1);
  assert.equal([...state.view.workloads()].length, 100);
  await send(
    [],
    many.slice(1).map(({ uid }) => uid),
  );
  assert.equal([...state.view.workloads()].length, 1);
  assert.deepEqual(events, ['changed', 'changed']);
  assert.ok(time.stop() <= 6, 'a slice ends after 4 ms; one reading each begins and ends it');
});

test('of a large set of policies all are in force or none, at every turn', async () => {
  const time = countedTime();
  const { events, state } = world('n1', time.now);
  const policy = (i: number, action: Authorization['action']) =>
    encodeAuthorization({ name: `p${i}`, namespace: 'shop', scope: 'NAMESPACE', action, rules: [], dryRun: false });
  const indexes = Array.from({ length: 100 }, (_, i) => i);
  const sets = new Set<string>();
  let running = true;
  const look = () => {
    const held = [...state.view.authorizations()];
    sets.add(`${held.length} ${[...new Set(held.map(({ action }) => action))].join()}`);
    if (running) setImmediate(look);
  };
  look();
  const send = (upserted: readonly (readonly [string, Uint8Array])[], removed: readonly string[] = []) =>
    state.onUpdate(AUTHORIZATION_TYPE, {
      upserted: upserted.map(([name, bytes]) => ({ name, version: '1', bytes })),
      removed,
    });
  await send(indexes.map((i) => [`shop/p${i}`, policy(i, 'ALLOW')]));
  look();
  // One is replaced by another name, the others by themselves.
  const next = indexes.map((i) => [`shop/p${i + 1}`, policy(i + 1, 'DENY')] as const);
  const rejected = await send([...next, ['shop/bad', Buffer.from('ff', 'hex')]], ['shop/p0']);
  look();
  running = false;
  assert.equal(rejected.length, 1);
  assert.deepEqual([...sets], ['0 ', '100 ALLOW', '101 DENY']); // what stands in for the bad one came with the others
  assert.deepEqual(events, ['changed', 'changed']);
  assert.ok(time.stop() <= 6);
});

const policies = (
  state: MeshState,
  upserted: readonly (readonly [name: string, bytes: Uint8Array])[],
  removed: readonly string[] = [],
) =>
  state.onUpdate(AUTHORIZATION_TYPE, {
    upserted: upserted.map(([name, bytes]) => ({ name, version: '1', bytes })),
    removed,
  }) as readonly Rejection[];

/** An Authorization with one rule whose source range has three bytes. */
const unreadableRule = (scope: Authorization['scope'], action: Authorization['action'], dryRun = false) => {
  const good = encodeAuthorization({ name: 'p', namespace: 'shop', scope, action, rules: [], dryRun });
  return Buffer.concat([good, Buffer.from('2a0b0a0912072a050a03010203', 'hex')]);
};

test('a policy that cannot be read, and of which nothing is held, denies as far as it reaches', () => {
  const verdictFor = (namespace: string, bytes: Uint8Array, name = 'shop/p') => {
    const { state } = world();
    const other = workload({ uid: 'o', name: 'other', namespace });
    state.onUpdate(ADDRESS_TYPE, {
      upserted: [{ name: 'o', version: '', bytes: encodeAddress({ kind: 'workload', workload: other }) }],
      removed: [],
    });
    const rejected = policies(state, [[name, bytes]]);
    assert.equal(rejected.length, 1);
    const facts = { from: at('10.0.0.9'), to: at('10.0.0.1') };
    return evaluate(state.view.policyScope(other), facts).verdict;
  };
  const at = (ip: string) => ({ ip: mustParseIp(ip), port: 80 });
  const rows: readonly [string, Uint8Array, inShop: string, elsewhere: string][] = [
    ['ALLOW of a namespace', unreadableRule('NAMESPACE', 'ALLOW'), 'deny', 'allow'],
    ['DENY of a namespace', unreadableRule('NAMESPACE', 'DENY'), 'deny', 'allow'],
    ['ALLOW of the mesh', unreadableRule('GLOBAL', 'ALLOW'), 'deny', 'deny'],
    ['DENY of the mesh', unreadableRule('GLOBAL', 'DENY'), 'deny', 'deny'],
    ['a dry run', unreadableRule('GLOBAL', 'DENY', true), 'allow', 'allow'],
    ['for those who name it', unreadableRule('WORKLOAD_SELECTOR', 'DENY'), 'allow', 'allow'],
    ['no message at all', Buffer.from('ffff', 'hex'), 'deny', 'deny'],
    ['a scope of the future', Buffer.from('0a0170120473686f701809', 'hex'), 'deny', 'deny'],
  ];
  for (const [name, bytes, inShop, elsewhere] of rows) {
    assert.deepEqual([verdictFor('shop', bytes), verdictFor('bar', bytes)], [inShop, elsewhere], name);
  }
  assert.equal(verdictFor('bar', Buffer.from('ff', 'hex'), 'a name without a slash'), 'deny');
});

test('what stands in for an unreadable policy goes when the policy can be read or is removed', () => {
  const { state } = world();
  const held = () => [...state.view.authorizations()].map((p) => `${p.namespace}/${p.name} ${p.scope} ${p.action}`);
  policies(state, [['shop/p', Buffer.from('ff', 'hex')]]);
  assert.deepEqual(held(), ['shop/p GLOBAL DENY']);
  const good = encodeAuthorization({
    name: 'p',
    namespace: 'shop',
    scope: 'NAMESPACE',
    action: 'ALLOW',
    rules: [],
    dryRun: false,
  });
  policies(state, [['shop/p', good]]);
  assert.deepEqual(held(), ['shop/p NAMESPACE ALLOW']);
  const [refusal] = policies(state, [['shop/p', Buffer.from('ff', 'hex')]]);
  assert.match(refusal?.reason ?? '', /its last version stays in force/);
  assert.deepEqual(held(), ['shop/p NAMESPACE ALLOW']);
  policies(state, [['odd', Buffer.from('ff', 'hex')]]);
  policies(state, [], ['odd', 'shop/p']);
  assert.deepEqual(held(), []);
  state.onUpdate(AUTHORIZATION_TYPE, { upserted: [], removed: [], unreadable: [{ name: 'a/b', reason: 'missing' }] });
  assert.deepEqual(held(), ['a/b GLOBAL DENY']);
});
