import type { Regex } from '../regex/regex.ts';

/** The syntax tree of CEL, less what nobody here needs: messages, bytes and optional values. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: null | boolean | number | string }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'select'; readonly of: Expression; readonly field: string }
  | { readonly kind: 'index'; readonly of: Expression; readonly index: Expression }
  | {
      readonly kind: 'call';
      readonly on: Expression | undefined;
      readonly name: string;
      readonly args: readonly Expression[];
    }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly kind: 'not' | 'negate'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'choice'; readonly condition: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'has'; readonly of: Expression; readonly field: string }
  | {
      readonly kind: 'macro';
      readonly macro: Macro;
      readonly over: Expression;
      readonly variable: string;
      readonly body: Expression;
    }
  /** Whether there is anything of this full name; made out of `has`. */
  | { readonly kind: 'present'; readonly name: string }
  /** Made out of `matches`. */
  | { readonly kind: 'pattern'; readonly of: Expression; readonly regex: Regex };

export type BinaryOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | '+' | '-' | '*' | '/' | '%';

export type Macro = 'all' | 'exists' | 'exists_one' | 'filter' | 'map';

/** An expression that cannot be read, or that fails while it runs; the message is for its author. */
export class CelError extends Error {
  override readonly name = 'CelError';
}

/** The expression and all that is in it. */
export function* parts(e: Expression): Generator<Expression> {
  yield e;
  for (const value of Object.values(e)) {
    for (const part of Array.isArray(value) ? value.flat() : [value]) {
      if (typeof part === 'object' && part !== null && 'kind' in part) yield* parts(part as Expression);
    }
  }
}
