/**
 * Configuration from environment variables: parsed once, all problems together, frozen. Nothing below a `main.ts` reads
 * `process.env`; it gets the result.
 */
import * as z from 'zod';
import { MeshError } from '../../mesh/index.ts';
import { parseDuration } from './duration.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Variables whose value never appears in a message. */
const secrets = new WeakSet<z.ZodType>();

/** Marks a variable as secret: problems with it are told without its value. */
export function secret<T extends z.ZodType>(schema: T): T {
  secrets.add(schema);
  return schema;
}

const unsetWhenEmpty = (value: unknown) => (value === '' ? undefined : value);

/** Text; unset or empty means the default. */
export const envText = (fallback: string) => z.preprocess(unsetWhenEmpty, z.string().default(fallback));

/** Text that may be absent; empty counts as absent. */
export const envOptionalText = () => z.preprocess(unsetWhenEmpty, z.string().optional());

const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  '1': true,
  t: true,
  false: false,
  '0': false,
  f: false,
};

/** A variable of which `read` makes a value, or nothing when it is not what is expected; unset or empty means the default. */
const readText = <T, D extends T | undefined>(fallback: D, expected: string, read: (text: string) => T | undefined) =>
  z.preprocess(
    unsetWhenEmpty,
    z
      .string()
      .optional()
      .transform((text, context): T | D => {
        if (text === undefined) return fallback;
        const value = read(text);
        if (value !== undefined) return value;
        context.addIssue({ code: 'custom', message: `must be ${expected}` });
        return z.NEVER;
      }),
  );

/** `true`, `1`, `t` or `false`, `0`, `f` in any case; unset means the default. */
export const envBoolean = <D extends boolean | undefined>(fallback: D) =>
  readText<boolean, D>(fallback, 'true or false', (text) => BOOLEANS[text.toLowerCase()]);

/** A whole number within bounds (both inclusive); unset means the default. */
export const envInteger = <D extends number | undefined>(fallback: D, bounds: { min?: number; max?: number } = {}) => {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  const range = bounds.max === undefined ? `of at least ${min}` : `from ${min} to ${max}`;
  return readText<number, D>(fallback, `a whole number ${range}`, (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    return Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
  });
};

/** A Go-style duration, as milliseconds; unset means the default (also in milliseconds). */
export const envDuration = <D extends number | undefined>(fallback: D) =>
  readText<number, D>(fallback, 'a duration such as 300ms, 5s or 1h30m', (text) => {
    try {
      return parseDuration(text);
    } catch {
      return undefined; // the only way it throws; the reason above says the same in the context of a variable
    }
  });

/** A comma-separated list, trimmed, without empty items. */
export const envList = () =>
  z
    .string()
    .optional()
    .transform((text): readonly string[] =>
      (text ?? '')
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    );

/** Some of these words, separated by commas, in an order that counts; unset means undefined. */
export const envSome = <T extends string>(words: readonly T[]) =>
  readText<readonly T[], undefined>(undefined, `one or more of ${words.join(', ')}`, (text) => {
    const items = text.split(',').map((item) => words.find((word) => word === item.trim()));
    const known = items.filter((item) => item !== undefined);
    return new Set(known).size === items.length ? known : undefined;
  });

/**
 * Parses the variables that `schema` names out of `env` and freezes the result.
 * Throws `CONFIG_INVALID` with one line for each problem: variable, value, reason.
 */
export function parseEnv<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  env: Env,
): Readonly<z.output<z.ZodObject<Shape>>> {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name];
    if (value !== undefined) given[name] = value;
  }
  const result = schema.safeParse(given);
  if (result.success) return deepFreeze(result.data);
  const problems = result.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? '');
    if (name === '') return issue.message;
    const value = given[name];
    const field = schema.shape[name];
    const hidden = field instanceof z.ZodType && secrets.has(field);
    return `${name}${value === undefined ? ' is not set' : hidden ? ' (value hidden)' : `="${value}"`}: ${issue.message}`;
  });
  throw configError(problems);
}

/** One error for all problems of a configuration. */
export function configError(problems: readonly string[]): MeshError {
  return new MeshError('CONFIG_INVALID', `the configuration is not usable: ${problems.join('; ')}`);
}

/** Freezes plain objects and arrays all the way down; other values stay as they are. */
export function deepFreeze<T>(value: T): Readonly<T> {
  if (Array.isArray(value)) for (const item of value) deepFreeze(item);
  else if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) deepFreeze(item);
  } else return value;
  return Object.freeze(value);
}
