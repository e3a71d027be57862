/** What a request's method and path ask for, before anything is looked up. */

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

export type ResourceTarget = {
  readonly kind: 'resource';
  readonly verb: Verb;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  /** Empty for cluster-scoped resources and for lists over all namespaces. For `namespaces/X` it is X. */
  readonly namespace: string;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: string;
};
export type PathTarget = { readonly kind: 'path'; readonly verb: string; readonly path: string };
export type Target = ResourceTarget | PathTarget;

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

function verbOf(method: string, name: string, query: URLSearchParams): Verb | undefined {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== '') return 'get';
      return ['true', '1'].includes(query.get('watch') ?? '') ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

/** Parses a decoded path. Paths that name no resource are `path` targets with the method in lower case as verb. */
export function parseTarget(method: string, path: string, query: URLSearchParams): Target {
  const other: PathTarget = { kind: 'path', verb: method.toLowerCase(), path };
  const parts = path.split('/').filter((part) => part !== '');
  const prefix = parts.shift();
  if (prefix !== 'api' && prefix !== 'apis') return other;
  const group = prefix === 'api' ? '' : parts.shift();
  const version = parts.shift();
  if (group === undefined || version === undefined || parts.length === 0) return other;

  let namespace = '';
  if (
    parts[0] === 'namespaces' &&
    parts.length > 2 &&
    !(parts.length === 3 && NAMESPACE_SUBRESOURCES.has(parts[2] ?? ''))
  ) {
    namespace = parts[1] ?? '';
    parts.splice(0, 2);
  }
  const [plural, name = '', subresource = '', ...rest] = parts;
  const verb = verbOf(method, name, query);
  if (plural === undefined || rest.length > 0 || verb === undefined) return other;
  if (group === '' && plural === 'namespaces') namespace = name;
  return { kind: 'resource', verb, group, version, plural, namespace, name, subresource };
}
