import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CelError } from '../../../../mesh/index.ts';
import type { Json } from '../types.ts';
import { compileRule } from './rule.ts';

const self: Json = {
  name: 'web',
  port: 80,
  ratio: 0.5,
  flags: ['a', 'b', 'a'],
  listeners: [
    { name: 'x', port: 1 },
    { name: 'y', port: 2, tls: {} },
  ],
  labels: { app: 'web', tier: 'db' },
  timeout: '1m30s',
  url: 'https://example.org:8443/a?b=c',
  namespace: 'n',
  'a-b': 1,
  nothing: null,
};

const truths = [
  'true && !false',
  'self.port == 80 && self.port != 81',
  'self.port >= 80 ? true : self.missing',
  'self.port + 2 * 3 == 86',
  '(self.port + 2) * 3 == 246',
  '7 / 2 == 3 && 7 % 2 == 1 && -7 / 2 == -3',
  'self.ratio < 1.0',
  "self.name in ['web', 'db']",
  "'app' in self.labels && !('x' in self.labels)",
  "self.labels['app'] == 'web'",
  'self.flags[1] == "b"',
  'has(self.name) && !has(self.missing) && !has(self.nothing)',
  'size(self.flags) == 3 && self.flags.size() == 3 && self.name.size() == 3',
  'self.listeners.all(l, l.port > 0)',
  'self.listeners.exists(l, has(l.tls))',
  "self.listeners.exists_one(l, l.name == 'x')",
  'self.listeners.filter(l, l.port > 1).size() == 1',
  "self.listeners.map(l, l.name) == ['x', 'y']",
  'self.labels.all(k, k.size() > 2)',
  'self.listeners.all(l1, self.listeners.exists_one(l2, l1.name == l2.name && l1.port == l2.port))',
  "self.name.startsWith('w') && self.name.endsWith('b') && self.name.contains('e')",
  "self.name.matches('^w.b$') && self.name.matches(r'(?i)WEB')",
  'self.name.matches(r"""^(?i)W[a-z]+$""")',
  "self.name.substring(1) == 'eb' && self.name.substring(0, 1) == 'w'",
  "'a,b'.split(',') == ['a', 'b'] && 'a.b.c'.split('.', 2)[1] == 'b.c'",
  "int('12') == 12",
  "duration(self.timeout) == duration('90s') && duration('1h') > duration('59m')",
  "isURL(self.url) && url(self.url).getScheme() == 'https' && url(self.url).getPort() == '8443'",
  "!isURL('not a url')",
  "isIP('10.0.0.1') && isIP('fd00::1') && !isIP('10.0.0.256') && !isIP('::ffff:1.2.3.4')",
  "cidr('10.0.0.0/8').containsIP('10.1.2.3')",
  'self.__namespace__ == "n" && self.a__dash__b == 1',
  '{"a": 1}["a"] == 1 && [1] + [2] == [1, 2]',
  "!format.dns1123Label().validate('Web').hasValue() || true",
  "format.dns1123Label().validate('Web').hasValue() && !format.dns1123Label().validate('web').hasValue()",
  'true || self.missing == 1',
  'self.missing == 1 || true',
  '!(self.missing == 1 && false)',
  "'a-b'.replace('-', '+') == 'a+b' && 'ab'.replace('', '-') == '-a-b-'",
  '[1, "x", 3].exists(v, v > 2)',
  'self.flags.all(f, self.flags.exists(g, g == f)) // with a comment',
];
for (const rule of truths) {
  test(`this rule holds: ${rule}`, () => assert.equal(compileRule({ rule }).check(self, undefined), undefined));
}

const failures: readonly (readonly [rule: string, message: RegExp])[] = [
  ['self.port == 81', /^failed rule: self\.port == 81$/],
  ['self.missing == 1', /no such key: missing/],
  ['self.flags[9] == "a"', /index out of bounds/],
  ['self.port', /failed rule/],
  ['self.port < "x"', /no order/],
  ['1 / 0 == 1', /division by zero/],
  [`'${'a'.repeat(2000)}'.replace('a', '${'b'.repeat(2000)}') == ''`, /a text that is too long/],
  ["self.name.matches('(')", /not a regular expression/],
  ["int('x') == 1", /type conversion error/],
  ['[1, 2].all(a, a.all(b, true))', /needs a list or a map/],
];
for (const [rule, message] of failures) {
  test(`this rule fails: ${rule}`, () =>
    assert.match(compileRule({ rule }).check(self, undefined) ?? 'holds', message));
}

for (const rule of [
  'self.',
  'self.a ==',
  '(1',
  'unknown(self)',
  'self.name.unknown()',
  'has(self)',
  '"open',
  'b"x" == b"x"',
  '#',
]) {
  test(`this rule is refused when it is read: ${rule}`, () => assert.throws(() => compileRule({ rule }), CelError));
}

test('a message of its own is used, and one that is computed', () => {
  assert.equal(compileRule({ rule: 'false', message: 'no' }).check(self, undefined), 'no');
  const computed = compileRule({ rule: 'false', messageExpression: "'name is ' + self.name" });
  assert.equal(computed.check(self, undefined), 'name is web');
});

test('a transition rule compares with the old value', () => {
  const rule = compileRule({ rule: 'self == oldSelf', message: 'immutable' });
  assert.equal(rule.isTransition, true);
  assert.equal(rule.check({ a: [1] }, { a: [1] }), undefined);
  assert.equal(rule.check({ a: [1] }, { a: [2] }), 'immutable');
});

test('a rule that would run for ever is cut off', () => {
  const list = Array.from({ length: 300 }, (_, i) => i);
  const rule = compileRule({ rule: 'self.all(a, self.all(b, self.all(c, a + b + c >= 0)))' });
  assert.match(rule.check(list, undefined) ?? 'holds', /too many steps/);
});
