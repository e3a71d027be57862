/**
 * What one client knows of one type, on the server's side: which names it may and wants to have, what it was sent, and what
 * has changed since. Pure.
 */
import type { DeltaDiscoveryRequest } from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import type { ResourceStore, StoredResource } from './resource-store.ts';

/** Names a caller may see; undefined: all of the type. */
export type Visible = ((name: string) => boolean) | undefined;

export type Answer = { readonly resources: readonly StoredResource[]; readonly removed: readonly string[] };

/** What part of the pending changes to take: policies travel before the addresses that name them and leave after. */
export type Part = 'all' | 'upserts' | 'removals';

export class ClientView {
  readonly store: ResourceStore;
  readonly wildcard: boolean;
  readonly #visible: Visible;
  /** What an on-demand client asked for, as it asked. */
  readonly #keys = new Set<string>();
  /** Names that the client has as far as we know; only kept where not everything is sent (memory). */
  readonly #sent: Set<string> | undefined;
  readonly #changed = new Set<string>();

  constructor(store: ResourceStore, first: DeltaDiscoveryRequest, visible: Visible) {
    this.store = store;
    this.#visible = visible;
    this.wildcard = asksForAll(first);
    this.#sent = this.wildcard && visible === undefined ? undefined : new Set();
  }

  /** Answers the first request of the type: everything wanted, but what the client already has as it is. */
  begin(first: DeltaDiscoveryRequest, baseline: Iterable<string> = []): Answer {
    const claimed = new Map(Object.entries(first.initialResourceVersions));
    const wanted = new Map<string, StoredResource>();
    const removed: string[] = [];
    if (this.wildcard) {
      for (const resource of this.store.all()) if (this.#sees(resource.name)) wanted.set(resource.name, resource);
      for (const name of claimed.keys()) if (!wanted.has(name)) removed.push(name);
    } else {
      const asked = first.resourceNamesSubscribe.filter((name) => name !== '*');
      for (const key of [...asked, ...claimed.keys()]) {
        this.#keys.add(key);
        const found = this.#lookup(key);
        if (found.length === 0) removed.push(key);
        for (const resource of found) wanted.set(resource.name, resource);
      }
      for (const name of baseline) {
        this.#keys.add(name);
        for (const resource of this.#lookup(name)) wanted.set(resource.name, resource);
      }
    }
    // an empty version is never equal: authorizations of other control planes carry none
    const resources = [...wanted.values()].filter((r) => r.version === '' || claimed.get(r.name) !== r.version);
    for (const name of wanted.keys()) this.#sent?.add(name);
    return { resources, removed };
  }

  /** Answers a change of names; undefined when the request changes none. */
  change(request: DeltaDiscoveryRequest): Answer | undefined {
    const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request;
    if (subscribe.length === 0 && unsubscribe.length === 0) return undefined;
    for (const name of unsubscribe) {
      this.#keys.delete(name);
      this.#sent?.delete(name);
    }
    const resources = new Map<string, StoredResource>();
    const removed: string[] = [];
    for (const key of subscribe) {
      if (key === '*') continue; // being a wildcard or not was decided by the first request
      this.#keys.add(key);
      const found = this.#lookup(key);
      if (found.length === 0) removed.push(key);
      for (const resource of found) resources.set(resource.name, resource);
    }
    for (const name of resources.keys()) this.#sent?.add(name);
    return { resources: [...resources.values()], removed };
  }

  /** A name of the store changed. */
  touch(name: string): void {
    this.#changed.add(name);
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** Takes what changed since, and forgets that it changed. */
  take(part: Part): Answer {
    const resources: StoredResource[] = [];
    const removed: string[] = [];
    for (const name of this.#changed) {
      const resource = this.store.get(name);
      const goes = resource === undefined || !this.#sees(name);
      if (part !== 'all' && goes !== (part === 'removals')) continue;
      this.#changed.delete(name);
      if (goes) {
        if (this.#sent === undefined || this.#sent.delete(name) || this.#keys.has(name)) removed.push(name);
      } else if (this.#wants(resource)) {
        this.#sent?.add(name);
        resources.push(resource);
      }
    }
    return { resources, removed };
  }

  #wants(resource: StoredResource): boolean {
    if (this.wildcard || this.#keys.has(resource.name) || this.#sent?.has(resource.name) === true) return true;
    if (resource.aliases.some((alias) => this.#keys.has(alias))) return true;
    // a new member of something that was asked for, or of what that stood for
    return resource.groups.some((group) => this.#keys.has(group) || this.#sent?.has(group) === true);
  }

  #lookup(key: string): readonly StoredResource[] {
    return this.store.lookup(key).filter((resource) => this.#sees(resource.name));
  }

  #sees(name: string): boolean {
    return this.#visible === undefined || this.#visible(name);
  }
}

/** Nothing named is everything; `*` is, too, unless it is unsubscribed from in the same breath. */
function asksForAll(first: DeltaDiscoveryRequest): boolean {
  const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = first;
  if (subscribe.length === 0) return true;
  return subscribe.includes('*') && !unsubscribe.includes('*');
}
