/** Runs a parsed expression against values, with a bound on work. */
import type { Regex } from '../regex/regex.ts';
import { CelError, type Expression } from './ast.ts';
import { type CelLibrary, callOf, integer, text } from './library.ts';
import { Meter, makingOf, matchingOf, PRICE, readingOf } from './meter.ts';
import { binary, numberOf } from './operators.ts';
import { type CelValue, isList, isMap, keysOf, typeName } from './values.ts';

/** What a name stands for; undefined: nothing. */
export type Lookup = (name: string) => CelValue | undefined;

export type EvaluateOptions = {
  readonly library: CelLibrary;
  readonly lookup: Lookup;
  /** One for each part of the expression that is looked at; what takes longer costs more (`meter.ts`). */
  readonly maxSteps: number;
};

/** The value of the expression. @throws CelError for a missing field, wrong types, or too much work. */
export function evaluate(expression: Expression, options: EvaluateOptions): CelValue {
  return new Evaluation(options).value(expression);
}

class Evaluation {
  readonly #library: CelLibrary;
  readonly #meter: Meter;
  #lookup: Lookup;

  constructor({ library, lookup, maxSteps }: EvaluateOptions) {
    this.#library = library;
    this.#lookup = lookup;
    this.#meter = new Meter(maxSteps);
  }

  value(e: Expression): CelValue {
    this.#meter.spend(1);
    switch (e.kind) {
      case 'literal':
        return e.value;
      case 'name':
        return this.#variable(e.name);
      case 'select':
        return this.#select(this.value(e.of), e.field);
      case 'index':
        return this.#index(this.value(e.of), this.value(e.index));
      case 'has':
        return this.#has(this.value(e.of), e.field);
      case 'call':
        return this.#call(e);
      case 'list':
        return e.items.map((item) => this.value(item));
      case 'map':
        return Object.fromEntries(
          e.entries.map(([key, value]) => [this.#paid(keyOf(this.value(key))), this.value(value)]),
        );
      case 'not':
        return !this.#truth(e.of);
      case 'negate':
        return -numberOf(this.value(e.of));
      case 'and':
        return this.#junction(e.left, e.right, false);
      case 'or':
        return this.#junction(e.left, e.right, true);
      case 'choice':
        return this.value(this.#truth(e.condition) ? e.yes : e.no);
      case 'binary':
        return this.#charged(binary(e.operator, this.value(e.left), this.value(e.right), this.#meter));
      case 'macro':
        return this.#macro(e);
      case 'present':
        return this.#lookup(e.name) !== undefined;
      case 'pattern':
        return this.#matches(e.regex, text(this.value(e.of)));
      default:
        return e satisfies never;
    }
  }

  #variable(name: string): CelValue {
    const value = this.#lookup(name);
    if (value === undefined) throw new CelError(`undeclared reference to ${name}`);
    return value;
  }

  #call(e: Extract<Expression, { kind: 'call' }>): CelValue {
    const call = callOf(this.#library, e.name, e.args.length, e.on !== undefined);
    if (call === undefined) throw new CelError(`undeclared reference to ${e.name} with ${e.args.length} arguments`);
    const all = e.on === undefined ? e.args : [e.on, ...e.args];
    const args = all.map((arg) => this.#paid(this.value(arg)));
    return this.#charged(call(args, this.#meter));
  }

  #matches(regex: Regex, subject: string): boolean {
    this.#meter.spend(matchingOf(subject));
    return regex.matches(subject, (instructions) => this.#meter.spend(instructions * PRICE.instruction));
  }

  /** What looks through a long text takes as long as that. */
  #paid<T extends CelValue>(value: T): T {
    if (typeof value === 'string') this.#meter.spend(readingOf(value));
    return value;
  }

  /** Long values cost as many steps as they are long, so that no rule can build an endless one cheaply. */
  #charged(value: CelValue): CelValue {
    if (typeof value === 'string') this.#meter.spend(makingOf(value));
    else if (isList(value)) this.#meter.spend(value.length * PRICE.item);
    return value;
  }

  #truth(e: Expression): boolean {
    const value = this.value(e);
    if (typeof value !== 'boolean') throw new CelError('a condition must be true or false');
    return value;
  }

  /** `&&` and `||` do not mind an error on one side when the other side alone decides. */
  #junction(left: Expression, right: Expression, decides: boolean): boolean {
    let failed: CelError | undefined;
    for (const side of [left, right]) {
      try {
        if (this.#truth(side) === decides) return decides;
      } catch (error) {
        failed = this.#forgiven(error);
      }
    }
    if (failed !== undefined) throw failed;
    return !decides;
  }

  /** An error that counts only if nothing else decides. @throws what can not be forgiven. */
  #forgiven(error: unknown): CelError {
    if (!(error instanceof CelError) || this.#meter.isSpent) throw error;
    this.#meter.spend(PRICE.failure);
    return error;
  }

  #select(of: CelValue, field: string): CelValue {
    const value = this.#field(of, field);
    if (value === undefined) throw new CelError(`no such key: ${field}`);
    return value;
  }

  #has(of: CelValue, field: string): boolean {
    const value = this.#field(of, field);
    return value !== undefined && value !== null;
  }

  #field(of: CelValue, field: string): CelValue | undefined {
    if (!isMap(of)) throw new CelError(`no field ${field} in a value that is no object`);
    const name = Object.hasOwn(of, field) ? field : propertyName(field);
    return Object.hasOwn(of, name) ? of[name] : undefined;
  }

  #index(of: CelValue, index: CelValue): CelValue {
    if (isList(of)) {
      const value = of[integer(index)];
      if (value === undefined) throw new CelError(`index out of bounds: ${integer(index)}`);
      return value;
    }
    if (!isMap(of) || typeof index !== 'string') throw new CelError('only lists and maps have an index');
    const value = Object.hasOwn(of, this.#paid(index)) ? of[index] : undefined;
    if (value === undefined) throw new CelError(`no such key: ${index}`);
    return value;
  }

  #macro(e: Extract<Expression, { kind: 'macro' }>): CelValue {
    const over = this.value(e.over);
    const items = isList(over) ? over : isMap(over) ? keysOf(over, this.#meter) : undefined;
    if (items === undefined) throw new CelError(`${e.macro} needs a list or a map`);
    const each = (item: CelValue, body: Expression): CelValue => this.#within(e.variable, item, body);
    switch (e.macro) {
      case 'map':
        return this.#charged(items.map((item) => each(item, e.body)));
      case 'filter':
        return this.#charged(items.filter((item) => each(item, e.body) === true));
      case 'exists_one':
        return items.filter((item) => each(item, e.body) === true).length === 1;
      case 'all':
      case 'exists':
        return this.#quantified(items, e.macro === 'exists', (item) => each(item, e.body));
      default:
        return e.macro satisfies never;
    }
  }

  /** As `&&` or `||` over all items: an error counts only when no item decides. */
  #quantified(items: readonly CelValue[], decides: boolean, check: (item: CelValue) => CelValue): boolean {
    let failed: CelError | undefined;
    for (const item of items) {
      try {
        if (check(item) === decides) return decides;
      } catch (error) {
        failed = this.#forgiven(error);
      }
    }
    if (failed !== undefined) throw failed;
    return !decides;
  }

  #within(name: string, value: CelValue, body: Expression): CelValue {
    const outer = this.#lookup;
    this.#lookup = (asked) => (asked === name ? value : outer(asked));
    try {
      return this.value(body);
    } finally {
      this.#lookup = outer;
    }
  }
}

/** Maps are JSON's here: their keys are texts. */
function keyOf(value: CelValue): string {
  if (typeof value === 'object') throw new CelError(`a key of a map can not be of type ${typeName(value)}`);
  return String(value);
}

const ESCAPED: Readonly<Record<string, string>> = {
  __underscores__: '__',
  __dot__: '.',
  __dash__: '-',
  __slash__: '/',
};

/** Property names that CEL cannot say are escaped in rules: `__namespace__`, `a__dash__b`. */
function propertyName(escaped: string): string {
  const keyword = /^__([a-z]+)__$/.exec(escaped);
  if (keyword && !Object.hasOwn(ESCAPED, escaped)) return keyword[1] ?? escaped;
  return escaped.replace(/__(?:underscores|dot|dash|slash)__/g, (part) => ESCAPED[part] ?? part);
}
