import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, encodeAddress, encodeAuthorization } from '../core/xds/index.ts';
import { type Address, mustParseIp, View, type Workload } from '../mesh/index.ts';
import { FakeClock } from './fake-clock.ts';
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

function world(localNode = 'n1') {
  const clock = new FakeClock();
  const events: string[] = [];
  const short = (identity: string) => identity.split('/').at(-1);
  const state = new MeshState({
    view: new View({ network: '', localNode }),
    localNode,
    clock,
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

test('a large push lets connections have their turn while it is applied', async () => {
  const { events, send, state } = world();
  const many = Array.from({ length: 1_000 }, (_, i) => workload({ uid: `w${i}`, serviceAccount: 'far', node: 'n2' }));
  let turns = 0;
  let applied = false;
  const count = () => {
    turns += 1;
    if (!applied) setImmediate(count);
  };
  setImmediate(count);
  const rejected = await send([...many, { name: 'bad', bytes: Buffer.from('ff', 'hex') }], ['w0']);
  applied = true;
  assert.equal(rejected.length, 1);
  assert.ok(turns >= 3, `${turns} turns`);
  assert.equal([...state.view.workloads()].length, 999);
  assert.deepEqual(events, ['changed']);
});
