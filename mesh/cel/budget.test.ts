/** Expressions that are short and would take long: what takes the time is paid for, and ordinary ones can afford it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../test-support.ts';
import { CelError } from './ast.ts';
import { type CelAttributes, compileCel } from './program.ts';
import type { CelValue } from './values.ts';

const ATTRIBUTES: CelAttributes = {
  'a.text': 'string',
  'a.part': 'string',
  'a.list': 'list',
  'a.few': 'list',
  'a.map': 'map',
};
/** Of one header, about as much as servers take. */
const HEADER = 60_000;

const many = (count: number): CelValue => Array.from({ length: count }, (_, i) => i);
const headers = (count: number): CelValue =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`h${i}`, `v${i}`]));
const random = seeded(5);
/** In an order that no pattern has seen. */
const letters = (count: number) => Array.from({ length: count }, () => (random() < 0.5 ? 'a' : 'b')).join('');
const doubled = (times: number) => `[1]${'.map(x, [x, x])'.repeat(times)}`;

const resultOf = (text: string, values: Readonly<Record<string, CelValue>>): CelValue =>
  compileCel(text, ATTRIBUTES).evaluate((name) => values[name]);

test('an expression that would take long is given up', async (t) => {
  const text = 'a'.repeat(HEADER);
  const [list, few, map] = [many(3000), many(30), headers(100)];
  const rows: Readonly<Record<string, readonly [expression: string, values?: Readonly<Record<string, CelValue>>]>> = {
    'lists inside lists': ['a.few.all(x, a.few.all(y, a.few.all(z, true)))', { 'a.few': many(100) }],
    'a list is looked through again and again': ['a.list.all(x, x in a.list)', { 'a.list': list }],
    'an item is looked for from the front': ['a.list.all(x, a.list.indexOf(x) >= 0)', { 'a.list': list }],
    'an item is looked for from the back': ['a.list.all(x, a.list.lastIndexOf(x) >= 0)', { 'a.list': list }],
    'lists are compared': ['a.few.all(x, a.list == a.list)', { 'a.list': list, 'a.few': few }],
    'maps are compared': ['a.list.all(x, a.map == a.map)', { 'a.list': list, 'a.map': map }],
    'what is unlike in its last key is compared': [
      'a.few.exists(x, [a.map, 1] == [a.map, 2])',
      { 'a.few': few, 'a.map': headers(2000) },
    ],
    'lists of one list, which is one of one list': [`${doubled(40)} == ${doubled(40)}`],
    'they are looked for in a list': [`[1].all(x, ${doubled(40)} in [${doubled(40)}])`],
    'long texts that are alike': ['a.few.all(x, a.text == a.part)', { 'a.few': few, 'a.text': text, 'a.part': text }],
    'they are put in order': ['a.few.all(x, a.text <= a.part)', { 'a.few': few, 'a.text': text, 'a.part': text }],
    'a part of a long text': ['a.few.all(x, a.text.contains("ab") == false)', { 'a.few': few, 'a.text': text }],
    'a long part of it': [
      'a.text.contains(a.part)',
      {
        'a.text': text,
        'a.part': `${text.slice(HEADER / 2)}b${text.slice(HEADER / 2)}`.slice(HEADER / 4, -HEADER / 4),
      },
    ],
    'a long part from the back': [
      'a.text.lastIndexOf(a.part) < 0',
      { 'a.text': text, 'a.part': `${text.slice(30_000)}b` },
    ],
    'a long separator': ['a.text.split(a.part) == []', { 'a.text': text, 'a.part': `${text.slice(30_000)}b` }],
    'a long text to be replaced': [
      'a.text.replace(a.part, "")',
      { 'a.text': text, 'a.part': `${text.slice(30_000)}b` },
    ],
    'all of a text is taken away': ['a.few.all(x, a.text.replace("a", "") == "")', { 'a.few': few, 'a.text': text }],
    'texts are counted': ['a.few.all(x, a.text.size() > 0)', { 'a.few': few, 'a.text': text }],
    'a text runs through a pattern': ['a.few.all(x, !a.text.matches("b"))', { 'a.few': few, 'a.text': text }],
    'a pattern that is made to be slow': ['a.text.matches("(a|b)*a(a|b){400}")', { 'a.text': letters(2000) }],
    'keys of a map': ['a.list.all(x, a.map.exists(k, true))', { 'a.list': list, 'a.map': map }],
    'keys are counted': ['a.list.all(x, a.map.size() > 0)', { 'a.list': list, 'a.map': map }],
    'a long key': ['a.few.all(x, !(a.text in a.map))', { 'a.few': few, 'a.text': text, 'a.map': map }],
    'a long key of a map that is written out': ['a.few.all(x, {a.text: 1} != {})', { 'a.few': few, 'a.text': text }],
    'a long list of numbers is a duration': ['duration(a.text)', { 'a.text': '1h'.repeat(HEADER / 2) }],
    'errors that are forgiven': ['a.list.all(x, x.y || true)', { 'a.list': list }],
    'errors of items': ['a.list.exists(x, x.y)', { 'a.list': list }],
    'a text that doubles': [`["aaaaaaaaaa"]${'.map(x, x + x)'.repeat(30)}`],
    'a list that doubles': [`[[1]]${'.map(x, x + x)'.repeat(30)}`],
    'the last thing that is done': ['a.text + a.text', { 'a.text': text }],
  };
  for (const [name, [expression, values = {}]] of Object.entries(rows)) {
    await t.test(name, () => {
      const isGivenUp = (error: unknown) => error instanceof CelError && /too many steps/.test(error.message);
      assert.throws(() => resultOf(expression, values), isGivenUp);
    });
  }
});

test('what people ask of long headers, and of many, is answered', async (t) => {
  const cookie = Array.from({ length: 200 }, (_, i) => `cookie${i}=${'v'.repeat(30)}`).join('; ');
  const values: Readonly<Record<string, CelValue>> = {
    'a.text': cookie,
    'a.part': 'cookie199=',
    'a.map': { ...(headers(100) as object), cookie },
  };
  const rows: Readonly<Record<string, CelValue>> = {
    'a.text.contains("session=") || a.text.contains("token=")': false,
    'a.text.contains(a.part)': true,
    'a.text.lastIndexOf(a.part) > 0': true,
    'a.text.split("; ").exists(c, c.startsWith("cookie199="))': true,
    'a.text.matches("cookie[0-9]+=v+$")': true,
    'a.text.size() > 4096': true,
    'a.text == a.map.cookie && a.map["cookie"].endsWith("v")': true,
    'a.map.exists(h, h.startsWith("x-") || a.map[h] == "nobody")': false,
    'a.map.all(h, h.size() > 0 && a.map[h] != "")': true,
    'a.map.filter(h, a.map[h].contains("9")).size() > 10': true,
    'a.map.exists(h, a.absent == "" || h == "h99")': true,
  };
  const attributes: CelAttributes = { ...ATTRIBUTES, 'a.absent': 'string' };
  for (const [text, expected] of Object.entries(rows)) {
    await t.test(text, () =>
      assert.equal(
        compileCel(text, attributes).evaluate((name) => values[name]),
        expected,
      ),
    );
  }
});
