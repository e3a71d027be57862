/** PATCH in its four forms; the Content-Type says which (spec sections 7 and 8). */
import { guardEscalation } from '../auth/escalation.ts';
import { decodePatch, mediaType } from '../http/body.ts';
import { json, type Reply } from '../http/reply.ts';
import { type ApiObject, listAt, mapAt } from '../object.ts';
import {
  apiVersionOf,
  applyPatch,
  badRequest,
  isObject,
  methodNotAllowed,
  notFound,
  type Patch,
  serverSideApply,
  unsupportedMediaType,
} from '../pure/index.ts';
import { checkPreconditions, createObject, updateObject } from '../write/commit.ts';
import { checkFields } from '../write/field-checks.ts';
import { incoming } from '../write/incoming.ts';
import { type WriteOptions, writeOptions } from '../write/options.ts';
import { notices } from './notices.ts';
import { type ApiRequest, existing, objectNamespace, rendererOf, storageOf, writeContext } from './request.ts';

const APPLY = 'application/apply-patch+yaml';
const PATCH_TYPES: Readonly<Record<string, Patch['type']>> = {
  'application/strategic-merge-patch+json': 'strategic',
  'application/merge-patch+json': 'merge',
  'application/json-patch+json': 'json',
};

export function patchObject(r: ApiRequest): Reply {
  if (r.target.name === '') throw methodNotAllowed();
  const type = mediaType(r.headers['content-type']);
  const options = writeOptions(r.query, r.headers);
  if (type === APPLY) return apply(r, options);
  const patchType = PATCH_TYPES[type];
  const supported = Object.keys(PATCH_TYPES).filter((t) => !r.info.custom || PATCH_TYPES[t] !== 'strategic');
  if (patchType === undefined || !supported.includes(type)) {
    const list = [...supported, APPLY].join(', ');
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${list}`,
    );
  }
  const old = existing(r);
  const { value, duplicates } = decodePatch(r.body, false);
  if (patchType !== 'json' && !isObject(value)) throw badRequest('the patch must be an object');
  const { object, warnings } = patched(r, old, { type: patchType, body: value }, duplicates, options);
  guardEscalation(r, object);
  const { subresource } = r.target;
  const request = { ...options, info: r.info, old, object, ...(subresource === '' ? {} : { subresource }) };
  return json(rendererOf(r).one(updateObject(writeContext(r), request)), 200, warnings);
}

/** The patch applied to the object as this version shows it, and checked like any incoming object. */
function patched(
  r: ApiRequest,
  old: ApiObject,
  patch: Patch,
  duplicates: readonly string[],
  options: WriteOptions,
): { readonly object: ApiObject; readonly warnings: readonly string[] } {
  const before = rendererOf(r).plain(old);
  const after = applyPatch(r.info, before, patch);
  if (!isObject(after)) throw badRequest('the patched document is not an object');
  const object = incoming(r.info, after, objectNamespace(r), r.target.name);
  // A patch that says nothing of the version is for whatever version there is.
  const asked = object.metadata.resourceVersion;
  if (asked !== undefined && asked !== '') checkPreconditions(r.info, old, { resourceVersion: asked });
  return checkFields(r.parts.registry, r.info, object, duplicates, options.fieldValidation);
}

function apply(r: ApiRequest, options: WriteOptions): Reply {
  if (!r.query.has('fieldManager') || r.query.get('fieldManager') === '') {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  const { value, duplicates } = decodePatch(r.body, true);
  if (!isObject(value)) throw badRequest('the applied configuration must be an object');
  for (const field of ['apiVersion', 'kind']) {
    if (typeof value[field] !== 'string' || value[field] === '')
      throw badRequest(`${field} must be set in an apply patch`);
  }
  if (listAt(value, 'metadata', 'managedFields').length > 0) {
    throw badRequest('metadata.managedFields must be nil');
  }
  const applied = incoming(r.info, value, objectNamespace(r), r.target.name);
  const checked = checkFields(r.parts.registry, r.info, applied, duplicates, options.fieldValidation);
  const old = r.parts.store.get(storageOf(r), objectNamespace(r), r.target.name);
  const { uid, resourceVersion, ...metadata } = checked.object.metadata;
  if (old === undefined && (r.target.subresource !== '' || uid)) throw notFound(r.info, r.target.name);
  if (old !== undefined) checkPreconditions(r.info, old, { uid, resourceVersion });
  const { subresource } = r.target;
  const merged = serverSideApply(
    r.info,
    old && rendererOf(r).plain(old),
    { ...checked.object, metadata },
    {
      manager: options.manager,
      force: ['true', '1'].includes(r.query.get('force') ?? ''),
      apiVersion: apiVersionOf(r.info),
      now: r.parts.now(),
      ...(subresource === '' ? {} : { subresource }),
    },
  );
  const object = { ...merged, metadata: { ...mapAt(merged, 'metadata') } } as ApiObject;
  guardEscalation(r, object);
  const context = writeContext(r);
  if (old === undefined) {
    const created = createObject(context, { ...options, info: r.info, object, tracked: true });
    return json(rendererOf(r).one(created), 201, [...checked.warnings, ...notices(r, checked.object)]);
  }
  const request = {
    ...options,
    info: r.info,
    old,
    object,
    tracked: true,
    ...(subresource === '' ? {} : { subresource }),
  };
  return json(rendererOf(r).one(updateObject(context, request)), 200, checked.warnings);
}
