import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../test-support.ts';
import { compileRegex, type Regex } from './regex.ts';

function regex(pattern: string, ignoreCase = false): Regex {
  const compiled = compileRegex(pattern, ignoreCase);
  if (compiled.kind === 'invalid') throw new Error(`${pattern}: ${compiled.problem}`);
  return compiled.regex;
}

test('a pattern matches whole texts as RE2 does', () => {
  const rows: readonly [pattern: string, yes: readonly string[], no: readonly string[]][] = [
    ['', [''], ['a']],
    ['abc', ['abc'], ['ab', 'abcd', 'ABC']],
    ['a|bc|', ['a', 'bc', ''], ['b', 'abc']],
    ['a.c', ['abc', 'a/c', 'a😀c'], ['ac', 'a\nc', 'abbc']],
    ['(?s)a.c', ['a\nc'], []],
    ['a*', ['', 'a', 'aaaa'], ['b', 'ab']],
    ['a+?b??', ['a', 'aab'], ['', 'b']],
    ['(ab){2,3}', ['abab', 'ababab'], ['ab', 'abababab']],
    ['x{0}y{2}z{1,}', ['yyz', 'yyzzz'], ['xyyz', 'yz', 'yy']],
    ['a{,2}', ['a{,2}'], ['a', 'aa']],
    ['[a-c]+', ['abc'], ['', 'abd']],
    ['[^a-c]', ['d', '\n', '😀'], ['a', '']],
    ['[]a]+', [']a'], ['b']],
    ['[^]a]', ['b'], [']']],
    ['[a\\-z]+', ['a-z'], ['b']],
    ['[-a]+[a-]+', ['-a-'], ['b']],
    ['[[:alpha:][:digit:]_]+', ['aZ9_'], ['-']],
    ['[[:^digit:]]', ['a'], ['1']],
    ['[\\d.]+', ['1.2'], ['a']],
    ['\\d+\\D\\w\\W\\s\\S', ['12x_- a'], ['12x_-aa']],
    ['\\x41\\x{1F600}\\t\\.\\/', ['A😀\t./'], ['A😀\tx/']],
    ['\\Qa.b*\\E+', ['a.b*', 'a.b**'], ['axb']],
    ['^/api/v[0-9]+$', ['/api/v12'], ['/api/v', '/api/v1/']],
    ['\\Aa\\z', ['a'], ['aa']],
    ['a$b', [], ['ab', 'a']],
    ['a^b', [], ['ab']],
    ['(^|x)a($|y)', ['a', 'xa', 'xay', 'ay'], ['aya']],
    ['(?:^$)*', [''], ['a']],
    ['(?i)HeLLo', ['hello', 'HELLO'], ['hell']],
    ['a(?i)b|c', ['ab', 'aB', 'C'], ['A', 'AB']],
    ['a(?i:b)c', ['aBc'], ['abC', 'Abc']],
    ['(?P<name>a)(?<other>b)(?:c)', ['abc'], ['ab']],
    ['(?i)[a-z]+', ['aBc'], ['1']],
    ['(?i)[^a]', ['b'], ['a', 'A']],
    ['(a*)*b', ['b', 'aab'], ['a']],
    ['((a|b)*c|d)+', ['abcd', 'dc'], ['ab']],
    ['é+', ['éé'], ['e']],
  ];
  for (const [pattern, yes, no] of rows) {
    const compiled = regex(pattern);
    for (const text of yes) assert.ok(compiled.matches(text), `${pattern} matches ${JSON.stringify(text)}`);
    for (const text of no) assert.ok(!compiled.matches(text), `${pattern} does not match ${JSON.stringify(text)}`);
  }
  assert.ok(regex('/Föö[a-c]', true).matches('/fÖöB'), 'without regard to case');
});

test('what can not be run in linear time, or is not read, is refused with the reason', () => {
  const rows: readonly [pattern: string, reason: RegExp][] = [
    ['(a)\\1', /reference back/],
    ['(?=a)b', /looking around/],
    ['(?!a)b', /looking around/],
    ['(?<=a)b', /looking around/],
    ['\\bword', /word boundaries/],
    ['\\pL', /Unicode classes/],
    ['(?m)^a', /flag m/],
    ['a**', /repeats a repetition/],
    ['+a', /nothing before/],
    ['(a', /\( without/],
    ['a)', /\) without/],
    ['[a', /\[ without/],
    ['[b-a]', /ends before it begins/],
    ['a{3,2}', /ends before it begins/],
    ['[[:nope:]]', /names no class/],
    ['a\\', /backslash/],
    ['\\y', /means nothing/],
    ['\\xZZ', /hexadecimal/],
    ['a{1001}', /more than 1000/],
    ['((a{100}){100}){100}', /too large/],
    ['('.repeat(200) + ')'.repeat(200), /inside one another/],
    ['a'.repeat(5000), /longer than/],
  ];
  for (const [pattern, reason] of rows) {
    const compiled = compileRegex(pattern);
    assert.equal(compiled.kind, 'invalid', pattern);
    assert.match(compiled.kind === 'invalid' ? compiled.problem : '', reason, pattern);
  }
});

test('random patterns match exactly what the engine of the runtime matches', () => {
  const random = seeded(7);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const piece = (depth: number): string => {
    const roll = random();
    if (depth === 0 || roll < 0.35) return pick(['a', 'b', 'c', '.', '[ab]', '[^a]', '\\d', '1', '']);
    if (roll < 0.55) return piece(depth - 1) + piece(depth - 1);
    if (roll < 0.7) return `(?:${piece(depth - 1)}|${piece(depth - 1)})`;
    if (roll < 0.75) return `(?:^${piece(depth - 1)}|${piece(depth - 1)}$)`;
    return `(?:${piece(depth - 1)})${pick(['*', '+', '?', '{2}', '{1,3}', '*?'])}`;
  };
  for (let round = 0; round < 1500; round++) {
    const pattern = piece(4);
    const ours = regex(pattern);
    const theirs = new RegExp(`^(?:${pattern})$`);
    for (let tries = 0; tries < 12; tries++) {
      let text = '';
      for (let length = Math.floor(random() * 7); length > 0; length--) text += pick(['a', 'b', 'c', '1']);
      assert.equal(ours.matches(text), theirs.test(text), `${pattern} on ${text}`);
      if (ours.matches(text)) assert.ok(text.startsWith(ours.prefix), `${pattern} promises ${ours.prefix}`);
    }
  }
});

test('patterns that stop a backtracking engine cost no more than the length of the text', () => {
  const text = `${'a'.repeat(20_000)}!`;
  for (const pattern of ['(a+)+', '(a|a)*', '(a|aa)+', '(.*)(.*)(.*)(.*)x', '([a-z]+)*b', '(a*)*$']) {
    assert.equal(regex(pattern).matches(text), false, pattern);
  }
});

test('repetitions of nothing are not worked out', () => {
  const rows: readonly [pattern: string, yes: string, no: string][] = [
    [`${'('.repeat(50)}${'){1000}'.repeat(50)}`, '', 'a'],
    [`a(${'('.repeat(50)}x{0}${'){1000}'.repeat(50)})*b`, 'ab', 'axb'],
    ['(()()*a(){3}){2,}', 'aa', 'a'],
    ['(?:(?:){1000}){1000}|a', 'a', 'b'],
  ];
  for (const [pattern, yes, no] of rows) {
    const compiled = regex(pattern);
    assert.ok(compiled.matches(yes) && !compiled.matches(no), pattern);
  }
});

test('who asks is told what a match costs where nothing is remembered, and may end it', () => {
  const compiled = regex('(a|b)*c');
  let spent = 0;
  const spend = (instructions: number) => {
    spent += instructions;
    if (spent > 1000) throw new Error('enough');
  };
  assert.equal(compiled.matches('aabbc', spend), true);
  assert.ok(spent > 0 && spent < 50, String(spent));
  const once = spent;
  assert.equal(compiled.matches('ababc', spend), true);
  assert.equal(spent, once, 'the states are known');
  spent = 1000;
  assert.throws(() => regex('(a|b)*c').matches('aabbc', spend), { message: 'enough' });
});

test('a pattern with more states than are remembered is still right', () => {
  const compiled = regex('(a|b)*a(a|b){12}');
  const random = seeded(3);
  const letters = Array.from({ length: 30_000 }, () => (random() < 0.5 ? 'a' : 'b'));
  letters[letters.length - 13] = 'a';
  assert.ok(compiled.matches(letters.join('')));
  letters[letters.length - 13] = 'b';
  assert.ok(!compiled.matches(letters.join('')));
});

test('what eats nothing is work, too: a pattern with thousands of choices of nothing is given up like any other', () => {
  const random = seeded(3);
  const letters = Array.from({ length: 4000 }, () => (random() < 0.5 ? 'a' : 'b'));
  letters[letters.length - 15] = 'a';
  const text = letters.join('');
  assert.equal(regex('([ab])*a[ab]{14}').matches(text), true);
  const compiled = regex('(((|){900}){4}[ab])*a[ab]{14}');
  assert.equal(compiled.matches(text), false, 'given up');
  assert.equal(compiled.matches('a'.repeat(15)), true, 'what it can do in its time it does');
});

test('a pattern that is made to be slow does not match a text that is made for it, instead of taking seconds', () => {
  const compiled = regex('(a|b)*a(a|b){400}');
  const random = seeded(3);
  const letters = Array.from({ length: 60_000 }, () => (random() < 0.5 ? 'a' : 'b'));
  letters[letters.length - 401] = 'a';
  assert.equal(compiled.matches(letters.join('')), false, 'given up');
  assert.equal(compiled.matches('a'.repeat(401)), true, 'what it can do in its time it does');
});
