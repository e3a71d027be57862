/** Careful reading of objects that somebody else wrote. Nothing here throws. */

export type Fields = Readonly<Record<string, unknown>>;
export type Labels = Readonly<Record<string, string>>;

/** What became of an object: facts, a reason why there are none, or nothing to be said about it. */
export type Reading<T> =
  | { readonly kind: 'facts'; readonly facts: T }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'invalid'; readonly problem: string };

export const NOTHING = { kind: 'nothing' } as const;

/** `problem` is `field: reason`. */
export function invalid(problem: string) {
  return { kind: 'invalid', problem } as const;
}

const NONE: Fields = Object.freeze({});

/** The value as an object; an empty one when it is none. */
export function fields(value: unknown): Fields {
  return isFields(value) ? value : NONE;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The value as text; '' when it is none. */
export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function texts(value: unknown): readonly string[] {
  return list(value).filter((item) => typeof item === 'string');
}

/** Labels or annotations: entries whose value is text. */
export function labelsOf(value: unknown): Labels {
  if (!isFields(value)) return {};
  const labels: Record<string, string> = {};
  for (const [key, item] of Object.entries(value)) if (typeof item === 'string') labels[key] = item;
  return labels;
}

const MAX_PORT = 65_535;

/** A port number from 1 to 65535, else undefined. */
export function portNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= MAX_PORT ? value : undefined;
}
