/** Server-side apply (spec section 8): merge what one manager says, guard what others own, forget what it no longer says. */
import { ApiStatusError, badRequest, conflict } from '../status-error.ts';
import { type Cause, isObject, type Json, type JsonObject, type ResourceInfo } from '../types.ts';
import { applyMerge, removeAbandoned } from './apply-merge.ts';
import { compare, fieldsOf } from './compare.ts';
import { difference, EMPTY, type FieldSet, fieldSet, intersection, LEAF, nameStep, paths, union } from './field-set.ts';
import {
  isSameManager,
  type ManagedEntry,
  type ManagerKey,
  ownable,
  readManagedFields,
  withFields,
  writeManagedFields,
} from './managed-fields.ts';
import type { Topology } from './topology.ts';
import { topologyOf } from './topology-of.ts';

export type ApplyOptions = {
  /** The `fieldManager` of the query; empty is refused. */
  readonly manager: string;
  /** Take over fields that others own with another value. */
  readonly force: boolean;
  /** Of the path. */
  readonly apiVersion: string;
  readonly now: Date;
  readonly subresource?: string;
};

/** Nobody owns the object's name and what the server writes: they stay when the last label goes. */
const METADATA: FieldSet = fieldSet(false, [[nameStep('metadata'), LEAF]]);

/**
 * The object after the apply; `current` undefined creates it. The result keeps the current metadata that servers write
 * (`resourceVersion`, `uid` and the like) and has new `managedFields`. Throws ApiStatusError: 400 for a malformed request,
 * 409 for a stale `resourceVersion`, and 409 with one cause per field for conflicts.
 */
export function serverSideApply(
  info: ResourceInfo,
  current: Json | undefined,
  applied: Json,
  o: ApplyOptions,
): JsonObject {
  const live = isObject(current) ? current : undefined;
  const wanted = readRequest(info, live, applied, o);
  const topology = topologyOf(info);
  const key: ManagerKey = {
    manager: o.manager,
    operation: 'Apply',
    apiVersion: o.apiVersion,
    subresource: o.subresource ?? '',
  };
  const known = knownEntries(live, topology, o.apiVersion);
  const own = known.find((entry) => isSameManager(entry, key));
  const others = known.filter((entry) => entry !== own);

  const said = ownable(wanted);
  const merged = applyMerge(live ?? {}, wanted, topology) as JsonObject;
  const saidFields = Object.keys(said).length === 0 ? EMPTY : fieldsOf(said, topology);
  const { changed } = compare(ownable(live), ownable(merged), topology);
  const losses = others.map((entry) => intersection(entry.fields, intersection(changed, saidFields)));
  if (!o.force) refuseConflicts(others, losses);
  const remaining = others.map((entry, i) => ({ ...entry, fields: difference(entry.fields, losses[i] ?? EMPTY) }));

  const othersOwn = remaining.reduce<FieldSet>((all, entry) => union(all, entry.fields), METADATA);
  const result = removeAbandoned(merged, topology, own?.fields ?? EMPTY, saidFields, othersOwn) as JsonObject;
  const managedFields = writeManagedFields([...remaining, withFields(key, own, saidFields, o.now)]);
  const { managedFields: _old, ...metadata } = isObject(result.metadata) ? result.metadata : {};
  return { ...result, metadata: managedFields.length === 0 ? metadata : { ...metadata, managedFields } };
}

/** Checks the request and leaves what it may set: no nulls, no server-written metadata, one side of `status`. */
function readRequest(info: ResourceInfo, live: JsonObject | undefined, applied: Json, o: ApplyOptions): JsonObject {
  if (o.manager === '') throw badRequest('fieldManager: Required value: is required for apply patch');
  if (!isObject(applied)) throw badRequest('an apply patch must be an object');
  if (applied.apiVersion !== o.apiVersion || applied.kind !== info.kind) {
    const got = `${String(applied.apiVersion ?? '')} ${String(applied.kind ?? '')}`;
    throw badRequest(
      `the applied object is ${got.trim() || 'without type'}, the path is for ${o.apiVersion} ${info.kind}`,
    );
  }
  const metadata = isObject(applied.metadata) ? applied.metadata : {};
  if (Array.isArray(metadata.managedFields) && metadata.managedFields.length > 0) {
    throw badRequest('metadata.managedFields must be nil');
  }
  checkPreconditions(info, live, metadata);
  const {
    resourceVersion: _version,
    uid: _uid,
    managedFields: _managed,
    creationTimestamp: _created,
    ...kept
  } = metadata;
  const { status, ...rest } = withoutNulls({ ...applied, metadata: kept }) as JsonObject;
  if (o.subresource === 'status') {
    // Only the status is written through it; the names tell which object is meant.
    const names = Object.entries(kept).filter(([name]) => name === 'name' || name === 'namespace');
    const type = { apiVersion: o.apiVersion, kind: info.kind, metadata: Object.fromEntries(names) };
    return status === undefined ? type : { ...type, status };
  }
  return status === undefined || info.subresources.includes('status') ? rest : { ...rest, status };
}

function checkPreconditions(info: ResourceInfo, live: JsonObject | undefined, metadata: JsonObject): void {
  const present = isObject(live?.metadata) ? live.metadata : {};
  const name = String(metadata.name ?? present.name ?? '');
  const { resourceVersion, uid } = metadata;
  if (typeof resourceVersion === 'string' && resourceVersion !== '' && resourceVersion !== present.resourceVersion) {
    throw conflict(info, name);
  }
  if (typeof uid === 'string' && uid !== '' && uid !== present.uid) {
    throw conflict(
      info,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${present.uid ?? ''}`,
    );
  }
}

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, part]) => part !== null);
  return Object.fromEntries(kept.map(([key, part]) => [key, withoutNulls(part)]));
}

/** An object that was never tracked belongs, as it stands, to an unknown earlier writer. */
function knownEntries(live: JsonObject | undefined, topology: Topology, apiVersion: string): readonly ManagedEntry[] {
  if (live === undefined) return [];
  const metadata = isObject(live.metadata) ? live.metadata : {};
  const entries = readManagedFields(metadata.managedFields) ?? [];
  const content = ownable(live);
  if (entries.length > 0 || Object.keys(content).length === 0) return entries;
  const fields = fieldsOf(content, topology);
  return [{ manager: 'before-first-apply', operation: 'Update', apiVersion, subresource: '', fields }];
}

function refuseConflicts(others: readonly ManagedEntry[], losses: readonly FieldSet[]): void {
  const conflicts = others
    .map((entry, i) => ({ owner: ownerName(entry), fields: paths(losses[i] ?? EMPTY) }))
    .filter(({ fields }) => fields.length > 0);
  const causes = conflicts.flatMap(({ owner, fields }) =>
    fields.map((field): Cause => ({ reason: 'FieldManagerConflict', message: `conflict with ${owner}`, field })),
  );
  const [only, ...more] = causes;
  if (only === undefined) return;
  const list = conflicts.map(({ owner, fields }) => [`conflicts with ${owner}:`, ...fields].join('\n- ')).join('\n');
  const message =
    more.length === 0
      ? `Apply failed with 1 conflict: ${only.message}: ${only.field}`
      : `Apply failed with ${causes.length} conflicts: ${list}`;
  throw new ApiStatusError(409, 'Conflict', message, { causes });
}

function ownerName({ manager, subresource, apiVersion }: ManagedEntry): string {
  return `"${manager}"${subresource === '' ? '' : ` with subresource "${subresource}"`} using ${apiVersion}`;
}
