/**
 * What the server holds. Reads come from memory, where objects are frozen; each write goes to disk first, in one
 * transaction with its event, and then to memory and to those who listen. Everything is synchronous, so a handler that
 * reads, decides and writes without waiting in between can't be overtaken.
 */
import { type ApiObject, deepFreeze } from '../object.ts';
import { expired } from '../pure/index.ts';
import { Database, type EventType } from './database.ts';

/** One change. A deletion carries the last state with the deletion's own resourceVersion. */
export type StoreEvent = {
  readonly revision: number;
  readonly type: EventType;
  /** `group/plural`. */
  readonly resource: string;
  readonly object: ApiObject;
  /** The state before, for watches with a selector. */
  readonly before: ApiObject | undefined;
};

export type StoreOptions = {
  /** Path of the database, or `:memory:`. */
  readonly path: string;
  readonly now: () => Date;
  /** How long events stay available to watches. Clients need at least five minutes (spec section 6). */
  readonly historyMs?: number;
  /** A listener that failed; the change is stored all the same, and the other listeners hear of it. */
  readonly onError?: (error: unknown) => void;
};

const DEFAULT_HISTORY_MS = 10 * 60_000;

export const storageKey = (group: string, plural: string): string => `${group}/${plural}`;
const objectKey = (namespace: string, name: string): string => `${namespace}/${name}`;
const keyOf = (object: ApiObject): string => objectKey(object.metadata.namespace ?? '', object.metadata.name);
const byKey = (a: ApiObject, b: ApiObject): number => {
  const [left, right] = [keyOf(a), keyOf(b)];
  return left < right ? -1 : left > right ? 1 : 0;
};

export class Store implements Disposable {
  readonly #db: Database;
  readonly #now: () => Date;
  readonly #historyMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #objects = new Map<string, Map<string, ApiObject>>();
  readonly #uids = new Map<string, { readonly resource: string; readonly key: string }>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  readonly #queue: StoreEvent[] = [];
  #draining = false;
  #revision: number;
  #compacted: number;

  constructor(options: StoreOptions) {
    this.#db = new Database(options.path);
    this.#now = options.now;
    this.#historyMs = options.historyMs ?? DEFAULT_HISTORY_MS;
    this.#onError = options.onError ?? (() => {});
    const counter = this.#db.counter();
    this.#revision = counter.revision;
    this.#compacted = counter.compacted;
    for (const row of this.#db.objects()) this.#remember(row.resource, deepFreeze(JSON.parse(row.body) as ApiObject));
  }

  /** The store's present resourceVersion: one counter for all kinds. */
  get revision(): number {
    return this.#revision;
  }

  get(resource: string, namespace: string, name: string): ApiObject | undefined {
    return this.#objects.get(resource)?.get(objectKey(namespace, name));
  }

  byUid(uid: string): { readonly resource: string; readonly object: ApiObject } | undefined {
    const found = this.#uids.get(uid);
    const object = found && this.#objects.get(found.resource)?.get(found.key);
    return found && object ? { resource: found.resource, object } : undefined;
  }

  /** All objects of a type, of one namespace or (undefined) of all, ordered by namespace and name. */
  list(resource: string, namespace?: string): readonly ApiObject[] {
    const all = [...(this.#objects.get(resource)?.values() ?? [])];
    return (namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace)).sort(byKey);
  }

  /** The list as it was at `revision`, by taking back the events since. Throws 410 when they are forgotten. */
  listAt(resource: string, namespace: string | undefined, revision: number): readonly ApiObject[] {
    if (revision >= this.#revision) return this.list(resource, namespace);
    const state = new Map(this.#objects.get(resource));
    for (const event of this.eventsSince(resource, revision).toReversed()) {
      if (event.before === undefined) state.delete(keyOf(event.object));
      else state.set(keyOf(event.object), event.before);
    }
    const all = [...state.values()];
    return (namespace === undefined ? all : all.filter((o) => o.metadata.namespace === namespace)).sort(byKey);
  }

  /** The resource types that hold anything. */
  resources(): readonly string[] {
    return [...this.#objects].filter(([, objects]) => objects.size > 0).map(([resource]) => resource);
  }

  /** The events of a type after `revision`, oldest first. Throws 410 `Expired` when some are forgotten. */
  eventsSince(resource: string, revision: number): readonly StoreEvent[] {
    if (revision < this.#compacted) throw expired(`too old resource version: ${revision} (${this.#compacted})`);
    return this.#db.eventsSince(resource, revision).map((row) => ({
      revision: row.revision,
      type: row.type,
      resource: row.resource,
      object: JSON.parse(row.body) as ApiObject,
      before: row.before === null ? undefined : (JSON.parse(row.before) as ApiObject),
    }));
  }

  /** Stores a new or changed object under the next resourceVersion and returns it as stored. */
  put(resource: string, object: ApiObject): ApiObject {
    const before = this.#objects.get(resource)?.get(keyOf(object));
    return this.#commit(before === undefined ? 'ADDED' : 'MODIFIED', resource, object, before);
  }

  /** Removes an object; undefined when it is gone already. */
  remove(resource: string, namespace: string, name: string): ApiObject | undefined {
    const before = this.get(resource, namespace, name);
    return before && this.#commit('DELETED', resource, before, before);
  }

  /** Calls back after each change, in order, also for changes made inside a callback. Returns how to stop. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Forgets events older than the history that is kept. Called once a minute. */
  compact(): void {
    this.#compacted = this.#db.compact(this.#now().getTime() - this.#historyMs) ?? this.#compacted;
  }

  #commit(type: EventType, resource: string, state: ApiObject, before: ApiObject | undefined): ApiObject {
    const revision = this.#revision + 1;
    const object = deepFreeze<ApiObject>({
      ...state,
      metadata: { ...state.metadata, resourceVersion: String(revision) },
    });
    this.#db.write({
      revision,
      type,
      resource,
      namespace: object.metadata.namespace ?? '',
      name: object.metadata.name,
      body: JSON.stringify(object),
      before: before === undefined ? null : JSON.stringify(before),
      at: this.#now().getTime(),
    });
    this.#revision = revision;
    if (type === 'DELETED') this.#forget(resource, object);
    else this.#remember(resource, object);
    this.#publish({ revision, type, resource, object, before });
    return object;
  }

  #remember(resource: string, object: ApiObject): void {
    let objects = this.#objects.get(resource);
    if (objects === undefined) {
      objects = new Map();
      this.#objects.set(resource, objects);
    }
    objects.set(keyOf(object), object);
    this.#uids.set(object.metadata.uid, { resource, key: keyOf(object) });
  }

  #forget(resource: string, object: ApiObject): void {
    this.#objects.get(resource)?.delete(keyOf(object));
    this.#uids.delete(object.metadata.uid);
  }

  /** A listener may write: its event waits until every listener has seen the one before. */
  #publish(event: StoreEvent): void {
    this.#queue.push(event);
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        for (const listener of [...this.#listeners]) this.#tell(listener, next);
      }
    } finally {
      this.#draining = false;
    }
  }

  #tell(listener: (event: StoreEvent) => void, event: StoreEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#onError(error);
    }
  }

  [Symbol.dispose](): void {
    this.#db[Symbol.dispose]();
  }
}
