import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import * as z from 'zod';
import {
  envBoolean,
  envDuration,
  envInteger,
  envList,
  envOptionalText,
  envSome,
  envText,
  onShutdown,
  parseDuration,
  parseEnv,
  secret,
} from './index.ts';

const DURATIONS: readonly (readonly [string, number | 'malformed'])[] = [
  ['0', 0],
  ['24h', 86_400_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['300ms', 300],
  ['250us', 0.25],
  ['', 'malformed'],
  ['5', 'malformed'],
  ['-5s', 'malformed'],
  ['5s ', 'malformed'],
  ['5 s', 'malformed'],
  ['x5s', 'malformed'],
  ['5d', 'malformed'],
];
for (const [text, want] of DURATIONS) {
  test(`the duration "${text}" is ${want}${want === 'malformed' ? '' : ' ms'}`, () => {
    if (want === 'malformed') assert.throws(() => parseDuration(text), { code: 'DURATION_MALFORMED' });
    else assert.equal(parseDuration(text), want);
  });
}

const schema = z.object({
  NODE_NAME: envOptionalText(),
  NETWORK: envText('n1'),
  SECRET_TTL: envDuration(86_400_000),
  PACKET_MARK: envInteger(1337, { min: 1, max: 0xffff_ffff }),
  IPV6_ENABLED: envBoolean(true),
  ENABLE_ORIG_SRC: envBoolean(undefined),
  HOSTS: envList(),
  COLOURS: envSome(['red', 'green', 'blue']),
  TOKEN: secret(envInteger(1)),
});

test('unset and empty variables take their defaults, and the result is frozen', () => {
  const config = parseEnv(schema, { NODE_NAME: '', SECRET_TTL: '', PATH: '/bin' });
  assert.deepEqual(
    { ...config },
    {
      NODE_NAME: undefined,
      NETWORK: 'n1',
      SECRET_TTL: 86_400_000,
      PACKET_MARK: 1337,
      IPV6_ENABLED: true,
      HOSTS: [],
      TOKEN: 1,
    },
  );
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.HOSTS));
});

test('all problems are told together, with variable, value and reason', () => {
  assert.throws(
    () => parseEnv(schema, { SECRET_TTL: 'soon', PACKET_MARK: '0', IPV6_ENABLED: 'yep', TOKEN: 'hunter2' }),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.match(error.message, /SECRET_TTL="soon": must be a duration/);
      assert.match(error.message, /PACKET_MARK="0": must be a whole number from 1/);
      assert.match(error.message, /IPV6_ENABLED="yep": must be true or false/);
      assert.match(error.message, /TOKEN \(value hidden\)/);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    },
  );
});

test('some of the words that are known, in the order in which they are written', () => {
  assert.deepEqual(parseEnv(schema, { COLOURS: 'blue, red' }).COLOURS, ['blue', 'red']);
  for (const COLOURS of ['pink', 'red,pink', 'red,red', 'red,', ',']) {
    assert.throws(() => parseEnv(schema, { COLOURS }), /COLOURS=".*": must be one or more of red, green, blue/);
  }
});

test('the first SIGINT asks for a drain and the second ends the process at once', async () => {
  const source = new EventEmitter();
  const exits: number[] = [];
  using shutdown = onShutdown(undefined, source, (code) => exits.push(code));
  source.emit('SIGINT');
  assert.equal(await shutdown.requested, 'SIGINT');
  assert.deepEqual(exits, []);
  source.emit('SIGINT');
  assert.deepEqual(exits, [0]);
});

test('SIGTERM asks once and the handlers are gone after disposal', () => {
  const source = new EventEmitter();
  const asked: string[] = [];
  const shutdown = onShutdown((why) => asked.push(why), source);
  source.emit('SIGTERM');
  source.emit('SIGTERM');
  assert.deepEqual(asked, ['SIGTERM']);
  shutdown[Symbol.dispose]();
  assert.equal(source.listenerCount('SIGTERM') + source.listenerCount('SIGINT'), 0);
});
