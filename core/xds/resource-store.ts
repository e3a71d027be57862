import { resourceVersion } from './resource-version.ts';

/** One resource as it goes out: encoded once, for however many clients. */
export type StoredResource = {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly version: string;
  /** Other names under which an on-demand client may ask for it, for example `network/ip`. */
  readonly aliases: readonly string[];
  /** Names of resources that imply this one for an on-demand client: a workload names its services. */
  readonly groups: readonly string[];
};

export type ResourceOptions = {
  /** Default: a hash of the bytes. Empty: the resource carries no version. */
  readonly version?: string;
  readonly aliases?: readonly string[];
  readonly groups?: readonly string[];
};

/** What the server has of one type. Listeners hear the names that changed, at once; they coalesce themselves. */
export class ResourceStore {
  readonly typeUrl: string;
  readonly #resources = new Map<string, StoredResource>();
  readonly #byAlias = new Map<string, Set<string>>();
  readonly #byGroup = new Map<string, Set<string>>();
  readonly #listeners = new Set<(name: string) => void>();

  constructor(typeUrl: string) {
    this.typeUrl = typeUrl;
  }

  /** Adds or replaces. A resource whose bytes are what they were changes nothing. */
  set(name: string, bytes: Uint8Array, options: ResourceOptions = {}): void {
    const { version = resourceVersion(bytes), aliases = [], groups = [] } = options;
    const before = this.#resources.get(name);
    if (before !== undefined && Buffer.compare(before.bytes, bytes) === 0 && before.version === version) return;
    if (before !== undefined) this.#unindex(before);
    const resource = { name, bytes, version, aliases, groups };
    this.#resources.set(name, resource);
    for (const alias of aliases) add(this.#byAlias, alias, name);
    for (const group of groups) add(this.#byGroup, group, name);
    for (const listener of this.#listeners) listener(name);
  }

  /** Deleting what is not there changes nothing. */
  delete(name: string): void {
    const before = this.#resources.get(name);
    if (before === undefined) return;
    this.#unindex(before);
    this.#resources.delete(name);
    for (const listener of this.#listeners) listener(name);
  }

  get(name: string): StoredResource | undefined {
    return this.#resources.get(name);
  }

  all(): Iterable<StoredResource> {
    return this.#resources.values();
  }

  get size(): number {
    return this.#resources.size;
  }

  /** What an on-demand client gets for a key: the resource of that name or alias, and all that a hit implies. */
  lookup(key: string): readonly StoredResource[] {
    const found = new Map<string, StoredResource>();
    const take = (name: string): void => {
      const resource = this.#resources.get(name);
      if (resource === undefined || found.has(name)) return;
      found.set(name, resource);
      for (const member of this.#byGroup.get(name) ?? []) take(member);
    };
    if (this.#resources.has(key)) take(key);
    else for (const name of this.#byAlias.get(key) ?? []) take(name);
    return [...found.values()];
  }

  /** Hears every name that is set or deleted, until disposed. */
  watch(listener: (name: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #unindex(resource: StoredResource): void {
    for (const alias of resource.aliases) drop(this.#byAlias, alias, resource.name);
    for (const group of resource.groups) drop(this.#byGroup, group, resource.name);
  }
}

function add(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  if (names === undefined) index.set(key, new Set([name]));
  else names.add(name);
}

function drop(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  names?.delete(name);
  if (names?.size === 0) index.delete(key);
}
