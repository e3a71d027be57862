/** A recursive descent parser for CEL; precedence as in https://github.com/google/cel-spec/blob/master/doc/langdef.md */
import { type BinaryOperator, CelError, type Expression, type Macro } from './ast.ts';
import { type Token, tokenize } from './lexer.ts';

/** Expressions nest a few levels; this bounds the stack. */
const MAX_DEPTH = 100;
/** Each operation of a chain, as in `a + b + c`, is inside of the next one: this bounds the stack of whoever walks the tree. */
const MAX_OPERATIONS = 1000;
const MACROS: ReadonlySet<string> = new Set<Macro>(['all', 'exists', 'exists_one', 'filter', 'map']);
const RELATIONS: readonly BinaryOperator[] = ['==', '!=', '<', '<=', '>', '>=', 'in'];

/** Reads one expression. @throws CelError */
export function parseCel(text: string): Expression {
  const parser = new Parser(tokenize(text));
  return parser.whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #operations = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const expression = this.#choice();
    if (this.#peek().kind !== 'end') throw this.#unexpected();
    return expression;
  }

  #choice(): Expression {
    if (++this.#depth > MAX_DEPTH) throw new CelError('nested too deeply');
    const condition = this.#or();
    let result = condition;
    if (this.#take('?')) {
      const yes = this.#choice();
      this.#expect(':');
      result = { kind: 'choice', condition, yes, no: this.#choice() };
    }
    this.#depth--;
    return result;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#operation('||')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#relation();
    while (this.#operation('&&')) left = { kind: 'and', left, right: this.#relation() };
    return left;
  }

  #relation(): Expression {
    return this.#binary(RELATIONS, () => this.#sum());
  }

  #sum(): Expression {
    return this.#binary(['+', '-'], () => this.#product());
  }

  #product(): Expression {
    return this.#binary(['*', '/', '%'], () => this.#unary());
  }

  #binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = operators.find((candidate) => this.#operation(candidate));
      if (operator === undefined) return left;
      left = { kind: 'binary', operator, left, right: operand() };
    }
  }

  #unary(): Expression {
    if (++this.#depth > MAX_DEPTH) throw new CelError('nested too deeply');
    let result: Expression;
    if (this.#take('!')) result = { kind: 'not', of: this.#unary() };
    else if (this.#take('-')) result = { kind: 'negate', of: this.#unary() };
    else result = this.#member();
    this.#depth--;
    return result;
  }

  #member(): Expression {
    let of = this.#primary();
    for (;;) {
      if (this.#operation('.')) {
        const name = this.#name();
        of = this.#take('(') ? this.#method(of, name) : { kind: 'select', of, field: name };
      } else if (this.#operation('[')) {
        const index = this.#choice();
        this.#expect(']');
        of = { kind: 'index', of, index };
      } else {
        return of;
      }
    }
  }

  #method(on: Expression, name: string): Expression {
    if (!isMacro(name)) return { kind: 'call', on, name, args: this.#list(')') };
    const [variable, body, ...rest] = this.#list(')');
    if (variable?.kind !== 'name' || body === undefined)
      throw new CelError(`${name} needs a variable and an expression`);
    if (rest.length > 0) throw new CelError(`${name} takes one variable and one expression here`);
    return { kind: 'macro', macro: name, over: on, variable: variable.name, body };
  }

  #primary(): Expression {
    const token = this.#next();
    switch (token.kind) {
      case 'number':
      case 'string':
        return { kind: 'literal', value: token.value };
      case 'name':
        return this.#named(token.text);
      case 'symbol':
        if (token.text === '(') {
          const inner = this.#choice();
          this.#expect(')');
          return inner;
        }
        if (token.text === '[') return { kind: 'list', items: this.#list(']') };
        if (token.text === '{') return { kind: 'map', entries: this.#entries() };
        break;
      case 'end':
        break;
      default:
        token satisfies never;
    }
    this.#at--;
    throw this.#unexpected();
  }

  #named(name: string): Expression {
    if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
    if (name === 'null') return { kind: 'literal', value: null };
    if (!this.#take('(')) return { kind: 'name', name };
    const args = this.#list(')');
    if (name !== 'has') return { kind: 'call', on: undefined, name, args };
    const [of] = args;
    if (of?.kind !== 'select' || args.length !== 1) throw new CelError('has() needs one field selection');
    return { kind: 'has', of: of.of, field: of.field };
  }

  #list(close: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#take(close)) {
      items.push(this.#choice());
      if (!this.#take(',')) {
        this.#expect(close);
        break;
      }
    }
    return items;
  }

  #entries(): (readonly [Expression, Expression])[] {
    const entries: (readonly [Expression, Expression])[] = [];
    while (!this.#take('}')) {
      const key = this.#choice();
      this.#expect(':');
      entries.push([key, this.#choice()]);
      if (!this.#take(',')) {
        this.#expect('}');
        break;
      }
    }
    return entries;
  }

  #name(): string {
    const token = this.#next();
    if (token.kind === 'name') return token.text;
    this.#at--;
    throw this.#unexpected();
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end' };
  }

  #next(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  /** Consumes the symbol (or the word `in`) when it comes next. */
  #take(text: string): boolean {
    const token = this.#peek();
    const isHere = (token.kind === 'symbol' || (token.kind === 'name' && text === 'in')) && token.text === text;
    if (isHere) this.#at++;
    return isHere;
  }

  /** As `take`, of what makes the tree deeper. */
  #operation(text: string): boolean {
    if (!this.#take(text)) return false;
    if (++this.#operations > MAX_OPERATIONS) throw new CelError(`more than ${MAX_OPERATIONS} operations`);
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) throw this.#unexpected(text);
  }

  #unexpected(wanted?: string): CelError {
    const token = this.#peek();
    const found = token.kind === 'end' ? 'the end' : JSON.stringify('text' in token ? token.text : token.value);
    return new CelError(`unexpected ${found}${wanted === undefined ? '' : `, wanted "${wanted}"`}`);
  }
}

const isMacro = (name: string): name is Macro => MACROS.has(name);
