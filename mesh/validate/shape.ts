/** Checks of shape, made of small ones: the type, size and form of each field. Absent and null are the same, as in Kubernetes. */
import { nearest } from '../analyze/edit-distance.ts';
import { type Fields, isFields } from '../derive/read.ts';
import { type Findings, quote } from './findings.ts';

export type Check = (value: unknown, at: string, found: Findings) => void;

/** Nothing is asked of it. */
export const anything: Check = () => {};

export const boolean: Check = (value, at, found) => {
  if (typeof value !== 'boolean') found.error(at, `${quote(value)} is neither true nor false`);
};

export function wholeNumber(min: number, max: number): Check {
  return (value, at, found) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
      found.error(at, `${quote(value)} is no whole number from ${min} to ${max}`);
    }
  };
}

/** Text of bounded length; `reason` then says what is wrong with it, if anything is. */
export function text(
  o: { readonly min?: number; readonly max?: number; readonly reason?: (written: string) => string | undefined } = {},
): Check {
  return (value, at, found) => {
    if (typeof value !== 'string') {
      const hint = typeof value === 'number' || typeof value === 'boolean' ? ` (write "${value}")` : '';
      return found.error(at, `${quote(value)} is no text${hint}`);
    }
    if (value.length < (o.min ?? 0)) return found.error(at, 'must not be empty');
    if (value.length > (o.max ?? Number.POSITIVE_INFINITY)) return found.error(at, `longer than ${o.max} characters`);
    const reason = o.reason?.(value);
    if (reason !== undefined) found.error(at, reason);
  };
}

export function oneOf(...values: readonly string[]): Check {
  return (value, at, found) => {
    if (values.some((known) => known === value)) return;
    const near = typeof value === 'string' && values.find((known) => known.toLowerCase() === value.toLowerCase());
    found.error(at, `${quote(value)} is none of ${values.join(', ')}${near ? `; did you mean ${near}?` : ''}`);
  };
}

export function list(check: Check, o: { readonly min?: number; readonly max?: number } = {}): Check {
  return (value, at, found) => {
    if (!Array.isArray(value)) return found.error(at, `${quote(value)} is no list`);
    const { min = 0, max = Number.POSITIVE_INFINITY } = o;
    if (value.length < min) return found.error(at, 'must not be an empty list');
    if (value.length > max) return found.error(at, `has ${value.length} entries, at most ${max} are allowed`);
    for (const [index, item] of (value as readonly unknown[]).entries()) check(item, `${at}[${index}]`, found);
  };
}

/** A map of free keys. `key` says what is wrong with a key. */
export function map(
  check: Check,
  o: { readonly max?: number; readonly key?: (written: string) => string | undefined } = {},
): Check {
  return (value, at, found) => {
    if (!isFields(value)) return found.error(at, `${quote(value)} is no map`);
    const entries = Object.entries(value);
    if (entries.length > (o.max ?? Number.POSITIVE_INFINITY)) {
      return found.error(at, `has ${entries.length} entries, at most ${o.max} are allowed`);
    }
    for (const [key, item] of entries) {
      const reason = o.key?.(key);
      if (reason !== undefined) found.error(`${at}[${key}]`, reason);
      check(item, `${at}[${key}]`, found);
    }
  };
}

/**
 * An object with these fields. What an unknown field was meant for nobody can say: in what decides about access that is an
 * error, elsewhere (`tolerant`) a warning, since newer versions of a kind may have it.
 */
export function object(
  known: Readonly<Record<string, Check>>,
  o: { readonly required?: readonly string[]; readonly tolerant?: boolean; readonly also?: Check } = {},
): Check {
  return (value, at, found) => {
    if (!isFields(value)) return found.error(at, `${quote(value)} is no object`);
    for (const name of o.required ?? []) if (!isSet(value[name])) found.error(field(at, name), 'is required');
    for (const [name, item] of Object.entries(value)) {
      const check = Object.hasOwn(known, name) ? known[name] : undefined;
      if (check === undefined) unknownField(name, at, Object.keys(known), found, o.tolerant === true);
      else if (isSet(item)) check(item, field(at, name), found);
    }
    o.also?.(value, at, found);
  };
}

export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** Which of these fields are set. */
export function present(value: Fields, names: readonly string[]): readonly string[] {
  return names.filter((name) => isSet(value[name]));
}

export function field(at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`;
}

function unknownField(name: string, at: string, known: readonly string[], found: Findings, tolerant: boolean): void {
  if (found.isFull) return; // a guess costs time, and an object can have very many fields
  const near = nearest(name, known);
  const message = `unknown field${near === undefined ? '' : `; did you mean ${near}?`}`;
  if (tolerant) found.warn('unknown-field', field(at, name), `${message}; it has no effect`);
  else found.error(field(at, name), message, 'unknown-field');
}
