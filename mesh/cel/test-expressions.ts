/** Expressions at random, for tests: most can be read, and of those many make sense. */
import { STANDARD } from './standard.ts';

/** Each `@` is put out by another form: of a truth, a text, a number, a list, a map, a duration, a time, a pattern or anything. */
type Kind = 'B' | 'T' | 'N' | 'L' | 'M' | 'D' | 'W' | 'P' | 'A';

/** In lower case, it is inside of a macro, and may ask for its variable `v`. */
const FORMS: Readonly<Record<Kind, readonly string[]>> = {
  B: [
    'true',
    '@A == @A',
    '@A != @A',
    '@T < @T',
    '@L.indexOf(@A) > 0',
    '@L.lastIndexOf(@A) > 0',
    '@N >= @N',
    '@D <= @D',
    '@W > @W',
    '@A in @L',
    '@T in @M',
    '!@B',
    '@B && @B',
    '@B || @B',
    '@B ? @B : @B',
    'has(a.text)',
    'has(a.map.k)',
    '@T.matches(@P)',
    '@L.all(v, @b)',
    '@L.exists(v, @b)',
    '@L.exists_one(v, @b)',
    '@M.all(v, @b)',
    '@M.exists(v, @b)',
  ],
  T: [
    '""',
    '"a"',
    '"?"',
    '"k1"',
    'a.text',
    'a.text',
    '@T + @T',
    '@M[@T]',
    '@M.k',
    'a.map.k',
    'a.map.other',
    'string(@W + @D)',
    '@M["toString"]',
    '@B ? @T : @T',
    'r"""\\q"""',
  ],
  N: [
    '0',
    '1',
    '2',
    '2.5',
    '1e400',
    '0xffffffffffffffffff',
    '100000000u',
    'a.n',
    '@N + @N',
    '@N - @N',
    '@N * @N',
    '@N / @N',
    '@N % @N',
    '-@N',
  ],
  L: [
    '[]',
    'a.list',
    'a.list',
    '[@A, @A]',
    '@L + @L',
    '@L.map(v, @a)',
    '@L.filter(v, @b)',
    '@M.map(v, @a)',
    '@L.map(v, v + v)',
    '[@A].map(v, [v, v]).map(v, [v, v]).map(v, [v, v]).map(v, [v, v])',
  ],
  M: ['{}', 'a.map', 'a.map', '{@T: @A}', '{@A: @A}', '{@M: @A}', '{"toString": 1, "valueOf": 1}', "{'__proto__': @A}"],
  D: ['a.d', 'duration("87660000h")', 'duration("-1.5s")', 'duration(@T)', '@D + @D', '@D - @D', '@W - @W'],
  W: ['a.t', 'timestamp("9999-12-31T23:59:59Z")', 'timestamp("0001-01-01T00:00:00Z")', 'timestamp(@T)', '@W + @D'],
  P: ['"a*b"', '"(a|b)*a(a|b){100}"', '"((){9}){9}"', '"^(a?){30}a{30}$"', '"\\\\d+"', '"("'],
  A: [
    'null',
    '"\\u00e9\\U0001F600"',
    '@B',
    '@T',
    '@T',
    '@N',
    '@L',
    '@L',
    '@M',
    '@D',
    '@W',
    '@L[@N]',
    '@M[@A]',
    '@L[@M]',
    '@A.k',
    'a.absent',
  ],
};
const KINDS = Object.keys(FORMS) as readonly Kind[];
const LEAVES = Object.fromEntries(KINDS.map((kind) => [kind, FORMS[kind].filter((form) => !form.includes('@'))]));

const CALLS = [
  ...Object.keys(STANDARD.functions).map((key) => [key, false] as const),
  ...Object.keys(STANDARD.methods).map((key) => [key, true] as const),
];
/** What the arguments of a call should be; others take texts. */
const TAKES: Readonly<Record<string, string>> = {
  join: '@L',
  split: '@T@T@N',
  substring: '@T@N@N',
  charAt: '@T@N',
  size: '@A',
  getHours: '@D',
  getMinutes: '@D',
  getSeconds: '@D',
  getMilliseconds: '@D',
  string: '@A',
  dyn: '@A',
  type: '@A',
};
/** What a call gives; others a text. */
const GIVES: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(['contains', 'startsWith', 'endsWith', 'bool'].map((name) => [name, 'B'])),
  ...Object.fromEntries(['size', 'int', 'uint', 'double', 'indexOf', 'lastIndexOf'].map((name) => [name, 'N'])),
  ...Object.fromEntries(['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'].map((name) => [name, 'N'])),
  split: 'L',
  duration: 'D',
  timestamp: 'W',
};

/** Operations one after the other: long, and deep where they nest. */
const LINKS = [
  '+1',
  ' && true',
  '||1',
  '[0]',
  '.k',
  '.trim()',
  '.map(x, x)',
  '.map(x, [x, x])',
  ' == a.map',
  '==a.list',
];
/** Of broken texts. */
const PIECES =
  '( ) [ ] { } , : ? . - ! && || == in has( .map(x, "a\' """ \\ \\U00110000 \\ud800 1e 0x // # é 😀 \0'.split(' ');

export class RandomExpressions {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  next(): string {
    const text = this.#of('A', 2 + this.#below(5), false);
    const roll = this.#random();
    if (roll < 0.1) return this.#broken(text);
    return roll < 0.2 ? this.#chain() : text;
  }

  #of(kind: Kind, depth: number, isInside: boolean): string {
    if (this.#random() < 0.04) return this.#of(this.#pick(KINDS), depth, isInside);
    if (isInside && this.#random() < 0.2 && kind !== 'P') return 'v';
    const form = depth > 0 && this.#random() < 0.3 ? this.#call(kind) : undefined;
    const leaves = LEAVES[kind] ?? [];
    return this.#filled(form ?? this.#pick(depth > 0 || leaves.length === 0 ? FORMS[kind] : leaves), depth, isInside);
  }

  /** A call that gives this kind; undefined: there is none. */
  #call(kind: Kind): string | undefined {
    const calls = CALLS.filter(([key]) => kind === 'A' || (GIVES[nameOf(key)] ?? 'T') === kind);
    if (calls.length === 0) return undefined;
    const [key, isMethod] = this.#pick(calls);
    const count = Number(key.split('/')[1]) + (isMethod ? 1 : 0);
    const all = `${TAKES[nameOf(key)] ?? ''}@T@T@T`.slice(0, 2 * count).match(/@./g) ?? [];
    const [on, ...rest] = all;
    return isMethod ? `${on}.${nameOf(key)}(${rest.join(', ')})` : `${nameOf(key)}(${all.join(', ')})`;
  }

  #filled(form: string, depth: number, isInside: boolean): string {
    const text = form.replace(/@(.)/g, (_, letter: string) => {
      const kind = letter.toUpperCase() as Kind;
      return this.#of(kind, depth - 1, isInside || letter !== kind);
    });
    return text.includes(' ') ? `(${text})` : text;
  }

  #chain(): string {
    const start = this.#of('A', this.#below(3), false);
    const link = this.#pick(LINKS);
    const most = Math.min(1000, (4096 - start.length) / link.length);
    return start + link.repeat(this.#below(Math.max(1, most)));
  }

  #broken(text: string): string {
    const at = this.#below(text.length);
    return text.slice(0, at) + this.#pick([...PIECES, '']) + text.slice(at + this.#below(3));
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }
}

const nameOf = (key: string) => key.split('/')[0] ?? '';
