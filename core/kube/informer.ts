/**
 * A local copy of a collection that follows the server: list, then watch from there.
 *
 *     listing --ok--> watching --closed or failed--> watching (from the last version seen)
 *        ^                |
 *        +---- 410 -------+        every failure waits a little longer, any success resets the wait
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../mesh/index.ts';
import type { KubeClient, Selection } from './client.ts';
import { isGone, isNotFound } from './kube-error.ts';
import { objectKey, type ResourceType } from './resource-type.ts';

export type InformerOptions = Selection & {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly type: ResourceType;
  /**
   * The kind may be missing, as long as nobody has installed its CRD: then there are no objects, and it is asked for again every
   * few seconds. Default false: a missing kind is a failure like others.
   */
  readonly optional?: boolean;
  /** Told about every failed attempt and every handler that threw; the informer goes on. */
  readonly onProblem?: (error: unknown) => void;
  /** From 0 to 1; spreads reconnects. Default Math.random. */
  readonly random?: () => number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Passed to the watch: a connection silent for so long counts as dead. */
  readonly silenceMs?: number;
};

export type SetHandler<T> = (object: T, old: T | undefined) => void;
/** Gets the last state that was seen. */
export type DeleteHandler<T> = (object: T) => void;

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 30_000;
/** client-go asks for 5 to 10 minutes, at random, so that servers can shed connections. */
const MIN_WATCH_S = 300;
/** Between two questions for a kind that is not installed. */
const ABSENT_POLL_MS = 5_000;
/** A watch that ended sooner, and brought nothing, counts as a failure. */
const SHORT_WATCH_MS = 5_000;

/** Its copies come without `metadata.managedFields`: never replace an object with one, patch it. */
export class Informer<T extends KubeObject> implements AsyncDisposable {
  readonly #options: InformerOptions;
  readonly #objects = new Map<string, T>();
  readonly #setHandlers = new Set<SetHandler<T>>();
  readonly #deleteHandlers = new Set<DeleteHandler<T>>();
  readonly #abort = new AbortController();
  readonly #firstList = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #isSynced = false;
  #failures = 0;

  constructor(options: InformerOptions) {
    this.#options = options;
    this.#firstList.promise.catch(() => {}); // whoever waits sees the rejection; nobody has to wait
  }

  /** Resolves when the first complete list has been delivered to the handlers; rejects when stopped before. */
  get synced(): Promise<void> {
    return this.#firstList.promise;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Starts following. Once; a second call changes nothing. */
  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Handlers run in the order of changes, after the copy has changed. Returns how to leave. */
  on(event: 'set', handler: SetHandler<T>): () => void;
  on(event: 'delete', handler: DeleteHandler<T>): () => void;
  on(event: 'set' | 'delete', handler: SetHandler<T> | DeleteHandler<T>): () => void {
    if (event === 'set') {
      const added = handler as SetHandler<T>;
      this.#setHandlers.add(added);
      return () => void this.#setHandlers.delete(added);
    }
    const added = handler as DeleteHandler<T>;
    this.#deleteHandlers.add(added);
    return () => void this.#deleteHandlers.delete(added);
  }

  /** By key: `namespace/name`, or the name of a cluster-scoped object. */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    return [...this.#objects.values()];
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Stops and resolves when nothing runs any more. The copy stays readable. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#firstList.reject(new Error(`informer of ${this.#options.type.plural} stopped before its first list`));
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#relist(signal);
        version = await this.#follow(version, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (this.#isAbsent(error)) {
          version = undefined;
          this.#takeList([]);
          await this.#pause(ABSENT_POLL_MS, signal);
          continue;
        }
        if (isGone(error)) version = undefined;
        else this.#options.onProblem?.(error);
        if (version !== undefined && error instanceof WatchBroken) version = error.version;
        await this.#backOff(signal);
      }
    }
  }

  async #relist(signal: AbortSignal): Promise<string> {
    const { client, type, namespace, labelSelector, fieldSelector } = this.#options;
    const list = await client.list<T>(type, { namespace, labelSelector, fieldSelector, signal });
    this.#takeList(list.items);
    return list.metadata.resourceVersion;
  }

  #isAbsent(error: unknown): boolean {
    const cause = error instanceof WatchBroken ? error.cause : error;
    return this.#options.optional === true && isNotFound(cause);
  }

  /** All that exist now: what is not among them is gone. */
  #takeList(items: readonly T[]): void {
    const present = new Set<string>();
    for (const item of items) {
      present.add(objectKey(item));
      this.#set(item);
    }
    for (const [key, object] of this.#objects) if (!present.has(key)) this.#delete(key, object);
    if (!this.#isSynced) {
      this.#isSynced = true;
      this.#firstList.resolve();
    }
  }

  /** Applies changes until the server closes; gives back the version to go on from. Throws WatchBroken or a 410. */
  async #follow(from: string, signal: AbortSignal): Promise<string> {
    const { client, type, namespace, labelSelector, fieldSelector, silenceMs } = this.#options;
    const timeoutSeconds = Math.round(MIN_WATCH_S * (1 + (this.#options.random ?? Math.random)()));
    const selection = { namespace, labelSelector, fieldSelector };
    const more = silenceMs === undefined ? {} : { silenceMs };
    const began = this.#now();
    let version = from;
    try {
      for await (const event of client.watch<T>(type, {
        ...selection,
        ...more,
        resourceVersion: from,
        timeoutSeconds,
        signal,
      })) {
        version = event.object.metadata.resourceVersion ?? version;
        this.#failures = 0;
        if (event.type === 'BOOKMARK') continue;
        if (event.type === 'DELETED') this.#delete(objectKey(event.object), event.object);
        else this.#set({ ...event.object, apiVersion: type.apiVersion, kind: type.kind });
      }
    } catch (error) {
      if (isGone(error)) throw error;
      throw new WatchBroken(version, error);
    }
    // A server that closes at once, again and again, must not be asked in a hot loop.
    if (version === from && this.#now() - began < SHORT_WATCH_MS) await this.#backOff(signal);
    else this.#failures = 0;
    return version;
  }

  #set(object: T): void {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    const version = object.metadata.resourceVersion;
    // Lists and reconnects repeat what we have; a new uid under the same version can't be.
    if (old !== undefined && version !== undefined && old.metadata.resourceVersion === version) return;
    const kept = withoutManagedFields(object);
    this.#objects.set(key, kept);
    for (const handler of this.#setHandlers) this.#guard(() => handler(kept, old));
  }

  #delete(key: string, last: T): void {
    const known = this.#objects.delete(key);
    if (!known) return;
    for (const handler of this.#deleteHandlers) this.#guard(() => handler(last));
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))();
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.onProblem?.(error); // one handler's mistake must not stop the others, or this informer
    }
  }

  async #backOff(signal: AbortSignal): Promise<void> {
    const base = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS);
    this.#failures += 1;
    const jitter = 0.5 + (this.#options.random ?? Math.random)();
    await this.#pause(base * jitter, signal);
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const delay = this.#options.delay ?? ((wait, s) => sleep(wait, undefined, { signal: s }));
    try {
      await delay(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error; // stopped while waiting: the loop sees it
    }
  }
}

/** Who owns which field is half of many objects, and nobody here reads it. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (!('managedFields' in object.metadata)) return object;
  const { managedFields: _, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** A watch that failed in the middle: what came before it counts. */
class WatchBroken extends Error {
  override readonly name = 'WatchBroken';
  readonly version: string;

  constructor(version: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.version = version;
  }
}
