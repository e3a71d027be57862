/** Turns a decoded body into an object of the type its path names. */
import { type ApiObject, mapAt } from '../object.ts';
import { apiVersionOf, badRequest, type Json, type JsonObject, type ResourceInfo } from '../pure/index.ts';

/**
 * Checks `apiVersion` and `kind` against the path (absent ones are filled in), and the namespace and name too; null
 * metadata fields are dropped. Returns a private copy that may be changed. Throws 400.
 */
export function incoming(info: ResourceInfo, body: JsonObject, namespace: string, name: string): ApiObject {
  const apiVersion = apiVersionOf(info);
  const given = body['apiVersion'];
  const kind = body['kind'];
  if (given !== undefined && given !== '' && given !== apiVersion) {
    throw badRequest(
      `the API version in the data (${String(given)}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (kind !== undefined && kind !== '' && kind !== info.kind) {
    throw badRequest(`the kind in the data (${String(kind)}) does not match the expected kind (${info.kind})`);
  }
  const metadata: JsonObject = {};
  for (const [key, value] of Object.entries(mapAt(body, 'metadata'))) {
    if (value !== null && key !== 'selfLink') metadata[key] = value;
  }
  metadata['name'] = checked('name', metadata['name'], name);
  if (info.namespaced) metadata['namespace'] = checked('namespace', metadata['namespace'], namespace);
  else delete metadata['namespace'];
  const object: JsonObject = structuredClone({ ...body, apiVersion, kind: info.kind, metadata });
  normaliseTimes(mapAt(object, 'metadata'));
  return object as ApiObject;
}

function checked(field: 'name' | 'namespace', value: Json | undefined, fromPath: string): string {
  if (value === undefined || value === '') return fromPath;
  if (typeof value !== 'string') throw badRequest(`metadata.${field} must be a string`);
  if (fromPath !== '' && value !== fromPath) {
    throw badRequest(
      field === 'name'
        ? `the name of the object (${value}) does not match the name on the URL (${fromPath})`
        : `the namespace of the provided object does not match the namespace sent on the request`,
    );
  }
  return value;
}

/** client-node sends times back with milliseconds; metadata has whole seconds (spec section 7). */
function normaliseTimes(metadata: JsonObject): void {
  for (const key of ['creationTimestamp', 'deletionTimestamp']) {
    const value = metadata[key];
    if (typeof value === 'string') metadata[key] = value.replace(/\.\d+Z$/, 'Z');
  }
}
