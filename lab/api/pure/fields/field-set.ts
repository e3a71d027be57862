/**
 * Sets of fields, as `managedFields` holds them (FieldsV1): a tree whose steps are `f:NAME`, `k:{"name":"c"}` for an item
 * of a keyed list and `v:VALUE` for an item of a set; `.` marks that the item itself belongs to the set, and a step with
 * nothing beneath does so by being there.
 */
import { isObject, type Json, type JsonObject } from '../types.ts';

export type FieldSet = {
  /** The path that ends here is in the set. */
  readonly member: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
};

export const EMPTY: FieldSet = { member: false, children: new Map() };
export const LEAF: FieldSet = { member: true, children: new Map() };

export const isEmpty = (set: FieldSet): boolean => !set.member && set.children.size === 0;

/** Builds a node, leaving out empty children. */
export function fieldSet(member: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { member, children: new Map([...children].filter(([, child]) => !isEmpty(child))) };
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(a)) return b;
  if (isEmpty(b)) return a;
  const children = new Map(a.children);
  for (const [step, child] of b.children) children.set(step, union(children.get(step) ?? EMPTY, child));
  return { member: a.member || b.member, children };
}

/** Members of `a` that are not members of `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmpty(b)) return a;
  const children = [...a.children].map(
    ([step, child]) => [step, difference(child, b.children.get(step) ?? EMPTY)] as const,
  );
  return fieldSet(a.member && !b.member, children);
}

/** Members of both. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].map(
    ([step, child]) => [step, intersection(child, b.children.get(step) ?? EMPTY)] as const,
  );
  return fieldSet(a.member && b.member, children);
}

export function sameSet(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

/** Every member as a path for people, such as `.spec.containers[name="c"].image`. */
export function paths(set: FieldSet, prefix = ''): string[] {
  const own = set.member && prefix !== '' ? [prefix] : [];
  return [...own, ...[...set.children].flatMap(([step, child]) => paths(child, prefix + readableStep(step)))];
}

function readableStep(step: string): string {
  const rest = step.slice(2);
  if (step.startsWith('f:')) return `.${rest}`;
  if (step.startsWith('v:')) return `[=${rest}]`;
  const keys = JSON.parse(rest) as JsonObject;
  const parts = Object.entries(keys).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `[${parts.join(',')}]`;
}

export function toFieldsV1(set: FieldSet): JsonObject {
  const entries = [...set.children].map(([step, child]): [string, Json] => [step, toFieldsV1(child)]);
  if (set.member && entries.length > 0) entries.unshift(['.', {}]);
  return Object.fromEntries(entries);
}

/** Reads FieldsV1; undefined for what is none. */
export function fromFieldsV1(json: Json | undefined): FieldSet | undefined {
  if (!isObject(json)) return undefined;
  try {
    return { ...readNode(json), member: false };
  } catch (error) {
    if (error instanceof NotFieldsV1) return undefined;
    throw error;
  }
}

class NotFieldsV1 extends Error {}

function readNode(json: Json): FieldSet {
  if (!isObject(json)) throw new NotFieldsV1();
  const steps = Object.entries(json).filter(([step]) => step !== '.');
  const children = new Map(steps.map(([step, child]) => [canonicalStep(step), readNode(child)] as const));
  return { member: steps.length === 0 || '.' in json, children };
}

function canonicalStep(step: string): string {
  if (step.startsWith('f:')) return step;
  if (!step.startsWith('k:') && !step.startsWith('v:')) throw new NotFieldsV1();
  try {
    const value = JSON.parse(step.slice(2)) as Json;
    return step.startsWith('v:') ? valueStep(value) : keyStep(isObject(value) ? value : {});
  } catch (error) {
    if (error instanceof SyntaxError) throw new NotFieldsV1();
    throw error;
  }
}

export const nameStep = (name: string): string => `f:${name}`;
export const valueStep = (value: Json): string => `v:${JSON.stringify(value)}`;
/** Keys in alphabetical order, so that one item has one name. */
export function keyStep(keys: JsonObject): string {
  return `k:${JSON.stringify(Object.fromEntries(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1))))}`;
}
