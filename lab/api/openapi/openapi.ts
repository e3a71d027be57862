/**
 * OpenAPI: who validates (this server: every patch operation has `fieldValidation`), and the schemas of custom resources
 * for `kubectl explain`. Built-in kinds have no schema here: with some but not all merge keys in it, kubectl would make
 * wrong patches (spec section 4).
 */
import { createHash } from 'node:crypto';
import type { Reply } from '../http/reply.ts';
import { apiVersionOf, isObject, type Json, type JsonObject, type ResourceInfo } from '../pure/index.ts';
import { isReview } from '../resources/kinds.ts';
import type { GroupVersion, Registry } from '../resources/registry.ts';
import { addBuiltinSchema } from './builtin-schemas.ts';

/** A valid, empty version 2 document in protobuf: clients ask for it in some cases and stop at an error. */
const V2_DOCUMENT = Buffer.from('0a03322e30120a0a04737475621202763142004a00', 'hex');
/** A dot where the request has `@`, or clients can't parse it. */
const V2_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const YEAR_SECONDS = 31_536_000;

const pathOf = (gv: GroupVersion): string => `${gv.group === '' ? 'api' : 'apis'}/${apiVersionOf(gv)}`;

export class OpenApi {
  readonly #registry: Registry;
  readonly #documents = new Map<string, { readonly revision: number; readonly body: string; readonly hash: string }>();

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  /** Answers `/openapi/...`; undefined for other paths. */
  answer(path: string, now: Date): Reply | undefined {
    if (path === '/openapi/v2') return { kind: 'bytes', code: 200, body: V2_DOCUMENT, contentType: V2_TYPE };
    const versions = this.#registry.groups().flatMap((group) => group.versions);
    if (path === '/openapi/v3') return this.#index(versions);
    const version = versions.find((gv) => path === `/openapi/v3/${pathOf(gv)}`);
    if (version === undefined) return undefined;
    const { body, hash } = this.#document(version);
    return {
      kind: 'bytes',
      code: 200,
      body,
      contentType: 'application/json',
      headers: {
        ETag: `"${hash}"`,
        'Cache-Control': 'public, immutable',
        Expires: new Date(now.getTime() + YEAR_SECONDS * 1000).toUTCString(),
        Vary: 'Accept',
      },
    };
  }

  #index(versions: readonly GroupVersion[]): Reply {
    const paths: JsonObject = {};
    for (const gv of versions) {
      const path = pathOf(gv);
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${this.#document(gv).hash}` };
    }
    return { kind: 'json', code: 200, body: { paths } };
  }

  #document(gv: GroupVersion): { readonly body: string; readonly hash: string } {
    const path = pathOf(gv);
    const known = this.#documents.get(path);
    if (known?.revision === this.#registry.revision) return known;
    const body = JSON.stringify(document(gv));
    const hash = createHash('sha256').update(body).digest('hex').slice(0, 32).toUpperCase();
    const made = { revision: this.#registry.revision, body, hash };
    this.#documents.set(path, made);
    return made;
  }
}

function document(gv: GroupVersion): Json {
  const paths: JsonObject = {};
  const schemas: JsonObject = {};
  for (const info of gv.resources) {
    if (isReview(info)) continue;
    const collection = `/${pathOf(gv)}${info.namespaced ? '/namespaces/{namespace}' : ''}/${info.plural}`;
    paths[`${collection}/{name}`] = operations(info);
    if (info.schema !== undefined) schemas[schemaName(info)] = markedSchema(info, info.schema);
    else addBuiltinSchema(info, apiVersionOf(info), schemas);
  }
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1.35.0' }, paths, components: { schemas } };
}

const gvk = ({ group, version, kind }: ResourceInfo): JsonObject => ({ group, version, kind });

function operations(info: ResourceInfo): Json {
  const query = (name: string) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });
  const operation = (action: string, parameters: readonly string[]) => ({
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk(info),
    parameters: parameters.map(query),
    responses: {},
  });
  const write = ['dryRun', 'fieldManager', 'fieldValidation'];
  return { get: operation('get', []), put: operation('put', write), patch: operation('patch', [...write, 'force']) };
}

/** Group in reverse, as upstream names the schemas of custom resources. */
function schemaName(info: ResourceInfo): string {
  return [...info.group.split('.').reverse(), info.version, info.kind].join('.');
}

function markedSchema(info: ResourceInfo, schema: Json): Json {
  const own = isObject(schema) ? schema : {};
  const properties = isObject(own['properties'] ?? null) ? (own['properties'] as JsonObject) : {};
  const described = {
    apiVersion: { type: 'string', description: 'Group and version of this object.' },
    kind: { type: 'string', description: 'Type of this object.' },
    metadata: { type: 'object', description: 'Name, namespace, labels and what the server keeps of the object.' },
  };
  return {
    ...own,
    properties: { ...properties, ...described },
    'x-kubernetes-group-version-kind': [gvk(info)],
  };
}
