/** What handlers work with: the server's parts, and one request that is understood and authorised. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Admission } from '../admission/attempt.ts';
import type { Caller } from '../auth/caller.ts';
import type { Rbac } from '../auth/rbac.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { WriteContext } from '../defaults/strategy.ts';
import type { Accepted } from '../http/accept.ts';
import { type Decoded, decodeObject, mediaType } from '../http/body.ts';
import type { ResourceTarget } from '../http/request-info.ts';
import type { ApiObject } from '../object.ts';
import { type JsonObject, notFound, type ResourceInfo } from '../pure/index.ts';
import { type IncludeObject, Renderer } from '../read/render.ts';
import type { Registry } from '../resources/registry.ts';
import { type Store, storageKey } from '../store/store.ts';

export type Parts = {
  readonly store: Store;
  readonly registry: Registry;
  readonly rbac: Rbac;
  readonly tokens: Tokens;
  readonly now: () => Date;
};

export type ApiRequest = {
  readonly parts: Parts;
  readonly caller: Caller;
  readonly info: ResourceInfo;
  readonly target: ResourceTarget;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly accepted: Accepted;
  readonly body: Buffer;
  readonly admission: Admission;
};

export const writeContext = (r: ApiRequest): WriteContext => ({
  ...r.parts,
  caller: r.caller,
  admission: r.admission,
});

/** The namespace of objects that the path means: a Namespace itself has none. */
export const objectNamespace = (r: ApiRequest): string => (r.info.namespaced ? r.target.namespace : '');

export const storageOf = (r: ApiRequest): string => storageKey(r.info.group, r.info.plural);

/** The object the path names. Throws 404. */
export function existing(r: ApiRequest): ApiObject {
  const object = r.parts.store.get(storageOf(r), objectNamespace(r), r.target.name);
  if (object === undefined) throw notFound(r.info, r.target.name);
  return object;
}

export function rendererOf(r: ApiRequest): Renderer {
  const include = r.query.get('includeObject');
  return new Renderer({
    info: r.info,
    registry: r.parts.registry,
    accepted: r.accepted,
    now: r.parts.now,
    ...(include === 'None' || include === 'Object' || include === 'Metadata'
      ? { include: include as IncludeObject }
      : {}),
  });
}

export function decodedBody(r: ApiRequest): Decoded & { readonly value: JsonObject } {
  return decodeObject(r.body, mediaType(r.headers['content-type']));
}
