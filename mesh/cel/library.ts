/** What an expression may call, and how a function takes its arguments. */
import { CelError, type Expression } from './ast.ts';
import type { Meter } from './meter.ts';
import { type CelValue, isList, typeName } from './values.ts';

/** Its texts are paid for, as far as each is looked through once; for more work than that it asks `meter`. */
export type CelCall = (args: readonly CelValue[], meter: Meter) => CelValue;

/** By name and number of arguments, as in `size/1`. */
export type CelLibrary = {
  readonly functions: Readonly<Record<string, CelCall>>;
  /** The first argument is what they are called on, and is not counted. */
  readonly methods: Readonly<Record<string, CelCall>>;
};

/** `more` comes before what `library` has of the same name. */
export function withLibrary(library: CelLibrary, more: CelLibrary): CelLibrary {
  return {
    functions: { ...library.functions, ...more.functions },
    methods: { ...library.methods, ...more.methods },
  };
}

/** Undefined: there is none of that name that takes so many arguments. */
export function callOf(library: CelLibrary, name: string, args: number, isMethod: boolean): CelCall | undefined {
  const calls = isMethod ? library.methods : library.functions;
  const key = `${name}/${args}`;
  return Object.hasOwn(calls, key) ? calls[key] : undefined;
}

export function hasCall(library: CelLibrary, { name, args, on }: Extract<Expression, { kind: 'call' }>): boolean {
  return callOf(library, name, args.length, on !== undefined) !== undefined;
}

export function wrongType(value: CelValue | undefined): never {
  throw new CelError(`no such overload for ${typeName(value)}`);
}

export const text = (value: CelValue | undefined): string => (typeof value === 'string' ? value : wrongType(value));
export const number = (value: CelValue | undefined): number => (typeof value === 'number' ? value : wrongType(value));
export const integer = (value: CelValue | undefined): number =>
  Number.isInteger(value) ? number(value) : wrongType(value);
export const list = (value: CelValue | undefined): readonly CelValue[] =>
  value !== undefined && isList(value) ? value : wrongType(value);

/** `value` as what `parse` reads out of it. @throws CelError for what it can not read. */
export function parsed<T extends CelValue>(
  parse: (text: string) => T | undefined,
  value: CelValue | undefined,
  what: string,
): T {
  const result = parse(text(value));
  if (result === undefined) throw new CelError(`not a ${what}: ${text(value)}`);
  return result;
}
