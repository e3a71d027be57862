import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markOf } from '../view/mark.ts';
import type { SessionPersistence } from './model.ts';
import { Sessions } from './session.ts';
import { backend } from './test-routes.ts';

const POLICY: SessionPersistence = {
  kind: 'COOKIE',
  name: 'shop',
  cookieAttributes: '; Path=/',
  isPermanent: false,
  absoluteTimeoutMs: 0,
  idleTimeoutMs: 0,
};
const V1 = backend('shop/v1');
const V2 = backend('shop/v2', { weight: 0 });
const UID = 'cluster//Pod/shop/cart-1';
const NOW = 1_800_000_000;

const sessions = (fields: Partial<SessionPersistence> = {}) => new Sessions({ ...POLICY, ...fields }, [V1, V2]);
const tokenOf = (value: string): string => /^shop=([^;]+)/.exec(value)?.[1] ?? '';
/** Of an endpoint of v1. */
const token = (of: Sessions, begun = NOW, seen = NOW) => tokenOf(of.header(V1, UID, begun, seen).value);

test('a token leads every proxy that knows the rule back to the backend and the endpoint', () => {
  const made = tokenOf(sessions().header(V2, UID, NOW, NOW).value);
  const read = sessions().read(made, NOW + 1_000_000);
  assert.equal(read?.backend, V2, 'also without a weight');
  assert.equal(read?.mark, markOf(UID));
  assert.equal(read?.isAgeing, false);
});

test('a token says no names', () => {
  assert.match(token(sessions()), /^[0-9a-f]{24}$/);
  assert.match(token(sessions({ idleTimeoutMs: 1_000 })), /^[0-9a-f]{24}\.[0-9a-z]+\.[0-9a-z]+$/);
});

test('what is no token, or one of another rule, leads nowhere', () => {
  const good = token(sessions());
  const other = new Sessions(POLICY, [backend('shop/v1', { port: 81 }), backend('shop/v3')]);
  const invalid = new Sessions(POLICY, [backend('shop/v1', { invalidStatus: 500 })]);
  for (const [name, of, text] of [
    ['none', sessions(), ''],
    ['words', sessions(), 'cart-1'],
    ['more', sessions(), `${good}0`],
    ['less', sessions(), good.slice(1)],
    ['capitals', sessions(), good.toUpperCase()],
    ['another rule', other, good],
    ['a backend that can not be had', invalid, good],
    ['a service by its key', sessions(), 'shop/v1'],
  ] as const) {
    if (name === 'capitals' && good === good.toUpperCase()) continue;
    assert.equal(of.read(text, NOW), undefined, name);
  }
});

test('a session ends when its time is over', async (t) => {
  const absolute = { absoluteTimeoutMs: 60_000 };
  const idle = { idleTimeoutMs: 10_000 };
  const rows: Readonly<Record<string, readonly [Partial<SessionPersistence>, begun: number, seen: number, boolean]>> = {
    'just before the absolute timeout': [absolute, -59, -59, true],
    'at the absolute timeout, however lately it was seen': [absolute, -60, 0, false],
    'just before the idle timeout': [idle, -1_000, -9, true],
    'at the idle timeout': [idle, -1_000, -10, false],
    'idle for longer than that, where nobody minds': [absolute, -50, -50, true],
    'both, within': [{ ...absolute, ...idle }, -50, -5, true],
    'both, too old': [{ ...absolute, ...idle }, -61, -1, false],
    'begun by a clock that is a little ahead': [absolute, 50, 50, true],
    'begun in the future': [absolute, 100, 0, false],
    'seen in the future': [idle, 0, 1_000, false],
  };
  for (const [name, [fields, begun, seen, isGood]] of Object.entries(rows)) {
    await t.test(name, () => {
      const of = sessions(fields);
      assert.equal(of.read(token(of, NOW + begun, NOW + seen), NOW) !== undefined, isGood);
    });
  }
  await t.test('a token without times is of no session that has some', () => {
    assert.equal(sessions(idle).read(token(sessions()), NOW), undefined);
  });
});

test('a client is told again before it seems idle, and not with every answer', () => {
  const of = sessions({ idleTimeoutMs: 80_000 });
  assert.equal(of.read(token(of, NOW - 500, NOW - 9), NOW)?.isAgeing, false);
  const old = of.read(token(of, NOW - 500, NOW - 10), NOW);
  assert.deepEqual([old?.isAgeing, old?.begun], [true, NOW - 500]);
});

test('how a client is told', async (t) => {
  const rows: Readonly<Record<string, readonly [Partial<SessionPersistence>, string, RegExp]>> = {
    'a cookie': [{}, 'set-cookie', /^shop=[0-9a-f]{24}; Path=\/$/],
    'a header': [{ kind: 'HEADER', name: 'x-shop' }, 'x-shop', /^[0-9a-f]{24}$/],
    'a cookie that stays, for what is left': [
      { isPermanent: true, absoluteTimeoutMs: 60_000 },
      'set-cookie',
      /^shop=[0-9a-f]{24}\.\w+\.\w+; Max-Age=50; Path=\/$/,
    ],
  };
  for (const [row, [fields, name, value]] of Object.entries(rows)) {
    await t.test(row, () => {
      const header = sessions(fields).header(V1, UID, NOW - 10, NOW);
      assert.equal(header.name, name);
      assert.match(header.value, value);
    });
  }
});
