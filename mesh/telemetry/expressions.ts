/** Expressions of Telemetry objects, made ready: which requests are logged, and what labels say (waypoint.md section 5.1). */
import { CelError } from '../cel/ast.ts';
import type { Lookup } from '../cel/evaluate.ts';
import { type CelProgram, compileCel, UnknownName } from '../cel/program.ts';
import type { CelType } from '../cel/type-of.ts';
import type { CelValue } from '../cel/values.ts';
import { ATTRIBUTES, type AttributeName } from './attributes.ts';

export type Attributes = (name: AttributeName) => CelValue | undefined;

export type Compiled<T> =
  | { readonly kind: 'compiled'; readonly ask: T }
  /** What is wrong with the expression, for a person; `isForeign`: it asks for what other proxies may know. */
  | { readonly kind: 'invalid'; readonly problem: string; readonly isForeign: boolean };

/** Whether a line is to be written: also where that can not be said, so that nothing is hidden by a mistake. */
export type LogFilter = (attributes: Attributes) => boolean;
/** What a label says; `unknown` where that can not be said. */
export type TagValue = (attributes: Attributes) => string;

export function compileLogFilter(expression: string): Compiled<LogFilter> {
  return compiled(expression, 'a filter must be true or false', ['bool'], (program) => (attributes) => {
    return resultOf(program, attributes) !== false;
  });
}

const UNKNOWN = 'unknown';
/** Values of callers become names of series: no caller needs a longer one. */
const MAX_VALUE = 128;
const TEXTS: readonly CelType[] = ['bool', 'int', 'string'];

export function compileTagValue(expression: string): Compiled<TagValue> {
  return compiled(expression, 'a label must be a text, a number, true or false', TEXTS, (program) => (attributes) => {
    const value = resultOf(program, attributes);
    const isShown = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    return isShown ? String(value).slice(0, MAX_VALUE) : UNKNOWN;
  });
}

function compiled<T>(
  expression: string,
  wanted: string,
  types: readonly CelType[],
  ready: (program: CelProgram) => T,
): Compiled<T> {
  try {
    const program = compileCel(expression, ATTRIBUTES);
    if (program.type === undefined || types.includes(program.type)) return { kind: 'compiled', ask: ready(program) };
    return { kind: 'invalid', problem: `${wanted}, and not a ${program.type}`, isForeign: false };
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return { kind: 'invalid', problem: error.message, isForeign: error instanceof UnknownName };
  }
}

/** Undefined: that can not be said. */
function resultOf(program: CelProgram, attributes: Attributes): CelValue | undefined {
  try {
    return program.evaluate(attributes as Lookup);
  } catch (error) {
    if (error instanceof CelError) return undefined;
    throw error;
  }
}
