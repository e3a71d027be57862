/** What can be said of a value before it is known: enough to find an expression that can never be of use. */
import type { Expression } from './ast.ts';

export type CelType = 'bool' | 'int' | 'string' | 'map' | 'list' | 'duration' | 'timestamp';

/** Undefined: that depends. `names` are of names that are bound already. */
export function typeOf(e: Expression, names: Readonly<Record<string, CelType>>): CelType | undefined {
  switch (e.kind) {
    case 'literal':
      return LITERALS[typeof e.value];
    case 'name':
      return Object.hasOwn(names, e.name) ? names[e.name] : undefined;
    case 'not':
    case 'and':
    case 'or':
    case 'has':
    case 'present':
    case 'pattern':
      return 'bool';
    case 'binary':
      return RELATIONS.has(e.operator) ? 'bool' : undefined;
    case 'choice': {
      const yes = typeOf(e.yes, names);
      return yes === typeOf(e.no, names) ? yes : undefined;
    }
    case 'list':
    case 'map':
      return e.kind;
    case 'macro':
      return e.macro === 'map' || e.macro === 'filter' ? 'list' : 'bool';
    case 'call':
      return CALLS[e.name];
    case 'select':
    case 'index':
    case 'negate':
      return undefined;
    default:
      return e satisfies never;
  }
}

const LITERALS: Readonly<Partial<Record<string, CelType>>> = { boolean: 'bool', number: 'int', string: 'string' };
const RELATIONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);
const CALLS: Readonly<Partial<Record<string, CelType>>> = {
  startsWith: 'bool',
  endsWith: 'bool',
  contains: 'bool',
  size: 'int',
  string: 'string',
  split: 'list',
  join: 'string',
  replace: 'string',
  substring: 'string',
  lowerAscii: 'string',
  upperAscii: 'string',
};
