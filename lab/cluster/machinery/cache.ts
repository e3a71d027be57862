/**
 * What a controller knows of one kind: the informer's copy, and on top of it what this process wrote and the informer has
 * not yet shown. Without the second part a controller that runs again before its own writes come back would do them twice.
 */
import { Informer, isNotFound, type KubeClient, objectKey, type ResourceType } from '../../../core/kube/index.ts';
import type { KubeObject } from '../../../mesh/index.ts';

/** What a cache asks of a client. */
export type CacheClient = Pick<
  KubeClient,
  'list' | 'watch' | 'get' | 'create' | 'replace' | 'replaceStatus' | 'patch' | 'delete'
>;

/** Writes remembered as gone, so that a late answer to an older write cannot bring an object back. */
const MAX_TOMBSTONES = 4096;

export type Change<T> = (object: T, old: T | undefined, kind: 'set' | 'delete') => void;

/** Resource versions are decimal numbers of one counter (upstream promises that they compare). */
const versionOf = (object: KubeObject): bigint => BigInt(object.metadata.resourceVersion ?? '0');

export class Cache<T extends KubeObject> implements AsyncDisposable {
  readonly type: ResourceType;
  readonly #client: CacheClient;
  readonly #informer: Informer<T>;
  readonly #objects = new Map<string, T>();
  /** uids of what is gone, oldest first. */
  readonly #gone = new Set<string>();
  readonly #listeners = new Set<Change<T>>();

  constructor(client: CacheClient, type: ResourceType, onProblem: (error: unknown) => void) {
    this.type = type;
    this.#client = client;
    this.#informer = new Informer<T>({ client, type, onProblem });
    this.#informer.on('set', (object) => this.#learn(object));
    this.#informer.on('delete', (object) => this.#forget(object));
  }

  start(): void {
    this.#informer.start();
  }

  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  /** Tells of everything that is there, at once, and then of every change, after the cache has changed. */
  onChange(listener: Change<T>): void {
    this.#listeners.add(listener);
    for (const object of this.#objects.values()) listener(object, undefined, 'set');
  }

  /** By `namespace/name`, or name. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** The same object as it is now; undefined also when another one has taken its name. */
  latest(object: T): T | undefined {
    const latest = this.#objects.get(objectKey(object));
    return latest?.metadata.uid === object.metadata.uid ? latest : undefined;
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  async create(object: T): Promise<T> {
    return this.#learn(await this.#client.create(object));
  }

  async replace(object: T): Promise<T> {
    return this.#learn(await this.#client.replace(object));
  }

  /** A merge patch; `resourceVersion` inside makes it conditional. */
  async patch(object: KubeObject, body: unknown, subresource?: string): Promise<T> {
    const { name, namespace } = object.metadata;
    const options = subresource === undefined ? {} : { subresource };
    return this.#learn(await this.#client.patch<T>(this.type, { name, namespace }, 'merge', body, options));
  }

  /** Replaces the status of the object at this version; 409 when it has changed meanwhile. */
  async replaceStatus(object: T, status: unknown): Promise<T> {
    return this.#learn(await this.#client.replaceStatus({ ...object, status }));
  }

  /** Deletes this very object; what is gone already is fine. */
  async delete(object: T): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const options = uid === undefined ? {} : { uid };
    const outcome = await this.#client.delete(this.type, name, namespace, {
      ...options,
      propagationPolicy: 'Background',
    });
    if (outcome === 'was-gone') {
      this.#forget(object);
      return;
    }
    // The object may linger (finalizers, grace period): it counts as going from now on.
    const going = { ...object, metadata: { ...object.metadata, deletionTimestamp: LEAVING } };
    if (this.#objects.get(objectKey(object))?.metadata.uid === uid) this.#objects.set(objectKey(object), going);
  }

  /** Deletes at once, without grace: for pods that have no kubelet any more. */
  async remove(object: T): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const options = uid === undefined ? {} : { uid };
    await this.#client.delete(this.type, name, namespace, { ...options, gracePeriodSeconds: 0 });
  }

  /** Reads the object again and learns what it is; undefined when it is gone. */
  async refresh(object: T): Promise<T | undefined> {
    const { name, namespace } = object.metadata;
    try {
      return this.#learn(await this.#client.get<T>(this.type, name, namespace));
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#forget(object);
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer.stop();
  }

  #learn(object: T): T {
    const key = objectKey(object);
    const known = this.#objects.get(key);
    if (this.#gone.has(object.metadata.uid ?? '')) return object;
    if (known !== undefined && known.metadata.uid === object.metadata.uid) {
      if (versionOf(known) >= versionOf(object)) return known;
    }
    this.#objects.set(key, object);
    for (const listener of this.#listeners) listener(object, known, 'set');
    return object;
  }

  #forget(object: T): void {
    const { uid } = object.metadata;
    if (uid !== undefined) this.#gone.add(uid);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= MAX_TOMBSTONES) break;
      this.#gone.delete(oldest);
    }
    const key = objectKey(object);
    const known = this.#objects.get(key);
    if (known === undefined || known.metadata.uid !== uid) return;
    this.#objects.delete(key);
    for (const listener of this.#listeners) listener(object, known, 'delete');
  }
}

/** Marks in the cache what was asked to go and has not been seen going. */
const LEAVING = 'leaving';
