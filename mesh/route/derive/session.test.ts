import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathMatch, SessionPersistence } from '../model.ts';
import { readSession, sessionAt } from './session.ts';

const MADE = /^ambit-session-[0-9a-f]{8}$/;
const SESSION = { kind: 'COOKIE', isPermanent: false, absoluteTimeoutMs: 0, idleTimeoutMs: 0 } as const;

test('what a rule may say of its sessions', async (t) => {
  const rows: Readonly<Record<string, readonly [object, Partial<SessionPersistence>]>> = {
    'nothing but that it wants them': [{}, SESSION],
    'a name': [{ sessionName: 'shop' }, { ...SESSION, name: 'shop' }],
    'a header': [
      { type: 'Header', sessionName: 'X-Shop' },
      { ...SESSION, kind: 'HEADER', name: 'x-shop' },
    ],
    timeouts: [
      { absoluteTimeout: '1h', idleTimeout: '90s' },
      { ...SESSION, absoluteTimeoutMs: 3_600_000, idleTimeoutMs: 90_000 },
    ],
    'a cookie that stays': [
      { absoluteTimeout: '1h', cookieConfig: { lifetimeType: 'Permanent' } },
      { ...SESSION, isPermanent: true, absoluteTimeoutMs: 3_600_000 },
    ],
    'a cookie in the later form': [
      { cookie: { name: 'shop', lifetimeType: 'Permanent' }, absoluteTimeout: '1h' },
      { ...SESSION, name: 'shop', isPermanent: true, absoluteTimeoutMs: 3_600_000 },
    ],
    'a header in the later form': [
      { type: 'Header', header: { name: 'x-shop' } },
      { ...SESSION, kind: 'HEADER', name: 'x-shop' },
    ],
  };
  for (const [name, [written, session]] of Object.entries(rows)) {
    await t.test(name, () => {
      const read = readSession(written, 'HTTPRoute a/b/0');
      assert.deepEqual(read.problems, []);
      assert.partialDeepStrictEqual(read.session, session);
      if (session.name === undefined) assert.match(read.session?.name ?? '', MADE);
    });
  }
});

test('rules without a name for their sessions do not share one', () => {
  const name = (rule: string) => readSession({}, rule).session?.name;
  assert.notEqual(name('HTTPRoute a/b/0'), name('HTTPRoute a/b/1'));
  assert.equal(name('HTTPRoute a/b/0'), name('HTTPRoute a/b/0'));
});

test('what can not be had is a problem of the rule', async (t) => {
  const rows: Readonly<Record<string, readonly [object, RegExp]>> = {
    'another type': [{ type: 'Query' }, /^sessionPersistence\.type: "Query" is neither Cookie nor Header$/],
    'no duration': [{ idleTimeout: '5' }, /^sessionPersistence\.idleTimeout: "5" is no duration$/],
    'a cookie that stays for ever': [
      { cookieConfig: { lifetimeType: 'Permanent' } },
      /^sessionPersistence\.absoluteTimeout: is missing/,
    ],
    'another lifetime': [{ cookieConfig: { lifetimeType: 'Long' } }, /lifetimeType: "Long" is neither/],
    'a cookie that would be two': [{ sessionName: 'a=b; c' }, /sessionName: "a=b; c" can not be the name of a cookie/],
    'a header that says where a message ends': [
      { type: 'Header', sessionName: 'Content-Length' },
      /can not be the name of a header/,
    ],
    'a header that the mesh says': [{ type: 'Header', sessionName: 'ambit-source' }, /can not be the name of a header/],
  };
  for (const [name, [written, why]] of Object.entries(rows)) {
    await t.test(name, () => {
      const { session, problems } = readSession(written, 'r');
      assert.equal(session, undefined);
      assert.match(problems.map(({ message }) => message).join('\n'), why);
    });
  }
});

test('a cookie is brought along only where the rule holds', async (t) => {
  const rows: Readonly<Record<string, readonly [PathMatch['kind'] | 'none', string, string]>> = {
    'no path': ['none', '', '/'],
    'every path': ['SEGMENTS', '/', '/'],
    'a prefix': ['SEGMENTS', '/shop', '/shop'],
    'one path': ['EXACT', '/shop/cart', '/shop/cart'],
    'a prefix of characters': ['PREFIX', '/pkg.Service/', '/pkg.Service'],
    'a pattern, up to where it is one': ['REGEX', '/p1/p2/.*/p3', '/p1/p2'],
    'a pattern from its beginning': ['REGEX', '.*', '/'],
    'a path that would be another attribute': ['EXACT', '/a/b;Domain=evil', '/a'],
  };
  for (const [name, [kind, value, path]] of Object.entries(rows)) {
    await t.test(name, () => {
      const { session } = readSession({ sessionName: 'shop' }, 'r');
      assert.ok(session);
      const match = kind === 'none' ? undefined : { kind, value, ignoreCase: false };
      const expected = `; Path=${path}; HttpOnly; SameSite=Strict`;
      assert.equal(sessionAt(session, match).cookieAttributes, expected);
    });
  }
});
