/** Any JSON value: what the API server stores and these functions work on. Values are treated as immutable. */
export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** What the API server knows of one resource type: its row of discovery, and for a custom resource its schema. */
export type ResourceInfo = {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** The word in paths, such as `pods`. */
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly namespaced: boolean;
  readonly categories: readonly string[];
  /** Such as `status` and `scale`, without the resource's own name. */
  readonly subresources: readonly string[];
  /** True when a CustomResourceDefinition defines it. */
  readonly custom: boolean;
  readonly verbs: readonly string[];
  /** `openAPIV3Schema` of this version; only for custom resources. */
  readonly schema?: Json;
};

/** One reason of a failure, in the form of a Status: `field` is a path such as `spec.ports[0].port`. */
export type Cause = { readonly reason: CauseReason; readonly message: string; readonly field: string };

/** The machine-readable words of a cause (spec section 10). */
export type CauseReason =
  | 'FieldValueInvalid'
  | 'FieldValueRequired'
  | 'FieldValueForbidden'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueTooLong'
  | 'FieldValueTypeInvalid'
  | 'FieldValueTooMany'
  | 'FieldManagerConflict'
  | 'ResourceVersionTooLarge';

/** True for a JSON object: neither null nor a list. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Sets a key as JSON means it: `__proto__` is a key like any other, and must not become the prototype. */
export function setKey(object: JsonObject, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
}

/** The key's own value. */
export function getKey(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** `pods`, or `deployments.apps` for a group other than the core one: how messages name a resource type. */
export function qualifiedResource(info: Pick<ResourceInfo, 'group' | 'plural'>): string {
  return info.group === '' ? info.plural : `${info.plural}.${info.group}`;
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(info: Pick<ResourceInfo, 'group' | 'version'>): string {
  return info.group === '' ? info.version : `${info.group}/${info.version}`;
}
