/**
 * An expression made ready to be asked many times: read, its names found among the attributes there are, its calls among the
 * functions, its patterns compiled. What is wrong with it is found here, and not when it matters.
 */
import { compileRegex, type Regex } from '../regex/regex.ts';
import { CelError, type Expression } from './ast.ts';
import { evaluate, type Lookup } from './evaluate.ts';
import { hasCall } from './library.ts';
import { parseCel } from './parser.ts';
import { STANDARD } from './standard.ts';
import { type CelType, typeOf } from './type-of.ts';
import type { CelValue } from './values.ts';

/** Type by full name, as in `request.path`. */
export type CelAttributes = Readonly<Record<string, CelType>>;

export type CelProgram = {
  /** What is known of the value without asking; undefined: that depends. */
  readonly type: CelType | undefined;
  /** `lookup` is given full names, each once. @throws CelError for what is missing, has the wrong type, or takes too long. */
  evaluate(lookup: Lookup): CelValue;
};

/** Of an expression: characters. People write a line. */
const MAX_LENGTH = 4096;
/** Of all patterns together, in instructions: half a megabyte, and some ten milliseconds until they are made. One has 10,000 at most. */
const MAX_PATTERNS = 20_000;
/** Of one evaluation: some hundred microseconds, a few milliseconds where values are made to be slow. */
const MAX_STEPS = 10_000;

/** @throws CelError saying what is wrong with it. */
export function compileCel(text: string, attributes: CelAttributes): CelProgram {
  if (text.length > MAX_LENGTH) throw new CelError(`longer than ${MAX_LENGTH} characters`);
  const binder = new Binder(attributes);
  const expression = binder.bound(parseCel(text), NOTHING);
  const lookups = binder.asksAgain ? remembering : (lookup: Lookup) => lookup;
  return {
    type: typeOf(expression, attributes),
    evaluate: (lookup) => evaluate(expression, { library: STANDARD, lookup: lookups(lookup), maxSteps: MAX_STEPS }),
  };
}

/** To make a map of all headers takes longer than any step. */
function remembering(lookup: Lookup): Lookup {
  const known = new Map<string, CelValue | undefined>();
  return (name) => {
    if (known.has(name)) return known.get(name);
    const value = lookup(name);
    known.set(name, value);
    return value;
  };
}

/** It asks for what is not known here; elsewhere it may be. */
export class UnknownName extends CelError {}

type Names = ReadonlySet<string>;
const NOTHING: Names = new Set();

class Binder {
  readonly #attributes: CelAttributes;
  readonly #roots: Names;
  readonly #asked = new Set<string>();
  #asksAgain = false;
  #instructions = 0;

  constructor(attributes: CelAttributes) {
    this.#attributes = attributes;
    this.#roots = new Set(Object.keys(attributes).map((name) => name.slice(0, name.indexOf('.'))));
  }

  /** Whether one attribute may be asked for several times, while what was bound is evaluated once. */
  get asksAgain(): boolean {
    return this.#asksAgain;
  }

  /** `local`: variables of macros around it. */
  bound(e: Expression, local: Names): Expression {
    const inner = (part: Expression): Expression => this.bound(part, local);
    switch (e.kind) {
      case 'literal':
      case 'pattern':
      case 'present':
        return e;
      case 'name':
        if (local.has(e.name)) return e;
        throw new UnknownName(this.#unknown(e.name));
      case 'select': {
        const name = this.#attributeOf(e, local);
        return name === undefined ? { ...e, of: inner(e.of) } : { kind: 'name', name };
      }
      case 'has': {
        const name = this.#attributeOf(e, local);
        return name === undefined ? { ...e, of: inner(e.of) } : { kind: 'present', name };
      }
      case 'index':
        return { ...e, of: inner(e.of), index: inner(e.index) };
      case 'call':
        return this.#call(e, inner);
      case 'list':
        return { ...e, items: e.items.map(inner) };
      case 'map':
        return { ...e, entries: e.entries.map(([key, value]) => [inner(key), inner(value)] as const) };
      case 'not':
      case 'negate':
        return { ...e, of: inner(e.of) };
      case 'and':
      case 'or':
      case 'binary':
        return { ...e, left: inner(e.left), right: inner(e.right) };
      case 'choice':
        return { ...e, condition: inner(e.condition), yes: inner(e.yes), no: inner(e.no) };
      case 'macro':
        return { ...e, over: inner(e.over), body: this.bound(e.body, new Set([...local, e.variable])) };
      default:
        return e satisfies never;
    }
  }

  /** The full name, where this is an attribute; undefined: a field of something else. @throws CelError for none that exists. */
  #attributeOf({ of, field }: { readonly of: Expression; readonly field: string }, local: Names): string | undefined {
    if (of.kind !== 'name' || local.has(of.name) || !this.#roots.has(of.name)) return undefined;
    const name = `${of.name}.${field}`;
    if (!Object.hasOwn(this.#attributes, name))
      throw new UnknownName(`${name} is not known here${this.#those(of.name)}`);
    if (local.size > 0 || this.#asked.has(name)) this.#asksAgain = true;
    this.#asked.add(name);
    return name;
  }

  #call(e: Extract<Expression, { kind: 'call' }>, inner: (part: Expression) => Expression): Expression {
    if (e.name === 'matches') return this.#pattern(e, inner);
    if (!hasCall(STANDARD, e)) throw new CelError(`there is no ${e.name} that takes ${e.args.length} arguments`);
    return { ...e, on: e.on && inner(e.on), args: e.args.map(inner) };
  }

  #pattern(e: Extract<Expression, { kind: 'call' }>, inner: (part: Expression) => Expression): Expression {
    const [of, regex] = patternOf(e);
    this.#instructions += regex.size;
    if (this.#instructions > MAX_PATTERNS) throw new CelError('its patterns are too large');
    return { kind: 'pattern', of: inner(of), regex };
  }

  #unknown(name: string): string {
    if (this.#roots.has(name)) return `${name} has attributes, and is no value itself${this.#those(name)}`;
    return `${name} is not known here; there are ${[...this.#roots].join(', ')}`;
  }

  #those(root: string): string {
    const names = Object.keys(this.#attributes).filter((name) => name.startsWith(`${root}.`));
    return `; of ${root} there are ${names.map((name) => name.slice(root.length + 1)).join(', ')}`;
  }
}

/** `text.matches(pattern)` or `matches(text, pattern)`: anywhere in the text. */
function patternOf(e: Extract<Expression, { kind: 'call' }>): readonly [of: Expression, regex: Regex] {
  const [of, pattern, ...rest] = e.on === undefined ? e.args : [e.on, ...e.args];
  if (of === undefined || pattern === undefined || rest.length > 0) throw new CelError('matches takes one pattern');
  if (pattern.kind !== 'literal' || typeof pattern.value !== 'string') {
    throw new CelError('matches takes a pattern that is written out, so that it is compiled once');
  }
  const compiled = compileRegex(`(?s:.*)(?:${pattern.value})(?s:.*)`);
  if (compiled.kind === 'invalid') throw new CelError(`matches(${JSON.stringify(pattern.value)}): ${compiled.problem}`);
  return [of, compiled.regex];
}
