/**
 * The one way an object is created or changed, whatever verb asked for it: complete, check, take care of metadata, find
 * out whether anything changed at all, store.
 */
import { randomUUID } from 'node:crypto';
import { strategyOf } from '../defaults/index.ts';
import { metadataProblems } from '../defaults/metadata.ts';
import { suffix } from '../defaults/pods.ts';
import type { WriteContext } from '../defaults/strategy.ts';
import { type ApiObject, listAt, mapAt, type ObjectMeta, sameJson, timestamp } from '../object.ts';
import {
  alreadyExists,
  conflict,
  forbidden,
  invalid,
  type Json,
  type JsonObject,
  notFound,
  type ResourceInfo,
  trackUpdate,
} from '../pure/index.ts';
import { storageKey } from '../store/store.ts';
import type { WriteOptions } from './options.ts';

/** Room for the five characters that `generateName` adds (spec section 11). */
const MAX_GENERATED_PREFIX = 58;
const NAMESPACES = storageKey('', 'namespaces');
/** Built-in types without a spec that anybody reconciles: upstream counts no generations for them. */
const WITHOUT_GENERATION = new Set(
  ['configmaps', 'secrets', 'serviceaccounts', 'namespaces', 'nodes', 'events', 'endpoints', 'services']
    .map((plural) => storageKey('', plural))
    .concat(storageKey('coordination.k8s.io', 'leases'))
    .concat(
      ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map((p) => `rbac.authorization.k8s.io/${p}`),
    ),
);

export type CreateRequest = WriteOptions & {
  readonly info: ResourceInfo;
  readonly object: ApiObject;
  /** True when the object brings its own managedFields, from an apply. */
  readonly tracked?: boolean;
};

/** Stores a new object and returns it. Throws 403, 404, 409, 422. */
export function createObject(context: WriteContext, request: CreateRequest): ApiObject {
  const { info, dryRun, manager } = request;
  const object = structuredClone(request.object);
  const { metadata } = object;
  if (info.namespaced) checkNamespace(context, info, metadata);
  if (context.registry.crdOf(info)?.metadata.deletionTimestamp !== undefined) {
    throw forbidden(info, metadata.name, 'its CustomResourceDefinition is being deleted');
  }
  const prefix = metadata['generateName'];
  if (metadata.name === '' && typeof prefix === 'string' && prefix !== '') {
    const make = (): string => `${prefix.slice(0, MAX_GENERATED_PREFIX)}${suffix()}`;
    metadata.name = context.admission?.generatedName(make) ?? make();
  }
  const resource = storageKey(info.group, info.plural);
  if (context.store.get(resource, metadata.namespace ?? '', metadata.name) !== undefined) {
    throw alreadyExists(info, metadata.name);
  }
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp(context.now());
  metadata.resourceVersion = '';
  if (WITHOUT_GENERATION.has(resource)) delete metadata.generation;
  else metadata.generation = 1;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  if (info.subresources.includes('status')) delete object['status'];
  const complete = completed(context, info, object, undefined);
  const tracked = request.tracked === true ? complete : track(context, info, undefined, complete, manager);
  const owned = underStorageVersion(context, info, tracked);
  const attempt = {
    operation: 'CREATE',
    info,
    subresource: '',
    object: owned,
    old: undefined,
    dryRun,
    manager,
  } as const;
  context.admission?.check(attempt);
  return dryRun ? withoutVersion(owned) : context.store.put(resource, owned);
}

function checkNamespace({ store }: WriteContext, info: ResourceInfo, metadata: ObjectMeta): void {
  const name = metadata.namespace ?? '';
  const namespace = store.get(NAMESPACES, '', name);
  if (namespace === undefined) throw notFound({ group: '', plural: 'namespaces' }, name);
  if (namespace.metadata.deletionTimestamp === undefined) return;
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw forbidden(info, metadata.name, why);
}

export type UpdateRequest = WriteOptions & {
  readonly info: ResourceInfo;
  readonly old: ApiObject;
  readonly object: ApiObject;
  /** `status` changes only the status; others name a part that may change beyond the kind's rules. */
  readonly subresource?: string;
  readonly tracked?: boolean;
};

/**
 * Stores a changed object and returns it; nothing is stored when nothing changed (spec section 7). An object whose last
 * finalizer went away in this write is removed. Throws 409, 422.
 */
export function updateObject(context: WriteContext, request: UpdateRequest): ApiObject {
  const { info, old, dryRun, manager, subresource } = request;
  checkPreconditions(info, old, {
    uid: request.object.metadata.uid,
    resourceVersion: knownVersion(request.object),
  });
  const object = structuredClone(subresource === 'status' ? statusOnly(info, old, request.object) : request.object);
  keepServerFields(object, old);
  if (subresource !== 'status' && info.subresources.includes('status')) {
    if (old['status'] === undefined) delete object['status'];
    else object['status'] = structuredClone(old['status']);
  }
  const complete = completed(context, info, object, old, subresource);
  if (complete.metadata.generation !== undefined && !sameJson(ownPart(info, complete), ownPart(info, old))) {
    complete.metadata.generation += 1;
  }
  const tracked = request.tracked === true ? complete : track(context, info, old, complete, manager, subresource);
  const owned = underStorageVersion(context, info, tracked);
  const attempt = {
    operation: 'UPDATE',
    info,
    subresource: subresource ?? '',
    object: owned,
    old,
    dryRun,
    manager,
  } as const;
  context.admission?.check(attempt);
  if (sameJson(comparable(owned), comparable(old))) return old;
  if (dryRun) return owned;
  const resource = storageKey(info.group, info.plural);
  if (isFinished(owned)) {
    context.store.remove(resource, owned.metadata.namespace ?? '', owned.metadata.name);
    return owned;
  }
  return context.store.put(resource, owned);
}

/** Zero means any version, as an absent one does. */
const knownVersion = ({ metadata }: ApiObject): string | undefined =>
  metadata.resourceVersion === '0' ? undefined : metadata.resourceVersion;

export type Preconditions = { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined };

/** Throws 409 when the caller spoke of another state of the object, or of another object of that name. */
export function checkPreconditions(info: ResourceInfo, object: ApiObject, wanted: Preconditions): void {
  const { uid, resourceVersion, name } = object.metadata;
  if (wanted.uid !== undefined && wanted.uid !== '' && wanted.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${uid}`;
    throw conflict(info, name, why);
  }
  const version = wanted.resourceVersion;
  if (version !== undefined && version !== '' && version !== resourceVersion) throw conflict(info, name);
}

/** A deleted object that nothing holds back any more. */
export function isFinished(object: ApiObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0) return false;
  if (object.kind === 'Namespace' && object.apiVersion === 'v1')
    return listAt(object, 'spec', 'finalizers').length === 0;
  return deletionGracePeriodSeconds === 0;
}

/** What a write to `/status` means: the new status on the old object. Built-in kinds take labels and annotations, too. */
function statusOnly(info: ResourceInfo, old: ApiObject, object: ApiObject): ApiObject {
  const { managedFields, labels, annotations } = object.metadata;
  const metadata: JsonObject = { ...old.metadata, ...(managedFields === undefined ? {} : { managedFields }) };
  // The reference's CNI agent annotates pods through pods/status, since that right is the smaller one.
  if (!info.custom) {
    for (const [key, value] of Object.entries({ labels, annotations })) {
      if (value !== undefined) metadata[key] = value; // a status alone says nothing of them
    }
  }
  const { status: _, ...rest } = old;
  return { ...rest, ...(object['status'] === undefined ? {} : { status: object['status'] }), metadata } as ApiObject;
}

const SERVER_FIELDS = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'resourceVersion',
  'generateName',
] as const;

function keepServerFields(object: ApiObject, old: ApiObject): void {
  const metadata: JsonObject = object.metadata;
  for (const key of SERVER_FIELDS) {
    const kept = old.metadata[key];
    if (kept === undefined) delete metadata[key];
    else metadata[key] = kept;
  }
}

/** Empty lists and maps in metadata mean the same as none, and are stored as none. */
function dropEmpty(metadata: JsonObject): void {
  for (const key of ['labels', 'annotations', 'finalizers', 'ownerReferences']) {
    const value = metadata[key];
    if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) delete metadata[key];
  }
}

function completed(
  context: WriteContext,
  info: ResourceInfo,
  object: ApiObject,
  old: ApiObject | undefined,
  subresource?: string,
): ApiObject {
  const strategy = subresource === undefined ? strategyOf(info) : {};
  strategy.prepare?.(object, old, context);
  dropEmpty(object.metadata);
  const schema = context.registry.schemaOf(info);
  const complete = schema === undefined ? object : (schema.default(object) as ApiObject);
  const causes = [
    ...metadataProblems(info, complete, old),
    ...(schema?.validate(complete, old) ?? []),
    ...(strategy.validate?.(complete, old, context) ?? []),
  ];
  if (causes.length > 0) throw invalid(info, complete.metadata.name, causes);
  return complete;
}

function track(
  context: WriteContext,
  info: ResourceInfo,
  before: ApiObject | undefined,
  after: ApiObject,
  manager: string,
  subresource?: string,
): ApiObject {
  const options = { manager, now: context.now(), ...(subresource === undefined ? {} : { subresource }) };
  return trackUpdate(info, before, after, options) as ApiObject;
}

/** One object for all versions of a custom type: the same content through another version must not count as a change. */
function underStorageVersion(context: WriteContext, info: ResourceInfo, object: ApiObject): ApiObject {
  const apiVersion = context.registry.storageApiVersion(info);
  return object.apiVersion === apiVersion ? object : ({ ...object, apiVersion } as ApiObject);
}

/** What counts as a new generation: all but metadata and, for kinds that report one, status. */
function ownPart(info: ResourceInfo, object: ApiObject): Json {
  const { metadata: _, status, ...rest } = object;
  return info.custom && !info.subresources.includes('status') && status !== undefined ? { ...rest, status } : rest;
}

/** The object without what changes by writing alone: times of ownership, and the version. */
function comparable(object: ApiObject): Json {
  const { resourceVersion: _, managedFields, ...metadata } = object.metadata;
  const owners = listAt({ managedFields: managedFields ?? null }, 'managedFields').map((entry) => {
    const { time: __, ...rest } = mapAt(entry);
    return rest;
  });
  return { ...object, metadata: { ...metadata, managedFields: owners } };
}

function withoutVersion(object: ApiObject): ApiObject {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return { ...object, metadata } as ApiObject;
}
