/** `metadata.managedFields`: who owns which fields, read into sets and written back (spec section 8). */
import { isObject, type Json, type JsonObject } from '../types.ts';
import { type FieldSet, fromFieldsV1, isEmpty, sameSet, toFieldsV1 } from './field-set.ts';

export type ManagedEntry = {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** Empty for the main resource. */
  readonly subresource: string;
  /** RFC 3339; absent in entries that never had one. */
  readonly time?: string;
  readonly fields: FieldSet;
};

/** The parts that tell managers apart; for appliers the version does not count. */
export type ManagerKey = Pick<ManagedEntry, 'manager' | 'operation' | 'apiVersion' | 'subresource'>;

export function isSameManager(a: ManagerKey, b: ManagerKey): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** The entries, or undefined when one of them is malformed. */
export function readManagedFields(json: Json | undefined): readonly ManagedEntry[] | undefined {
  if (!Array.isArray(json)) return json === undefined || json === null ? [] : undefined;
  const entries = json.map(readEntry);
  return entries.every((entry) => entry !== undefined) ? entries : undefined;
}

function readEntry(json: Json): ManagedEntry | undefined {
  if (!isObject(json)) return undefined;
  const { manager = '', operation, apiVersion, subresource = '', time } = json;
  const fields = fromFieldsV1(json.fieldsV1);
  if (typeof manager !== 'string' || typeof subresource !== 'string' || typeof apiVersion !== 'string')
    return undefined;
  if ((operation !== 'Apply' && operation !== 'Update') || fields === undefined) return undefined;
  return { manager, operation, apiVersion, subresource, fields, ...(typeof time === 'string' ? { time } : {}) };
}

/** `[{}]` in a write is how a client asks to forget all ownership. */
export function isReset(json: Json | undefined): boolean {
  return Array.isArray(json) && json.every((entry) => isObject(entry) && Object.keys(entry).length === 0);
}

export function writeManagedFields(entries: readonly ManagedEntry[]): Json[] {
  const order = (entry: ManagedEntry) =>
    [entry.operation, entry.time ?? '', entry.manager, entry.subresource].join('\0');
  return entries
    .filter((entry) => !isEmpty(entry.fields))
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
    .map(
      (entry): JsonObject => ({
        manager: entry.manager,
        operation: entry.operation,
        apiVersion: entry.apiVersion,
        ...(entry.time === undefined ? {} : { time: entry.time }),
        fieldsType: 'FieldsV1',
        fieldsV1: toFieldsV1(entry.fields),
        ...(entry.subresource === '' ? {} : { subresource: entry.subresource }),
      }),
    );
}

/** The entry with these fields; its time moves only when they do, so that writing the same twice changes nothing. */
export function withFields(
  key: ManagerKey,
  known: ManagedEntry | undefined,
  fields: FieldSet,
  now: Date,
): ManagedEntry {
  if (known !== undefined && known.apiVersion === key.apiVersion && sameSet(known.fields, fields)) return known;
  return { ...key, fields, time: `${now.toISOString().slice(0, 19)}Z` };
}

const UNOWNED_METADATA: ReadonlySet<string> = new Set([
  'name',
  'namespace',
  'generateName',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'resourceVersion',
  'selfLink',
  'managedFields',
]);

/** The object without what nobody owns: its type, its name and what the server writes. */
export function ownable(object: Json | undefined): JsonObject {
  if (!isObject(object)) return {};
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const owned = Object.entries(isObject(metadata) ? metadata : {}).filter(([key]) => !UNOWNED_METADATA.has(key));
  return owned.length === 0 ? rest : { metadata: Object.fromEntries(owned), ...rest };
}
