/** The objects of the fake server, with a history for watches. */
import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../../../mesh/index.ts';
import { objectKey } from '../resource-type.ts';

export type Change = {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
};

export class FakeStore {
  readonly #collections = new Map<string, Map<string, KubeObject>>();
  readonly #history: { readonly plural: string; readonly change: Change }[] = [];
  readonly #listeners = new Set<(plural: string, change: Change) => void>();
  #version = 1000;
  #oldest = 0;

  get version(): number {
    return this.#version;
  }

  list(plural: string): readonly KubeObject[] {
    return [...this.#collection(plural).values()];
  }

  get(plural: string, key: string): KubeObject | undefined {
    return this.#collection(plural).get(key);
  }

  put(plural: string, object: KubeObject): KubeObject {
    const key = objectKey(object);
    const old = this.get(plural, key);
    const version = ++this.#version;
    const stored = {
      ...object,
      metadata: {
        uid: old?.metadata.uid ?? randomUUID(),
        creationTimestamp: old?.metadata.creationTimestamp ?? new Date().toISOString(),
        ...object.metadata,
        resourceVersion: String(version),
        generation: generationOf(object, old),
      },
    };
    this.#collection(plural).set(key, stored);
    this.#tell(plural, { version, type: old === undefined ? 'ADDED' : 'MODIFIED', object: stored });
    return stored;
  }

  remove(plural: string, key: string): KubeObject | undefined {
    const old = this.get(plural, key);
    if (old === undefined) return undefined;
    this.#collection(plural).delete(key);
    const version = ++this.#version;
    const last = { ...old, metadata: { ...old.metadata, resourceVersion: String(version) } };
    this.#tell(plural, { version, type: 'DELETED', object: last });
    return last;
  }

  /** Changes after `version`, or undefined when they are no longer all known. */
  since(plural: string, version: number): readonly Change[] | undefined {
    if (version < this.#oldest) return undefined;
    return this.#history.filter((h) => h.plural === plural && h.change.version > version).map((h) => h.change);
  }

  /** Forgets the history: watches from before get 410. */
  compact(): void {
    this.#history.length = 0;
    this.#oldest = ++this.#version;
  }

  listen(listener: (plural: string, change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(plural: string, change: Change): void {
    this.#history.push({ plural, change });
    for (const listener of [...this.#listeners]) listener(plural, change);
  }

  #collection(plural: string): Map<string, KubeObject> {
    const collection = this.#collections.get(plural) ?? new Map<string, KubeObject>();
    this.#collections.set(plural, collection);
    return collection;
  }
}

function generationOf(object: KubeObject, old: KubeObject | undefined): number {
  if (old === undefined) return 1;
  const same = JSON.stringify(object['spec']) === JSON.stringify(old['spec']);
  return (old.metadata.generation ?? 1) + (same ? 0 : 1);
}
