/** The verbs on stored objects. */

import { guardEscalation } from '../auth/escalation.ts';
import { decodeObject, mediaType } from '../http/body.ts';
import { json, type Reply } from '../http/reply.ts';
import type { ApiObject } from '../object.ts';
import { badRequest, type JsonObject, methodNotAllowed } from '../pure/index.ts';
import { listObjects } from '../read/list.ts';
import { selectionOf } from '../read/selection.ts';
import { watchObjects } from '../read/watch.ts';
import { createObject, updateObject } from '../write/commit.ts';
import { checkFields } from '../write/field-checks.ts';
import { incoming } from '../write/incoming.ts';
import { writeOptions } from '../write/options.ts';
import { checkRemoval, deleteOptions, type Removal, removeObject } from '../write/remove.ts';
import { notices } from './notices.ts';
import { patchObject } from './patch.ts';
import {
  type ApiRequest,
  decodedBody,
  existing,
  objectNamespace,
  rendererOf,
  storageOf,
  writeContext,
} from './request.ts';

/** Answers a request on the resource itself or on its status. `ended` fires when the server closes. */
export function serveObjects(r: ApiRequest, ended: AbortSignal): Reply {
  switch (r.target.verb) {
    case 'get':
      return json(rendererOf(r).one(existing(r)));
    case 'list':
      return json(listObjects({ ...readOptions(r) }));
    case 'watch':
      return { kind: 'stream', run: (response) => watchObjects(readOptions(r), response, ended) };
    case 'create':
      return create(r);
    case 'update':
      return replace(r);
    case 'patch':
      return patchObject(r);
    case 'delete':
      return remove(r);
    case 'deletecollection':
      return removeCollection(r);
    default:
      return r.target.verb satisfies never;
  }
}

function readOptions(r: ApiRequest) {
  const namespace = r.info.namespaced && r.target.namespace !== '' ? r.target.namespace : undefined;
  return { store: r.parts.store, info: r.info, namespace, query: r.query, renderer: rendererOf(r) };
}

const subresourceOf = (r: ApiRequest): { subresource?: string } =>
  r.target.subresource === '' ? {} : { subresource: r.target.subresource };

function create(r: ApiRequest): Reply {
  if (r.target.name !== '') throw methodNotAllowed();
  if (r.info.namespaced && r.target.namespace === '') throw badRequest('namespace is required in the path');
  const options = writeOptions(r.query, r.headers);
  const body = decodedBody(r);
  const object = incoming(r.info, body.value, objectNamespace(r), '');
  if (!['', '0', undefined].includes(object.metadata.resourceVersion))
    throw badRequest('resourceVersion should not be set on objects to be created');
  const checked = checkFields(r.parts.registry, r.info, object, body.duplicates, options.fieldValidation);
  guardEscalation(r, checked.object);
  const created = createObject(writeContext(r), { ...options, info: r.info, object: checked.object });
  return json(rendererOf(r).one(created), 201, [...checked.warnings, ...notices(r, checked.object)]);
}

function replace(r: ApiRequest): Reply {
  if (r.target.name === '') throw methodNotAllowed();
  const options = writeOptions(r.query, r.headers);
  const body = decodedBody(r);
  const object = incoming(r.info, body.value, objectNamespace(r), r.target.name);
  const checked = checkFields(r.parts.registry, r.info, object, body.duplicates, options.fieldValidation);
  guardEscalation(r, checked.object);
  const old = existing(r);
  const updated = updateObject(writeContext(r), {
    ...options,
    info: r.info,
    old,
    object: checked.object,
    ...subresourceOf(r),
  });
  return json(rendererOf(r).one(updated), 200, checked.warnings);
}

function optionsBody(r: ApiRequest): JsonObject {
  return r.body.length === 0 ? {} : decodeObject(r.body, mediaType(r.headers['content-type'])).value;
}

function remove(r: ApiRequest): Reply {
  if (r.target.subresource !== '') throw methodNotAllowed();
  const removal = removeObject(writeContext(r), r.info, existing(r), deleteOptions(optionsBody(r), r.query));
  return json(removalBody(r, removal));
}

/** A Status for what is gone; the object while it lingers, and for a pod. */
function removalBody(r: ApiRequest, removal: Removal) {
  if (removal.kind === 'lingers' || r.info.plural === 'pods') return rendererOf(r).plain(removal.object);
  const { name, uid } = removal.object.metadata;
  const details = { name, ...(r.info.group === '' ? {} : { group: r.info.group }), kind: r.info.plural, uid };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}

function removeCollection(r: ApiRequest): Reply {
  const options = deleteOptions(optionsBody(r), r.query);
  const selection = selectionOf(r.info, r.query);
  const namespace = r.info.namespaced && r.target.namespace !== '' ? r.target.namespace : undefined;
  const all: readonly ApiObject[] = r.parts.store.list(storageOf(r), namespace).filter(selection.matches);
  for (const object of all) checkRemoval(writeContext(r), r.info, object, options);
  for (const object of all) removeObject(writeContext(r), r.info, object, options);
  return json(rendererOf(r).list(all, { resourceVersion: String(r.parts.store.revision) }));
}
