/** The part of JSONPath that printer columns use: names, `['name']`, `[n]`, `[*]` and `[?(@.a.b=="x")]`. */
import { isObject, type Json } from './types.ts';

type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'filter'; readonly path: readonly string[]; readonly operator: Operator; readonly value: Json };

type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'exists';

/** All values at the path, in order; none when something on the way is absent. */
export type JsonPath = (object: Json) => Json[];

const NAME = /^\.?((?:[^.[\]\\]|\\.)+)/;
const QUOTED = /^\[(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\]/;
const INDEX = /^\[(-?\d+)\]/;
const ALL = /^(?:\[\*\]|\.\*)/;
const FILTER = /^\[\?\(\s*@((?:\.[\w\-/\\.]+?)+)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?)\s*)?\)\]/;

/** Compiles a path such as `.status.conditions[?(@.type=="Ready")].status`; throws a plain Error for what is none. */
export function compileJsonPath(text: string): JsonPath {
  const steps = parse(text);
  return (object) => steps.reduce<Json[]>((values, step) => values.flatMap((value) => follow(value, step)), [object]);
}

function parse(text: string): Step[] {
  const steps: Step[] = [];
  let rest = text.replace(/^\{(.*)\}$/s, '$1').replace(/^\$/, '');
  while (rest !== '' && rest !== '.') {
    const [step, length] = parseStep(rest, text);
    steps.push(step);
    rest = rest.slice(length);
  }
  return steps;
}

function parseStep(rest: string, text: string): readonly [Step, number] {
  const all = ALL.exec(rest);
  if (all) return [{ kind: 'all' }, all[0].length];
  const filter = FILTER.exec(rest);
  if (filter) {
    const [whole, path = '', operator, literal] = filter;
    const value = literal === undefined ? null : parseLiteral(literal, text);
    return [
      { kind: 'filter', path: splitNames(path), operator: (operator ?? 'exists') as Operator, value },
      whole.length,
    ];
  }
  const index = INDEX.exec(rest);
  if (index) return [{ kind: 'index', index: Number(index[1]) }, index[0].length];
  const quoted = QUOTED.exec(rest);
  if (quoted) return [{ kind: 'name', name: unescaped(quoted[1] ?? quoted[2] ?? '') }, quoted[0].length];
  const name = NAME.exec(rest);
  if (name?.[1]) return [{ kind: 'name', name: unescaped(name[1]) }, name[0].length];
  throw new Error(`not a JSONPath that is understood here: ${text}`);
}

const unescaped = (name: string) => name.replace(/\\(.)/g, '$1');

const splitNames = (path: string) => (path.match(/\.((?:[^.\\]|\\.)+)/g) ?? []).map((name) => unescaped(name.slice(1)));

function parseLiteral(literal: string, text: string): Json {
  const single = /^'(.*)'$/.exec(literal);
  if (single) return unescaped(single[1] ?? '');
  try {
    return JSON.parse(literal) as Json;
  } catch (error) {
    throw new Error(`not a JSONPath that is understood here: ${text}`, { cause: error });
  }
}

function follow(value: Json, step: Step): Json[] {
  switch (step.kind) {
    case 'name':
      return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name] ?? null] : [];
    case 'index': {
      const element = Array.isArray(value) ? value.at(step.index) : undefined;
      return element === undefined ? [] : [element];
    }
    case 'all':
      return Array.isArray(value) ? value : isObject(value) ? Object.values(value) : [];
    case 'filter':
      return Array.isArray(value) ? value.filter((element) => passes(element, step)) : [];
    default:
      return step satisfies never;
  }
}

function passes(element: Json, filter: Extract<Step, { kind: 'filter' }>): boolean {
  let value: Json | undefined = element;
  for (const name of filter.path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  if (value === undefined || value === null) return false;
  if (filter.operator === 'exists') return true;
  if (filter.operator === '==') return value === filter.value;
  if (filter.operator === '!=') return value !== filter.value;
  if (typeof value !== typeof filter.value || (typeof value !== 'number' && typeof value !== 'string')) return false;
  const [a, b] = [value, filter.value as string | number];
  return filter.operator === '<' ? a < b : filter.operator === '<=' ? a <= b : filter.operator === '>' ? a > b : a >= b;
}
