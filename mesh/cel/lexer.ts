import { CelError } from './ast.ts';

export type Token =
  | { readonly kind: 'name' | 'symbol'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'end' };

const SPACE = /(?:\s|\/\/[^\n]*)*/y;
const NAME = /[A-Za-z_]\w*/y;
const NUMBER = /0x[0-9a-fA-F]+u?|(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?u?/y;
const STRING = /([rRbB]{0,2})("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/y;
const RAW_STRING = /[rR]("""[\s\S]*?"""|'''[\s\S]*?'''|"[^"\n]*"|'[^'\n]*')/y;
const SYMBOL = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()[\]{}]/y;

/** Cuts an expression into tokens; the last one is `end`. @throws CelError */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    match(SPACE);
    if (at >= text.length) return [...tokens, { kind: 'end' }];
    const raw = match(RAW_STRING);
    if (raw) {
      tokens.push({ kind: 'string', value: unquote(raw[1] ?? '') });
      continue;
    }
    const string = match(STRING);
    if (string) {
      const [, prefix, quoted = ''] = string;
      if (prefix !== '') throw new CelError('byte strings are not understood');
      const inner = unquote(quoted);
      tokens.push({ kind: 'string', value: unescapeText(inner, at - (quoted.length + inner.length) / 2) });
      continue;
    }
    const name = match(NAME);
    if (name) {
      tokens.push({ kind: 'name', text: name[0] });
      continue;
    }
    const number = match(NUMBER);
    if (number) {
      tokens.push({ kind: 'number', value: Number(number[0].replace(/u$/, '')) });
      continue;
    }
    const symbol = match(SYMBOL);
    if (!symbol) throw new CelError(`unexpected character ${JSON.stringify(text[at])} at ${at}`);
    tokens.push({ kind: 'symbol', text: symbol[0] });
  }
}

const unquote = (quoted: string) => (/^("""|''')/.test(quoted) ? quoted.slice(3, -3) : quoted.slice(1, -1));

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** `start`: where the text begins in the expression. */
function unescapeText(text: string, start: number): string {
  return text.replace(
    /\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)/gs,
    (written, code: string, offset: number) => {
      if (code.length === 1) return ESCAPES[code] ?? code;
      const point = /^\d/.test(code) ? Number.parseInt(code, 8) : Number.parseInt(code.slice(1), 16);
      if (!isCharacter(point)) throw new CelError(`${written} stands for no character, at ${start + offset}`);
      return String.fromCodePoint(point);
    },
  );
}

/** What UTF-8 can say: not one half of a pair of surrogates. */
const isCharacter = (point: number) => point <= 0x10_ff_ff && !(point >= 0xd8_00 && point <= 0xdf_ff);
