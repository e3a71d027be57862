/** Every resource type the server answers: the built-in table, and what established CRDs add at the same moment. */
import { type ApiObject, at, listAt, textAt } from '../object.ts';
import {
  apiVersionOf,
  type CompiledSchema,
  compileSchema,
  isObject,
  type Json,
  type ResourceInfo,
} from '../pure/index.ts';
import { type Store, storageKey } from '../store/store.ts';
import { isEstablished, resourcesOf, versionEntry } from './crd-info.ts';
import { BUILT_IN_KINDS, isReview } from './kinds.ts';

export type GroupVersion = {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly ResourceInfo[];
};
export type Group = { readonly name: string; readonly versions: readonly GroupVersion[] };

export const CRD_STORAGE = storageKey('apiextensions.k8s.io', 'customresourcedefinitions');

const VERSION = /^v(\d+)(?:(alpha|beta)(\d+))?$/;
const STAGE: Readonly<Record<string, number>> = { alpha: 0, beta: 1, stable: 2 };

/** Discovery's order: stable before beta before alpha, newer before older, other names last by alphabet. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [VERSION.exec(a), VERSION.exec(b)];
  if (left === null || right === null) return left !== null ? -1 : right !== null ? 1 : a < b ? -1 : 1;
  const stage = (m: RegExpExecArray) => STAGE[m[2] ?? 'stable'] ?? 0;
  return (
    stage(right) - stage(left) || Number(right[1]) - Number(left[1]) || Number(right[3] ?? 0) - Number(left[3] ?? 0)
  );
}

export class Registry {
  readonly #store: Store;
  #custom: readonly ResourceInfo[] = [];
  #groups: readonly Group[] = [];
  #index = new Map<string, ResourceInfo>();
  readonly #crds = new Map<string, ApiObject>();
  readonly #schemas = new WeakMap<ResourceInfo, CompiledSchema>();
  #revision = 0;

  constructor(store: Store) {
    this.#store = store;
    this.#rebuild();
    store.subscribe((event) => {
      if (event.resource === CRD_STORAGE) this.#rebuild();
    });
  }

  /** Grows when the set of types or a schema changes. */
  get revision(): number {
    return this.#revision;
  }

  find(group: string, version: string, plural: string): ResourceInfo | undefined {
    return this.#index.get(`${group}/${version}/${plural}`);
  }

  groups(): readonly Group[] {
    return this.#groups;
  }

  /** One entry for each stored type, under its preferred version. */
  stored(): readonly ResourceInfo[] {
    const seen = new Map<string, ResourceInfo>();
    for (const group of this.#groups) {
      for (const info of group.versions.flatMap((v) => v.resources)) {
        const key = storageKey(info.group, info.plural);
        if (!isReview(info) && !seen.has(key)) seen.set(key, info);
      }
    }
    return [...seen.values()];
  }

  /** The type stored under `group/plural`, in its preferred version. */
  byStorage(resource: string): ResourceInfo | undefined {
    return this.stored().find((info) => storageKey(info.group, info.plural) === resource);
  }

  crdOf(info: ResourceInfo): ApiObject | undefined {
    return this.#crds.get(storageKey(info.group, info.plural));
  }

  /** The entry of `spec.versions` that defines a custom resource type. */
  versionOf(info: ResourceInfo): Json | undefined {
    const crd = this.crdOf(info);
    return crd && versionEntry(crd, info.version);
  }

  /** `apiVersion` under which objects of a type are stored. */
  storageApiVersion(info: ResourceInfo): string {
    const version = listAt(this.crdOf(info), 'spec', 'versions').find((entry) => at(entry, 'storage') === true);
    return apiVersionOf({ group: info.group, version: version === undefined ? info.version : textAt(version, 'name') });
  }

  /** The compiled schema of a custom resource type; undefined for built-in kinds. */
  schemaOf(info: ResourceInfo): CompiledSchema | undefined {
    if (info.schema === undefined) return undefined;
    let compiled = this.#schemas.get(info);
    if (compiled === undefined) {
      compiled = compileSchema(info.schema);
      this.#schemas.set(info, compiled);
    }
    return compiled;
  }

  #rebuild(): void {
    const established = this.#store.list(CRD_STORAGE).filter(isEstablished);
    this.#crds.clear();
    for (const crd of established) {
      this.#crds.set(storageKey(textAt(crd, 'spec', 'group'), textAt(crd, 'spec', 'names', 'plural')), crd);
    }
    // Rows of CRDs that did not change stay the same objects, so their compiled schemas live on.
    this.#custom = established.flatMap((crd) => this.#rowsOf(crd));
    this.#groups = grouped([...BUILT_IN_KINDS, ...this.#custom]);
    this.#index = new Map(
      [...BUILT_IN_KINDS, ...this.#custom].map((info) => [`${info.group}/${info.version}/${info.plural}`, info]),
    );
    this.#revision = this.#store.revision;
  }

  readonly #rows = new WeakMap<object, readonly ResourceInfo[]>();

  #rowsOf(crd: ApiObject): readonly ResourceInfo[] {
    const spec = at(crd, 'spec');
    if (!isObject(spec)) return [];
    let rows = this.#rows.get(spec);
    if (rows === undefined) {
      rows = resourcesOf(crd);
      this.#rows.set(spec, rows);
    }
    return rows;
  }
}

function grouped(all: readonly ResourceInfo[]): readonly Group[] {
  const byGroup = new Map<string, Map<string, ResourceInfo[]>>();
  for (const info of all) {
    const versions = byGroup.get(info.group) ?? new Map<string, ResourceInfo[]>();
    byGroup.set(info.group, versions);
    const resources = versions.get(info.version) ?? [];
    versions.set(info.version, resources);
    resources.push(info);
  }
  return [...byGroup].map(([name, versions]) => ({
    name,
    versions: [...versions]
      .map(([version, resources]) => ({ group: name, version, resources }))
      .sort((a, b) => compareVersions(a.version, b.version)),
  }));
}
