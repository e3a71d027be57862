/**
 * Reads patterns in the syntax of RE2: characters, `.`, classes with ranges, negation and POSIX names, `\d \s \w` and their
 * opposites, `\t` and its like, `\x41`, `\Q…\E`, `^ $ \A \z`, groups with or without names, the flags i, s and U, choice, and
 * repetition up to 1,000. Not read, and refused with the reason: word boundaries, Unicode classes, octal numbers, the flag m; and what RE2
 * has not either, because nobody can run it in linear time: references back, and looking around.
 */
import { complement, inBothCases, MAX_CODE_POINT, normalized, type Ranges, type Syntax } from './syntax.ts';

/** As RE2 has it. */
const MAX_REPEAT = 1000;
/** Groups inside groups; RE2 has 1,000, and nobody needs it. */
const MAX_DEPTH = 100;

/** A pattern that can not be read, and why; never leaves this folder. */
export class RegexProblem extends Error {}

type Flags = { readonly ignoreCase: boolean; readonly dotAll: boolean };

const DIGIT: Ranges = [0x30, 0x39];
const SPACE: Ranges = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20];
const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
const NEWLINE: Ranges = [0x0a, 0x0a];
const ALL: Ranges = [0, MAX_CODE_POINT];

const CLASSES: ReadonlyMap<string, Ranges> = new Map([
  ['d', DIGIT],
  ['D', complement(DIGIT)],
  ['s', SPACE],
  ['S', complement(SPACE)],
  ['w', WORD],
  ['W', complement(WORD)],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['a', 0x07],
  ['f', 0x0c],
  ['t', 0x09],
  ['n', 0x0a],
  ['r', 0x0d],
  ['v', 0x0b],
]);
const POSIX: ReadonlyMap<string, Ranges> = new Map<string, Ranges>([
  ['alnum', [0x30, 0x39, 0x41, 0x5a, 0x61, 0x7a]],
  ['alpha', [0x41, 0x5a, 0x61, 0x7a]],
  ['ascii', [0, 0x7f]],
  ['blank', [0x09, 0x09, 0x20, 0x20]],
  ['cntrl', [0, 0x1f, 0x7f, 0x7f]],
  ['digit', DIGIT],
  ['graph', [0x21, 0x7e]],
  ['lower', [0x61, 0x7a]],
  ['print', [0x20, 0x7e]],
  ['punct', [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]],
  ['space', [0x09, 0x0d, 0x20, 0x20]],
  ['upper', [0x41, 0x5a]],
  ['word', WORD],
  ['xdigit', [0x30, 0x39, 0x41, 0x46, 0x61, 0x66]],
]);

/** @throws RegexProblem saying what can not be read. */
export function parsePattern(pattern: string, ignoreCase: boolean): Syntax {
  const parser = new Parser(pattern, { ignoreCase, dotAll: false });
  return parser.whole();
}

/** A choice of single characters is a class. */
function choiceOf(items: readonly Syntax[]): Syntax {
  if (items.length === 1) return items[0] as Syntax;
  const ranges = items.flatMap((item) => (item.kind === 'set' ? item.ranges : []));
  return items.every(({ kind }) => kind === 'set')
    ? { kind: 'set', ranges: normalized(ranges) }
    : { kind: 'choice', items };
}

/**
 * Matches the empty text and asks nothing. It makes no instructions, so no bound on those would end the repetitions of it:
 * `(((){1000}){1000}){1000}` must not be worked out.
 */
function isEmpty(item: Syntax): boolean {
  if (item.kind === 'repeat') return item.max === 0 || isEmpty(item.item);
  return item.kind === 'sequence' && item.items.length === 0;
}

class Parser {
  readonly #chars: readonly string[];
  #at = 0;
  #depth = 0;
  #flags: Flags;

  constructor(pattern: string, flags: Flags) {
    this.#chars = [...pattern];
    this.#flags = flags;
  }

  whole(): Syntax {
    const syntax = this.#choice();
    if (this.#at < this.#chars.length) throw new RegexProblem('a ) without its (');
    return syntax;
  }

  /** Up to the end or a closing parenthesis. */
  #choice(): Syntax {
    if (++this.#depth > MAX_DEPTH) throw new RegexProblem(`more than ${MAX_DEPTH} groups inside one another`);
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    this.#depth--;
    return choiceOf(items);
  }

  #sequence(): Syntax {
    const items: Syntax[] = [];
    for (;;) {
      const next = this.#chars[this.#at];
      if (next === undefined || next === '|' || next === ')') {
        return items.length === 1 ? (items[0] as Syntax) : { kind: 'sequence', items };
      }
      if (next === '\\' && this.#chars[this.#at + 1] === 'Q') {
        this.#at += 2;
        for (const char of this.#quoted()) items.push(this.#literal(char));
        const last = items.pop();
        if (last !== undefined) items.push(this.#repeated(last));
        continue;
      }
      const atom = this.#atom();
      const item = atom && this.#repeated(atom);
      if (item !== undefined && !isEmpty(item)) items.push(item);
    }
  }

  /** Undefined for what only changes flags. */
  #atom(): Syntax | undefined {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'set', ranges: this.#cased(this.#class()) };
      case '.':
        return { kind: 'set', ranges: this.#flags.dotAll ? ALL : complement(NEWLINE) };
      case '^':
        return { kind: 'start' };
      case '$':
        return { kind: 'end' };
      case '*':
      case '+':
      case '?':
        throw new RegexProblem(`${char} with nothing before it to repeat`);
      case '\\':
        return this.#escape();
      default:
        return this.#literal(char);
    }
  }

  #group(): Syntax | undefined {
    const outer = this.#flags;
    if (this.#take('?')) {
      if (this.#rest().startsWith('P<') || this.#rest().startsWith('<')) this.#groupName();
      else {
        this.#flags = this.#readFlags();
        if (this.#take(')')) return undefined; // until the end of the group around
        if (!this.#take(':'))
          throw new RegexProblem('(? is not followed by flags or a group: looking around is not linear');
      }
    }
    const inner = this.#choice();
    if (!this.#take(')')) throw new RegexProblem('a ( without its )');
    this.#flags = outer;
    return inner;
  }

  #groupName(): void {
    const name = /^P?<([A-Za-z0-9_]+)>/.exec(this.#rest());
    if (name === null) throw new RegexProblem('(?< is no named group: looking around is not linear');
    this.#at += name[0].length;
  }

  #readFlags(): Flags {
    let flags = this.#flags;
    let on = true;
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === '-' && on) on = false;
      else if (char === 'i') flags = { ...flags, ignoreCase: on };
      else if (char === 's') flags = { ...flags, dotAll: on };
      else if (char === 'm') throw new RegexProblem('the flag m (lines) is not supported');
      else if (char !== 'U') return flags; // greed makes no difference to whether a whole text matches
      this.#at++;
    }
  }

  #repeated(item: Syntax): Syntax {
    const char = this.#chars[this.#at];
    let bounds: { readonly min: number; readonly max: number | undefined } | undefined;
    if (char === '*') bounds = { min: 0, max: undefined };
    else if (char === '+') bounds = { min: 1, max: undefined };
    else if (char === '?') bounds = { min: 0, max: 1 };
    else if (char === '{') bounds = this.#counts();
    if (bounds === undefined) return item;
    if (char !== '{') this.#at++;
    this.#take('?'); // lazy: the same whole texts match
    const after = this.#chars[this.#at];
    if (after === '*' || after === '+' || after === '?') throw new RegexProblem(`${after} repeats a repetition`);
    return { kind: 'repeat', item, ...bounds };
  }

  /** `{2}`, `{2,}`, `{2,5}`; anything else in braces stands for itself. */
  #counts(): { readonly min: number; readonly max: number | undefined } | undefined {
    const found = /^\{(\d{1,9})(?:(,)(\d{1,9})?)?\}/.exec(this.#rest());
    if (found === null) return undefined;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? undefined : Number(found[3]);
    if (min > MAX_REPEAT || (max ?? 0) > MAX_REPEAT) throw new RegexProblem(`a repetition of more than ${MAX_REPEAT}`);
    if (max !== undefined && max < min) throw new RegexProblem(`${found[0]} ends before it begins`);
    this.#at += found[0].length;
    return { min, max };
  }

  #escape(): Syntax {
    const char = this.#next();
    const ranges = CLASSES.get(char);
    if (ranges !== undefined) return { kind: 'set', ranges };
    if (char === 'A') return { kind: 'start' };
    if (char === 'z') return { kind: 'end' };
    return this.#literal(String.fromCodePoint(this.#escapedChar(char)));
  }

  /** The character that a backslash and `char` stand for. */
  #escapedChar(char: string): number {
    const control = CONTROLS.get(char);
    if (control !== undefined) return control;
    if (char === 'x') {
      const hex = /^(?:\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2}))/.exec(this.#rest());
      const point = hex === null ? Number.NaN : Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
      if (hex === null || !(point <= MAX_CODE_POINT)) throw new RegexProblem('\\x without two hexadecimal digits');
      this.#at += hex[0].length;
      return point;
    }
    if (char === 'b' || char === 'B') throw new RegexProblem(`word boundaries (\\${char}) are not supported`);
    if (char === 'p' || char === 'P') throw new RegexProblem(`Unicode classes (\\${char}) are not supported`);
    if (/[0-9]/.test(char))
      throw new RegexProblem(`\\${char}: a reference back is not linear, and octal is not supported`);
    if (/[A-Za-z]/.test(char)) throw new RegexProblem(`\\${char} means nothing`);
    return char.codePointAt(0) ?? 0;
  }

  #quoted(): readonly string[] {
    const from = this.#at;
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined) return this.#chars.slice(from);
      if (char === '\\' && this.#chars[this.#at + 1] === 'E') {
        this.#at += 2;
        return this.#chars.slice(from, this.#at - 2);
      }
      this.#at++;
    }
  }

  /** After its `[`. */
  #class(): Ranges {
    const isNegative = this.#take('^');
    const ranges: number[] = [];
    for (let isFirst = true; isFirst || !this.#take(']'); isFirst = false) {
      const posix = /^\[:(\^?)([a-z]*):\]/.exec(this.#rest());
      if (posix !== null) {
        const named = POSIX.get(posix[2] ?? '');
        if (named === undefined) throw new RegexProblem(`${posix[0]} names no class`);
        ranges.push(...(posix[1] === '' ? named : complement(named)));
        this.#at += posix[0].length;
        continue;
      }
      const escaped = this.#chars[this.#at] === '\\' ? CLASSES.get(this.#chars[this.#at + 1] ?? '') : undefined;
      if (escaped !== undefined) {
        ranges.push(...escaped);
        this.#at += 2;
        continue;
      }
      const first = this.#classChar();
      let last = first;
      if (this.#chars[this.#at] === '-' && this.#chars[this.#at + 1] !== ']') {
        this.#at++;
        last = this.#classChar();
        if (last < first) throw new RegexProblem('a range in a class ends before it begins');
      }
      ranges.push(first, last);
    }
    const found = normalized(this.#flags.ignoreCase ? inBothCases(normalized(ranges)) : ranges);
    return isNegative ? complement(found) : found;
  }

  #classChar(): number {
    const char = this.#chars[this.#at];
    if (char === undefined) throw new RegexProblem('a [ without its ]');
    this.#at++;
    return char === '\\' ? this.#escapedChar(this.#next()) : (char.codePointAt(0) ?? 0);
  }

  #literal(char: string): Syntax {
    const point = char.codePointAt(0) ?? 0;
    return { kind: 'set', ranges: this.#cased([point, point]) };
  }

  #cased(ranges: Ranges): Ranges {
    return this.#flags.ignoreCase && ranges.length === 2 && ranges[0] === ranges[1] ? inBothCases(ranges) : ranges;
  }

  #rest(): string {
    return this.#chars.slice(this.#at, this.#at + 64).join('');
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw new RegexProblem('it ends in a backslash');
    return char;
  }
}
