import type { Json, JsonObject, ResourceInfo } from '../types.ts';
import { apiVersionOf, isObject } from '../types.ts';
import { compare, isUnchanged, touched } from './compare.ts';
import { difference, EMPTY, union } from './field-set.ts';
import {
  isReset,
  isSameManager,
  type ManagedEntry,
  type ManagerKey,
  ownable,
  readManagedFields,
  withFields,
  writeManagedFields,
} from './managed-fields.ts';
import { topologyOf } from './topology-of.ts';

/** Who writes, and when; `subresource` is absent for the main resource. */
export type UpdateOptions = { readonly manager: string; readonly now: Date; readonly subresource?: string };

/**
 * Ownership after an ordinary write (create, replace, patch): the manager owns what it changed, others lose it. The
 * object's own `managedFields` are taken as given, `[{}]` resets them, absent or malformed ones mean the old ones. Equal
 * content leaves them untouched, times included. Returns a new object.
 */
export function trackUpdate(info: ResourceInfo, before: Json | undefined, after: Json, o: UpdateOptions): JsonObject {
  if (!isObject(after)) throw new TypeError('an object is needed to track its fields');
  const metadata = isObject(after.metadata) ? after.metadata : {};
  const known = startingEntries(before, metadata.managedFields);
  const happened = compare(ownable(before), ownable(after), topologyOf(info));
  const entries = isUnchanged(happened) ? known : afterUpdate(known, keyOf(info, after, o), happened, o.now);
  const managedFields = writeManagedFields(entries);
  const { managedFields: _given, ...rest } = metadata;
  return { ...after, metadata: managedFields.length === 0 ? rest : { ...rest, managedFields } };
}

function startingEntries(before: Json | undefined, given: Json | undefined): readonly ManagedEntry[] {
  const metadata = isObject(before) && isObject(before.metadata) ? before.metadata : {};
  const old = readManagedFields(metadata.managedFields) ?? [];
  if (given === undefined || given === null) return old;
  return isReset(given) ? [] : (readManagedFields(given) ?? old);
}

function keyOf(info: ResourceInfo, after: JsonObject, o: UpdateOptions): ManagerKey {
  const apiVersion = typeof after.apiVersion === 'string' ? after.apiVersion : apiVersionOf(info);
  return { manager: o.manager, operation: 'Update', apiVersion, subresource: o.subresource ?? '' };
}

function afterUpdate(
  known: readonly ManagedEntry[],
  key: ManagerKey,
  happened: ReturnType<typeof compare>,
  now: Date,
): readonly ManagedEntry[] {
  const own = known.find((entry) => isSameManager(entry, key));
  const others = known
    .filter((entry) => entry !== own)
    .map((entry) => ({ ...entry, fields: difference(entry.fields, touched(happened)) }));
  const fields = union(difference(own?.fields ?? EMPTY, happened.removed), happened.changed);
  return [...others, withFields(key, own, fields, now)];
}
