/** GET of a collection: selected, in pages of one snapshot, in the form asked for (spec section 5). */
import type { ApiObject } from '../object.ts';
import { ApiStatusError, badRequest, type Json, type ResourceInfo } from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import type { Renderer } from './render.ts';
import { selectionOf, versionParameter } from './selection.ts';

/** The place after which a page begins, and the version that all pages show. */
type Continue = { readonly revision: number; readonly after: string };

const keyOf = (object: ApiObject): string => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
const encode = (token: Continue): string => Buffer.from(JSON.stringify(token)).toString('base64url');

function decode(text: string): Continue {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Partial<Continue>;
    if (typeof token.revision === 'number' && typeof token.after === 'string') {
      return { revision: token.revision, after: token.after };
    }
  } catch {
    // not ours: refused below like any other wrong token
  }
  throw badRequest('continue key is not valid');
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit') ?? '';
  if (text === '') return 0;
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`limit: invalid value "${text}": must be a number`);
  return Number(text);
}

/** 422 for combinations of list options that mean nothing. */
export function invalidOption(field: string, message: string): ApiStatusError {
  const cause = { reason: 'FieldValueForbidden', field, message: `Forbidden: ${message}` } as const;
  const text = `ListOptions.meta.k8s.io "" is invalid: ${field}: ${cause.message}`;
  return new ApiStatusError(422, 'Invalid', text, { group: 'meta.k8s.io', kind: 'ListOptions', causes: [cause] });
}

/** Which version a list shows. Throws 410, 422 and 504. */
function revisionOf(store: Store, query: URLSearchParams, token: Continue | undefined): number {
  const match = query.get('resourceVersionMatch') ?? '';
  const asked = versionParameter(query);
  if (query.has('sendInitialEvents'))
    throw invalidOption('sendInitialEvents', 'sendInitialEvents is forbidden for list');
  if (match !== '' && asked === undefined) {
    throw invalidOption('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided');
  }
  if (token !== undefined) return token.revision;
  if (asked !== undefined && asked > store.revision) {
    throw new ApiStatusError(504, 'Timeout', `Too large resource version: ${asked}, current: ${store.revision}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }],
      retryAfterSeconds: 1,
    });
  }
  return match === 'Exact' && asked !== undefined ? asked : store.revision;
}

export function listObjects(o: {
  readonly store: Store;
  readonly info: ResourceInfo;
  /** Undefined: all namespaces, or a cluster-scoped type. */
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
  readonly renderer: Renderer;
}): Json {
  const { store, info, namespace, query, renderer } = o;
  const given = query.get('continue') ?? '';
  const token = given === '' ? undefined : decode(given);
  const revision = revisionOf(store, query, token);
  const limit = limitOf(query);
  const selection = selectionOf(info, query);
  const all = store.listAt(storageKey(info.group, info.plural), namespace, revision).filter(selection.matches);
  const rest = token === undefined ? all : all.filter((object) => keyOf(object) > token.after);
  const page = limit > 0 ? rest.slice(0, limit) : rest;
  const last = page.at(-1);
  const left = rest.length - page.length;
  const more =
    left > 0 && last !== undefined
      ? {
          continue: encode({ revision, after: keyOf(last) }),
          ...(selection.narrowed ? {} : { remainingItemCount: left }),
        }
      : {};
  return renderer.list(page, { resourceVersion: String(revision), ...more });
}
