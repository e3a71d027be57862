/** The shapes every stored object has, and small readers for the rest of its JSON. */
import { isObject, type Json, type JsonObject } from './pure/index.ts';

export type OwnerReference = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
};

export type ObjectMeta = JsonObject & {
  name: string;
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
  uid: string;
  resourceVersion: string;
  generation?: number;
  creationTimestamp: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
};

/** An object as stored: frozen, to be cloned before it is changed. */
export type ApiObject = JsonObject & { apiVersion: string; kind: string; metadata: ObjectMeta };

/** The value at a path of keys; undefined when any step is missing. */
export function at(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  let here = value;
  for (const step of path) {
    if (!isObject(here)) return undefined;
    here = here[step];
  }
  return here;
}

/** The string at a path, or the empty string. */
export function textAt(value: Json | undefined, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' ? found : '';
}

/** The number at a path, or undefined. */
export function numberAt(value: Json | undefined, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === 'number' ? found : undefined;
}

/** The list at a path, or an empty one. */
export function listAt(value: Json | undefined, ...path: readonly string[]): readonly Json[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** The object at a path, or an empty one. */
export function mapAt(value: Json | undefined, ...path: readonly string[]): JsonObject {
  const found = at(value, ...path);
  return isObject(found) ? found : {};
}

/** The string entries of the object at a path: labels, match labels, annotations. */
export function stringsAt(value: Json | undefined, ...path: readonly string[]): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [key, entry] of Object.entries(mapAt(value, ...path))) if (typeof entry === 'string') out[key] = entry;
  return out;
}

/** The child object under `key`, made when absent: for private copies that are being completed. */
export function childOf(parent: JsonObject, key: string): JsonObject {
  const child = parent[key];
  if (isObject(child)) return child;
  const made: JsonObject = {};
  parent[key] = made;
  return made;
}

/** Sets `key` only when it is absent or null. */
export function defaultTo(parent: JsonObject, key: string, value: Json): void {
  if (parent[key] === undefined || parent[key] === null) parent[key] = value;
}

export function ownersOf(object: ApiObject): readonly OwnerReference[] {
  return listAt(object.metadata, 'ownerReferences').filter(isObject) as unknown as readonly OwnerReference[];
}

/** True when both are the same JSON, whatever the order of keys. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameJson(a[key], b[key]));
}

export function deepFreeze<T extends Json>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}

/** RFC 3339 in whole seconds: how metadata carries time. */
export function timestamp(at: Date): string {
  return `${at.toISOString().slice(0, 19)}Z`;
}
