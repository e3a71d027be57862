/** Deletion: at once, or marked and left to finalizers, kubelets and the server's own controllers (spec section 9). */
import type { WriteContext } from '../defaults/strategy.ts';
import { type ApiObject, childOf, listAt, mapAt, numberAt, textAt, timestamp } from '../object.ts';
import { badRequest, forbidden, type JsonObject, type ResourceInfo } from '../pure/index.ts';
import { CRD_STORAGE } from '../resources/registry.ts';
import { storageKey } from '../store/store.ts';
import { checkPreconditions, isFinished, type Preconditions } from './commit.ts';
import { dryRunOf } from './options.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';
export const CRD_CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';
export type DeleteOptions = {
  readonly propagation: Propagation;
  /** Undefined: the kind's own, which for pods is in their spec. */
  readonly graceSeconds: number | undefined;
  readonly preconditions: Preconditions;
  readonly dryRun: boolean;
};

export const INTERNAL_DELETE: DeleteOptions = {
  propagation: 'Background',
  graceSeconds: undefined,
  preconditions: {},
  dryRun: false,
};

const NAMESPACES = storageKey('', 'namespaces');
/** Namespaces that the cluster itself lives in. */
const PERMANENT = new Set(['default', 'kube-public', 'kube-system']);
const PROPAGATIONS: readonly Propagation[] = ['Background', 'Foreground', 'Orphan'];

/** Options come in the body or as query parameters. Throws 400. */
export function deleteOptions(body: JsonObject, query: URLSearchParams): DeleteOptions {
  const asked = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? 'Background';
  const propagation = PROPAGATIONS.find((p) => p === asked);
  if (propagation === undefined) throw badRequest(`propagationPolicy: invalid value "${String(asked)}"`);
  if (body['orphanDependents'] === true) throw badRequest('orphanDependents is not supported; use propagationPolicy');
  const grace =
    body['gracePeriodSeconds'] ??
    (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : undefined);
  if (grace !== undefined && grace !== null && (typeof grace !== 'number' || !Number.isInteger(grace) || grace < 0)) {
    throw badRequest('gracePeriodSeconds must be a whole number, not below 0');
  }
  const { uid, resourceVersion } = mapAt(body, 'preconditions');
  return {
    propagation,
    graceSeconds: grace ?? undefined,
    preconditions: {
      uid: typeof uid === 'string' ? uid : undefined,
      resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : undefined,
    },
    dryRun: dryRunOf([...listAt(body, 'dryRun'), ...query.getAll('dryRun')]),
  };
}

export type Removal =
  /** Removed now. */
  | { readonly kind: 'gone'; readonly object: ApiObject }
  /** Marked; it goes when what holds it back lets go. */
  | { readonly kind: 'lingers'; readonly object: ApiObject };

/** Deletes, or marks as being deleted. Throws 403, and 409 when a precondition fails. */
export function removeObject(
  context: WriteContext,
  info: ResourceInfo,
  object: ApiObject,
  options: DeleteOptions,
): Removal {
  checkPreconditions(info, object, options.preconditions);
  const resource = storageKey(info.group, info.plural);
  if (resource === NAMESPACES && PERMANENT.has(object.metadata.name)) {
    throw forbidden(info, object.metadata.name, 'this namespace may not be deleted');
  }
  checkRemoval(context, info, object, options);
  const marked = structuredClone(object);
  const { metadata } = marked;
  const grace = graceOf(resource, object, options);
  metadata.finalizers = finalizersFor(resource, object, options.propagation);
  if (metadata.finalizers.length === 0) delete metadata.finalizers;
  const shorter = grace < (object.metadata.deletionGracePeriodSeconds ?? Number.POSITIVE_INFINITY);
  if (metadata.deletionTimestamp === undefined || shorter) {
    metadata.deletionTimestamp = timestamp(new Date(context.now().getTime() + grace * 1000));
    metadata.deletionGracePeriodSeconds = grace;
  }
  if (resource === NAMESPACES) childOf(marked, 'status')['phase'] = 'Terminating';
  if (isFinished(marked)) {
    if (!options.dryRun) context.store.remove(resource, metadata.namespace ?? '', metadata.name);
    return { kind: 'gone', object: marked };
  }
  if (options.dryRun) return { kind: 'lingers', object: marked };
  const changed =
    shorter ||
    object.metadata.deletionTimestamp === undefined ||
    !sameList(object.metadata.finalizers, metadata.finalizers);
  return { kind: 'lingers', object: changed ? context.store.put(resource, marked) : object };
}

/** Asks admission; for many objects all are asked about before the first goes. */
export function checkRemoval(
  context: WriteContext,
  info: ResourceInfo,
  object: ApiObject,
  { dryRun }: Pick<DeleteOptions, 'dryRun'>,
): void {
  context.admission?.check({ operation: 'DELETE', info, subresource: '', object: undefined, old: object, dryRun });
}

const sameList = (a: readonly string[] = [], b: readonly string[] = []): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i]);

function graceOf(resource: string, object: ApiObject, options: DeleteOptions): number {
  if (resource !== storageKey('', 'pods')) return 0;
  // Nobody runs a pod that has no node, or that has ended: nobody would confirm its end.
  if (textAt(object, 'spec', 'nodeName') === '') return 0;
  if (['Succeeded', 'Failed'].includes(textAt(object, 'status', 'phase'))) return 0;
  return options.graceSeconds ?? numberAt(object, 'spec', 'terminationGracePeriodSeconds') ?? 30;
}

function finalizersFor(resource: string, object: ApiObject, propagation: Propagation): string[] {
  const kept = (object.metadata.finalizers ?? []).filter((f) => f !== FOREGROUND && f !== ORPHAN);
  if (propagation === 'Foreground') kept.push(FOREGROUND);
  if (propagation === 'Orphan') kept.push(ORPHAN);
  if (resource === CRD_STORAGE && object.metadata.deletionTimestamp === undefined && !kept.includes(CRD_CLEANUP)) {
    kept.push(CRD_CLEANUP);
  }
  return kept;
}
