import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resolution } from '../../mesh/index.ts';
import { Hostnames, type HostnamesOptions, type LookUp, type NameRecord } from './hostnames.ts';

type Said = readonly NameRecord[] | string;

/** A name server that says what the test wants, and counts the questions of the first family. */
function world(o: Partial<HostnamesOptions> = {}) {
  const says = new Map<string, Said>();
  const state = { nowMs: 1_000, asked: 0 };
  const lookUp: LookUp = async (hostname, family) => {
    if (family === 4) state.asked += 1;
    const said = says.get(`${hostname}/${family}`) ?? 'ENODATA';
    if (typeof said === 'string') throw Object.assign(new Error(said), { code: said });
    return said;
  };
  const hostnames = new Hostnames({ lookUp, families: [4, 6], now: () => state.nowMs, ...o });
  const { signal } = new AbortController();
  const resolve = async (hostname = 'db.example.com') => shown(await hostnames.resolve(hostname, signal));
  const say = (family: 4 | 6, said: Said, hostname = 'db.example.com') => says.set(`${hostname}/${family}`, said);
  return { state, resolve, say, hostnames };
}

const shown = (r: Resolution) => ('error' in r ? r.error : r.addresses.join(' '));
const record = (address: string, ttl = 30): NameRecord => ({ address, ttl });

test('a name means the addresses of both families, for as long as the shortest record says', async () => {
  const { state, resolve, say } = world();
  say(4, [record('192.0.2.1', 30), record('192.0.2.2', 20)]);
  say(6, [record('2001:db8::1', 60)]);
  assert.equal(await resolve(), '192.0.2.1 192.0.2.2 2001:db8::1');
  say(4, [record('192.0.2.9')]);
  state.nowMs += 19_999;
  assert.equal(await resolve(), '192.0.2.1 192.0.2.2 2001:db8::1');
  assert.equal(state.asked, 1);
  state.nowMs += 1;
  assert.equal(await resolve(), '192.0.2.9 2001:db8::1');
});

const records: readonly [string, Said, Said, string][] = [
  ['only IPv4', [record('192.0.2.1')], 'ENODATA', '192.0.2.1'],
  ['only IPv6', 'ENODATA', [record('2001:db8::1')], '2001:db8::1'],
  ['IPv6, while the question for IPv4 fails', 'ESERVFAIL', [record('2001:db8::1')], '2001:db8::1'],
  ['nothing', 'ENOTFOUND', 'ENOTFOUND', 'the name has no address'],
  ['a name without such records', 'ENODATA', 'ENODATA', 'the name has no address'],
  ['nothing, and a failure', 'ENODATA', 'ETIMEOUT', 'the name server failed: ETIMEOUT'],
  ['what is no address', [record('nonsense')], 'ENODATA', 'the name has no address'],
];
for (const [name, v4, v6, want] of records) {
  test(`what name servers say: ${name}`, async () => {
    const { resolve, say } = world();
    say(4, v4);
    say(6, v6);
    assert.equal(await resolve(), want);
  });
}

test('a record with no time to live spares a burst, and one for ever is asked again after an hour', async () => {
  const { state, resolve, say } = world();
  say(4, [record('192.0.2.1', 0)]);
  await resolve();
  state.nowMs += 999;
  await resolve();
  assert.equal(state.asked, 1);
  say(4, [record('192.0.2.1', 4_000_000_000)]);
  state.nowMs += 1;
  await resolve();
  state.nowMs += 3_600_000;
  await resolve();
  assert.equal(state.asked, 3);
});

test('what is not there is asked for again after a while', async () => {
  const { state, resolve, say } = world();
  await resolve();
  say(4, [record('192.0.2.1')]);
  state.nowMs += 4_999;
  assert.equal(await resolve(), 'the name has no address');
  state.nowMs += 1;
  assert.equal(await resolve(), '192.0.2.1');
});

test('an answer that ran out serves on while the name server fails, for an hour, and not once the name is gone', async () => {
  const { state, resolve, say } = world();
  say(4, [record('192.0.2.1', 30)]);
  await resolve();
  say(4, 'ETIMEOUT');
  state.nowMs += 30_000;
  assert.equal(await resolve(), '192.0.2.1');
  state.nowMs += 5_000;
  assert.equal(await resolve(), '192.0.2.1');
  assert.equal(state.asked, 3, 'the name server is asked again after 5 s, not by every connection');
  state.nowMs += 3_600_000;
  assert.equal(await resolve(), 'the name server failed: ETIMEOUT');
  say(4, [record('192.0.2.1', 30)]);
  state.nowMs += 5_000;
  await resolve();
  say(4, 'ENOTFOUND');
  state.nowMs += 30_000;
  assert.equal(await resolve(), 'the name has no address');
});

test('all who ask at the same time share one question, and one who gives up takes nothing from the others', async () => {
  const { promise, resolve: answer } = Promise.withResolvers<readonly NameRecord[]>();
  const { hostnames } = world({ lookUp: () => promise, families: [4] });
  const leaving = new AbortController();
  const staying = hostnames.resolve('db.example.com', new AbortController().signal);
  const left = hostnames.resolve('db.example.com', leaving.signal);
  leaving.abort(new Error('the pod is gone'));
  await assert.rejects(left, /the pod is gone/);
  answer([record('192.0.2.1')]);
  assert.equal(shown(await staying), '192.0.2.1');
});

test('a name server that never answers is waited for until the deadline', async () => {
  const { resolve } = world({ lookUp: () => new Promise(() => {}), deadlineMs: 20 });
  assert.equal(await resolve(), 'no answer within 0.02 s');
});

test('names that are remembered and questions under way are bounded', async () => {
  const few = world({ maxNames: 2 });
  for (const name of ['a', 'b', 'c', 'b', 'a']) await few.resolve(name);
  assert.equal(few.state.asked, 4, 'b was remembered, a had made room for c');
  const { hostnames } = world({ lookUp: () => new Promise(() => {}), maxUnderWay: 1, deadlineMs: 20 });
  const { signal } = new AbortController();
  const first = hostnames.resolve('a', signal);
  assert.equal(shown(await hostnames.resolve('b', signal)), 'too many names are being looked up');
  await first;
});
