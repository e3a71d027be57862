/** Everything derived so far, and what changed since somebody last asked. */
import type { ConditionChange, Delta, KubeMetadata, KubeObjectRef } from '../kube-object.ts';
import type { WaypointResource } from '../l7/model.ts';
import { type Address, type Authorization, addressKey, authorizationKey } from '../model.ts';
import { isEqual } from './equal.ts';
import { getOrAdd } from './selector.ts';

export type Condition = Pick<ConditionChange, 'reason' | 'message'> & { readonly status: 'True' | 'False' };

/** What names an object, and the state of it that conditions are about. */
export type ConditionTarget = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Pick<KubeMetadata, 'name' | 'namespace' | 'generation'>;
};

/** Of an object nothing but that. */
export function conditionTarget({ apiVersion, kind, metadata }: ConditionTarget): ConditionTarget {
  const { name, namespace = '', generation } = metadata;
  return { apiVersion, kind, metadata: { name, namespace, ...(generation !== undefined && { generation }) } };
}

/** Resources of one kind. Each belongs to the object that it was derived from, and goes with it or to the next owner. */
class Resources<T> {
  readonly held = new Map<string, T>();
  readonly #owned = new Map<string, readonly string[]>();
  readonly #owners = new Map<string, string>();
  readonly #keyOf: (resource: T) => string;
  readonly #upserted = new Map<string, T>();
  readonly #removed = new Set<string>();

  constructor(keyOf: (resource: T) => string) {
    this.#keyOf = keyOf;
  }

  /** What `owner` now amounts to. What is equal to before is no change. */
  set(owner: string, resources: readonly T[]): void {
    const keys = resources.map(this.#keyOf);
    for (const key of this.#owned.get(owner) ?? []) {
      // Its next owner may have come first.
      if (!keys.includes(key) && this.#owners.get(key) === owner) this.#remove(key);
    }
    if (keys.length === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, keys);
    for (const [index, resource] of resources.entries()) this.#upsert(keys[index] ?? '', owner, resource);
  }

  take(): { readonly upserted: readonly T[]; readonly removed: readonly string[] } {
    const taken = { upserted: [...this.#upserted.values()], removed: [...this.#removed] };
    this.#upserted.clear();
    this.#removed.clear();
    return taken;
  }

  #upsert(key: string, owner: string, resource: T): void {
    this.#owners.set(key, owner);
    if (isEqual(this.held.get(key), resource)) return;
    this.held.set(key, resource);
    this.#removed.delete(key);
    this.#upserted.set(key, resource);
  }

  #remove(key: string): void {
    this.#owners.delete(key);
    this.held.delete(key);
    this.#upserted.delete(key);
    this.#removed.add(key);
  }
}

export class Outputs {
  readonly addresses = new Resources<Address>(addressKey);
  readonly authorizations = new Resources<Authorization>(authorizationKey);
  readonly waypoints = new Resources<WaypointResource>(({ name }) => name);
  /** By object, then by type. */
  readonly #conditions = new Map<string, Map<string, ConditionChange>>();
  #changes: ConditionChange[] = [];

  /** The condition that should stand on an object; undefined: none of that type. */
  setCondition(target: ConditionTarget, type: string, condition: Condition | undefined): void {
    const { apiVersion, kind, metadata } = target;
    const { name, namespace = '', generation } = metadata;
    const held = getOrAdd(this.#conditions, objectName(target), () => new Map<string, ConditionChange>());
    const change: ConditionChange = {
      object: { apiVersion, kind, namespace, name, ...(generation !== undefined && { generation }) },
      type,
      ...(condition ?? { status: undefined, reason: '', message: '' }),
    };
    const old = held.get(type);
    if ((condition === undefined && old === undefined) || isEqual(old, change)) return;
    if (condition === undefined) held.delete(type);
    else held.set(type, change);
    this.#changes.push(change);
  }

  /** The object is there and does not count any more: what was said about it is taken off. */
  withdrawConditions(target: ConditionTarget): void {
    const types = [...(this.#conditions.get(objectName(target))?.keys() ?? [])];
    for (const type of types) this.setCondition(target, type, undefined);
  }

  /** The object is gone, and its conditions with it. */
  forgetConditions(ref: Pick<KubeObjectRef, 'kind' | 'metadata'>): void {
    this.#conditions.delete(objectName(ref));
  }

  take(): Omit<Delta, 'routes'> {
    const conditions = this.#changes;
    this.#changes = [];
    return {
      addresses: this.addresses.take(),
      authorizations: this.authorizations.take(),
      waypoints: this.waypoints.take(),
      conditions,
    };
  }
}

function objectName({ kind, metadata }: Pick<KubeObjectRef, 'kind' | 'metadata'>): string {
  return `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}
