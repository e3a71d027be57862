/** Objects in the form that was asked for: as they are, as rows of a Table, or as metadata alone. */
import type { Accepted } from '../http/accept.ts';
import type { ApiObject } from '../object.ts';
import { apiVersionOf, type Json, type JsonObject, type ResourceInfo } from '../pure/index.ts';
import type { Registry } from '../resources/registry.ts';
import { columnsOf, type TableColumns } from '../table/columns.ts';

const META = 'meta.k8s.io/v1';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** The list's or the single object's versions: `resourceVersion`, and where the list goes on. */
export type ListMeta = {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
};

/** Renders objects of one type for one request. */
export class Renderer {
  readonly #info: ResourceInfo;
  readonly #registry: Registry;
  readonly #accepted: Accepted;
  readonly #include: IncludeObject;
  readonly #now: () => Date;
  #columns: TableColumns | undefined;

  constructor(o: {
    readonly info: ResourceInfo;
    readonly registry: Registry;
    readonly accepted: Accepted;
    readonly include?: IncludeObject;
    readonly now: () => Date;
  }) {
    this.#info = o.info;
    this.#registry = o.registry;
    this.#accepted = o.accepted;
    this.#include = o.include ?? 'Metadata';
    this.#now = o.now;
  }

  /** The object under the version that the path names, with the defaults of its schema: it may be older than they are. */
  plain(object: ApiObject): ApiObject {
    if (!this.#info.custom) return object;
    const apiVersion = apiVersionOf(this.#info);
    const same = object.apiVersion === apiVersion ? object : ({ ...object, apiVersion } as ApiObject);
    const schema = this.#registry.schemaOf(this.#info);
    return schema === undefined ? same : (schema.default(same) as ApiObject);
  }

  one(object: ApiObject): Json {
    const plain = this.plain(object);
    switch (this.#accepted.form) {
      case 'table':
        return this.#table([plain], { resourceVersion: object.metadata.resourceVersion }, true);
      case 'metadata':
      case 'metadata-list':
        return partial(plain);
      default:
        return plain;
    }
  }

  list(objects: readonly ApiObject[], meta: ListMeta): Json {
    const items = objects.map((object) => this.plain(object));
    switch (this.#accepted.form) {
      case 'table':
        return this.#table(items, meta, true);
      case 'metadata':
      case 'metadata-list':
        return {
          kind: 'PartialObjectMetadataList',
          apiVersion: META,
          metadata: { ...meta },
          items: items.map(partial),
        };
      default:
        return {
          kind: `${this.#info.kind}List`,
          apiVersion: apiVersionOf(this.#info),
          metadata: { ...meta },
          items: items as Json[],
        };
    }
  }

  /** The object of a watch event; columns are described only in the first one of a stream. */
  event(object: ApiObject, first: boolean): Json {
    if (this.#accepted.form !== 'table') return this.one(object);
    return this.#table([this.plain(object)], { resourceVersion: object.metadata.resourceVersion }, first);
  }

  /** A bookmark is of the kind that was asked for: informers of metadata end at any other (spec section 5). */
  bookmark(resourceVersion: string, annotations: Record<string, string> | undefined): Json {
    const metadata: JsonObject = { resourceVersion, ...(annotations === undefined ? {} : { annotations }) };
    switch (this.#accepted.form) {
      case 'table':
        return {
          ...this.#table([], { resourceVersion }, true),
          metadata: { resourceVersion },
          rows: [
            {
              cells: this.#definitions().columns.map(() => null),
              object: { kind: 'PartialObjectMetadata', apiVersion: META, metadata },
            },
          ],
        };
      case 'metadata':
      case 'metadata-list':
        return { kind: 'PartialObjectMetadata', apiVersion: META, metadata };
      default:
        return { kind: this.#info.kind, apiVersion: apiVersionOf(this.#info), metadata };
    }
  }

  #definitions(): TableColumns {
    this.#columns ??= columnsOf(this.#info, this.#registry);
    return this.#columns;
  }

  #table(objects: readonly ApiObject[], meta: ListMeta, described: boolean): JsonObject {
    const now = this.#now();
    const { columns, cells } = this.#definitions();
    const attached = (object: ApiObject): { object?: Json } => {
      if (this.#include === 'None') return {};
      return { object: this.#include === 'Object' ? object : partial(object) };
    };
    return {
      kind: 'Table',
      apiVersion: `meta.k8s.io/${this.#accepted.version}`,
      metadata: { ...meta },
      columnDefinitions: described ? columns.map((column) => ({ ...column })) : null,
      rows: objects.map((object) => ({ cells: cells(object, now), ...attached(object) })),
    };
  }
}

function partial(object: ApiObject): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: META, metadata: object.metadata };
}
