/** What columns are made of. */
import { type ApiObject, at, textAt } from '../object.ts';
import { humanAge, type Json } from '../pure/index.ts';

export type Column = {
  readonly name: string;
  /** Default `string`. */
  readonly type?: string;
  /** `name` marks the column that names the object. */
  readonly format?: string;
  /** Only with `-o wide`. */
  readonly wide?: true;
  readonly cell: (object: ApiObject, now: Date) => Json;
};

export const NAME: Column = { name: 'Name', format: 'name', cell: (object) => object.metadata.name };
export const AGE: Column = { name: 'Age', cell: (object, now) => humanAge(object.metadata.creationTimestamp, now) };
export const CREATED_AT: Column = {
  name: 'Created At',
  type: 'date',
  cell: (object) => object.metadata.creationTimestamp,
};

/** `<none>` for what is not there: how kubectl has always shown it. */
export const orNone = (text: string): string => (text === '' ? '<none>' : text);

export const textOrNone = (object: Json, ...path: readonly string[]): string => orNone(textAt(object, ...path));

/** `a=b,c=d` */
export function pairs(map: Json | undefined): string {
  const entries = Object.entries((map ?? {}) as Record<string, Json>);
  return orNone(entries.map(([key, value]) => `${key}=${String(value)}`).join(','));
}

/** Entries of the list or the object at a path. */
export const countOf = (object: Json, ...path: readonly string[]): number => {
  const value = at(object, ...path);
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
};
