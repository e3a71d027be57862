import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSpiffeId, type SpiffeId } from '../../mesh/index.ts';
import { CertificateAuthority, generateKeyAndCsr, inspectCertificate, parseCsr } from '../identity/index.ts';
import { createLogger } from '../telemetry/index.ts';
import { FakeClock, settle } from '../time/index.ts';
import { checkChain } from './chain.ts';
import { CertificateManager } from './manager.ts';
import { RequestQueue } from './request-queue.ts';
import { refreshAt, retryAt } from './schedule.ts';

const id = (name: string): SpiffeId => parseSpiffeId(`spiffe://cluster.local/ns/shop/sa/${name}`);
const DAY_S = 86_400;
const log = createLogger({ format: 'plain', level: 'off' });

/** A manager whose authority answers when the test lets it. */
async function harness(options: { readonly hold?: boolean } = {}) {
  const clock = new FakeClock();
  const authority = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: new Date(clock.now()) });
  const asked: string[] = [];
  const world = { failing: undefined as Error | undefined, held: [] as (() => void)[], hold: options.hold ?? false };
  const manager = new CertificateManager({
    signer: {
      createCertificate: async (csrPem, identity, ttlSeconds, signal) => {
        asked.push(identity.split('/').at(-1) ?? '');
        if (world.hold) {
          const gate = Promise.withResolvers<void>();
          signal?.addEventListener('abort', () => gate.reject(signal.reason), { once: true });
          world.held.push(gate.resolve);
          await gate.promise;
        }
        if (world.failing !== undefined) throw world.failing;
        const now = new Date(clock.now());
        return (await authority.sign({ csrPem, identities: [identity], ttlSeconds, now })).chainPem;
      },
    },
    ttlSeconds: DAY_S,
    clock,
    random: () => 0.5,
    log,
  });
  const until = async (count: number) => {
    const deadline = Date.now() + 5_000;
    while (asked.length < count && Date.now() < deadline) await settle();
    assert.equal(asked.length, count);
  };
  const fetched = async (name: string) => {
    const promise = manager.fetch(id(name));
    return promise;
  };
  return { clock, authority, asked, world, manager, until, fetched, [Symbol.dispose]: () => manager[Symbol.dispose]() };
}

const rejected = async (promise: Promise<unknown>): Promise<{ code?: string; message: string }> =>
  promise.then(
    () => assert.fail('was not rejected'),
    (error) => error,
  );

test('realtime goes before warmup before background, then who came first; raising keeps the place in time', () => {
  const queue = new RequestQueue<string>();
  queue.add('refresh', 'background', 1);
  queue.add('warm-late', 'warmup', 3);
  queue.add('warm-early', 'warmup', 2);
  queue.add('raised', 'warmup', 4);
  queue.add('now', 'realtime', 5);
  queue.add('raised', 'realtime', 6);
  queue.add('raised', 'background', 7);
  const order = Array.from({ length: 6 }, () => queue.take());
  assert.deepEqual(order, ['raised', 'now', 'warm-early', 'warm-late', 'refresh', undefined]);
});

const REFRESH: readonly (readonly [string, number, number, number, number, number])[] = [
  // notBefore, notAfter, last try, random, wanted
  ['half the lifetime', 0, 1_000_000, 0, 0.5, 500_000],
  ['10 % early at the most', 0, 1_000_000, 0, 0, 450_000],
  ['10 % late at the most', 0, 1_000_000, 0, 1, 550_000],
  ['at once when it is past its half, but not within 10 s', 0, 1_000_000, 900_000, 0.5, 910_000],
  ['10 s after the last try for a very short one', 0, 4_000, 0, 0.5, 10_000],
  ['soon when it starts in the future', 60_000, 1_060_000, 0, 0.5, 10_000],
];
for (const [name, notBefore, notAfter, lastTry, random, wanted] of REFRESH) {
  test(`a certificate is refreshed ${name}`, () => {
    assert.equal(refreshAt({ notBefore, notAfter }, lastTry, random), wanted);
  });
}

const RETRY: readonly (readonly [string, number, number, number | undefined, number, number])[] = [
  // failures, failing for, held until, random, wait
  ['after 1 s at first', 1, 0, undefined, 0.5, 1_000],
  ['20 % sooner at the most', 1, 0, undefined, 0, 800],
  ['doubling', 5, 15_000, undefined, 0.5, 16_000],
  ['after 150 s at the most', 20, 500_000, undefined, 1, 150_000],
  ['after 150 s once it failed for a quarter of an hour', 3, 900_000, undefined, 0.5, 150_000],
  ['not within 10 s while a certificate is held', 1, 0, 5_000_000, 0.5, 10_000],
  ['not after the end of the one that is held', 9, 300_000, 1_060_000, 0.5, 60_000],
];
for (const [name, failures, failingFor, heldUntil, random, wait] of RETRY) {
  test(`a failed request is retried ${name}`, () => {
    const nowMs = 1_000_000;
    const at = retryAt({ failures, failingSinceMs: nowMs - failingFor, nowMs }, heldUntil, random);
    assert.equal(at - nowMs, wait);
  });
}

test('all who wait for one identity get the certificate of one request', async () => {
  using h = await harness();
  const [a, b] = await Promise.all([h.fetched('web'), h.fetched('web')]);
  assert.deepEqual(h.asked, ['web']);
  assert.equal(a.serial, b.serial);
  assert.deepEqual(inspectCertificate(a.chain).spiffeIds, [id('web')]);
  assert.equal(a.roots, h.authority.rootPem);
});

test('no more than eight requests are in flight, and a waiting connection overtakes prefetches', async () => {
  using h = await harness({ hold: true });
  for (let i = 0; i < 10; i += 1) h.manager.prefetch(id(`warm${i}`));
  await h.until(8);
  const urgent = h.fetched('urgent');
  const raised = h.fetched('warm9');
  assert.equal(h.asked.length, 8);
  for (const [index, next] of ['warm9', 'urgent', 'warm8'].entries()) {
    h.world.held[index]?.();
    await h.until(9 + index);
    assert.equal(h.asked.at(-1), next);
  }
  for (const release of h.world.held) release();
  await h.until(11);
  for (const release of h.world.held) release();
  await Promise.all([urgent, raised]);
});

test('a certificate is renewed at half its life, and connections get the new one', async () => {
  using h = await harness();
  const first = await h.fetched('web');
  const half = first.notBefore.getTime() + (first.notAfter.getTime() - first.notBefore.getTime()) / 2;
  await h.clock.advance(half - h.clock.now() - 1);
  assert.equal(h.asked.length, 1);
  await h.clock.advance(1);
  await h.until(2);
  for (let i = 0; i < 50 && (await h.fetched('web')).serial === first.serial; i += 1) await settle();
  assert.notEqual((await h.fetched('web')).serial, first.serial);
});

test('without a certificate callers are told at once why, until a retry succeeds', async () => {
  using h = await harness();
  h.world.failing = new Error('the authority is away');
  assert.equal((await rejected(h.fetched('web'))).code, 'CERTIFICATE_UNAVAILABLE');
  const again = await rejected(h.fetched('web'));
  assert.match(again.message, /the authority is away/);
  assert.equal(h.asked.length, 1); // being asked does not hurry the retry
  h.world.failing = undefined;
  await h.clock.advance(999);
  assert.equal(h.asked.length, 1);
  await h.clock.advance(1);
  await h.until(2);
  for (let i = 0; i < 50 && h.manager.dump()[0]?.state !== 'Available'; i += 1) await settle();
  await h.fetched('web');
});

test('when the control plane is heard again, who has nothing asks at once, and pauses are short again', async () => {
  using h = await harness();
  await h.fetched('held');
  h.world.failing = new Error('away');
  await rejected(h.fetched('web'));
  for (const [index, pause] of [1_000, 2_000, 4_000].entries()) {
    for (let i = 0; i < 50 && h.clock.pending < 2; i += 1) await settle();
    await h.clock.advance(pause);
    await h.until(3 + index);
  }
  for (let i = 0; i < 50 && h.clock.pending < 2; i += 1) await settle();
  h.manager.retry();
  h.manager.retry(); // one is under way
  await h.until(6);
  for (let i = 0; i < 50 && h.clock.pending < 2; i += 1) await settle();
  h.world.failing = undefined;
  await h.clock.advance(1_000);
  await h.until(7);
  for (let i = 0; i < 50 && h.manager.dump().some(({ state }) => state !== 'Available'); i += 1) await settle();
  await h.fetched('web');
  assert.equal(h.asked.filter((name) => name === 'held').length, 1, 'who has one does not ask');
});

test('a valid certificate is served through an outage of the authority, and not beyond its end', async () => {
  using h = await harness();
  const held = await h.fetched('web');
  h.world.failing = new Error('away');
  const half = held.notBefore.getTime() + (held.notAfter.getTime() - held.notBefore.getTime()) / 2;
  await h.clock.advance(half - h.clock.now());
  await h.until(2);
  for (const tries of [3, 4]) {
    for (let i = 0; i < 50 && h.clock.pending === 0; i += 1) await settle(); // a key is made by a real thread
    await h.clock.advance(10_000);
    await h.until(tries);
  }
  await h.clock.advance(held.notAfter.getTime() - h.clock.now() - 1);
  assert.equal((await h.fetched('web')).serial, held.serial);
  await h.clock.advance(1);
  assert.equal((await rejected(h.fetched('web'))).code, 'CERTIFICATE_UNAVAILABLE');
});

test('a connection waits five seconds for its certificate and no longer', async () => {
  using h = await harness({ hold: true });
  const waiting = rejected(h.fetched('web'));
  await h.until(1);
  await h.clock.advance(4_999);
  const gone = new AbortController();
  const aborted = rejected(h.manager.fetch(id('web'), gone.signal));
  gone.abort(new Error('the client hung up'));
  assert.match((await aborted).message, /hung up/);
  await h.clock.advance(1);
  assert.equal((await waiting).code, 'CERTIFICATE_TIMEOUT');
});

test('a forgotten identity is asked for no more, whether it was waiting or held', async () => {
  using h = await harness({ hold: true });
  const waiting = rejected(h.fetched('web'));
  await h.until(1);
  h.manager.forget(id('web'));
  assert.equal((await waiting).code, 'CERTIFICATE_FORGOTTEN');
  assert.deepEqual(h.manager.dump(), []);
  h.world.hold = false;
  await h.fetched('held');
  assert.equal(h.manager.dump()[0]?.state, 'Available');
  h.manager.forget(id('held'));
  assert.equal(h.clock.pending, 0);
  await h.clock.advance(DAY_S * 1_000);
  assert.equal(h.asked.length, 2);
});

test('prefetches are deduplicated and bounded', async () => {
  using h = await harness({ hold: true });
  for (let i = 0; i < 300; i += 1) h.manager.prefetch(id(`w${i}`));
  h.manager.prefetch(id('w0'));
  assert.equal(h.manager.dump().length, 8 + 256);
});

test('an answer of the authority is checked before it is used', async () => {
  const now = new Date();
  const authority = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const other = await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now });
  const mine = await generateKeyAndCsr(id('web'));
  const theirs = await generateKeyAndCsr(id('web'));
  const sign = async (csrPem: string, name: string) =>
    (await authority.sign({ csrPem, identities: [id(name)], ttlSeconds: 3_600, now })).chainPem;
  const good = await sign(mine.csrPem, 'web');
  const check = (pems: readonly string[], nowMs = now.getTime(), anyIdentity = false) =>
    checkChain(pems, { identity: id('web'), privateKeyPem: mine.privateKeyPem, nowMs, anyIdentity });

  assert.equal(check(good).material.chain, good[0]);
  const two = check([good[0] ?? '', `${authority.rootPem}${other.rootPem}`]);
  assert.equal(two.rootCerts.length, 2);
  assert.match(two.rootCerts[0]?.serialNumber ?? '', /^\d+$/);
  assert.match(two.certChain[0]?.expirationTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const refusals: readonly (readonly [() => unknown, RegExp])[] = [
    [() => check([]), /empty chain/],
    [() => check([good[0] ?? '']), /without a root/],
    [() => check(good, now.getTime() + 3_600_001), /ended at/],
  ];
  for (const [refuse, reason] of refusals) assert.throws(refuse, { code: 'CERTIFICATE_UNUSABLE', message: reason });
  const wrongName = await sign(mine.csrPem, 'admin');
  assert.throws(() => check(wrongName), { message: /is for spiffe:\/\/cluster.local\/ns\/shop\/sa\/admin, not/ });
  assert.ok(check(wrongName, now.getTime(), true));
  const wrongKey = await sign(theirs.csrPem, 'web');
  assert.throws(() => check(wrongKey), { message: /another key/ });
});

test('a request is made with a fresh P-256 key and no subject', async () => {
  const { csrPem } = await generateKeyAndCsr(id('web'));
  const csr = parseCsr(csrPem);
  assert.equal(csr.commonName, '');
  assert.equal(csr.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});
