/** Everything derived so far, and what changed since somebody last asked. */
import type { ConditionChange, Delta, KubeObject } from '../kube-object.ts';
import { type Address, type Authorization, addressKey, authorizationKey } from '../model.ts';
import { isEqual } from './equal.ts';

export type Condition = Pick<ConditionChange, 'reason' | 'message'> & { readonly status: 'True' | 'False' };

/** Resources of one kind. Each belongs to the object that it was derived from, and goes with it. */
class Resources<T> {
  readonly held = new Map<string, T>();
  readonly #owned = new Map<string, readonly string[]>();
  readonly #keyOf: (resource: T) => string;
  readonly #upserted = new Map<string, T>();
  readonly #removed = new Set<string>();

  constructor(keyOf: (resource: T) => string) {
    this.#keyOf = keyOf;
  }

  /** What `owner` now amounts to. What is equal to before is no change. */
  set(owner: string, resources: readonly T[]): void {
    const keys = resources.map(this.#keyOf);
    for (const key of this.#owned.get(owner) ?? []) if (!keys.includes(key)) this.#remove(key);
    if (keys.length === 0) this.#owned.delete(owner);
    else this.#owned.set(owner, keys);
    for (const [index, resource] of resources.entries()) this.#upsert(keys[index] ?? '', resource);
  }

  take(): { readonly upserted: readonly T[]; readonly removed: readonly string[] } {
    const taken = { upserted: [...this.#upserted.values()], removed: [...this.#removed] };
    this.#upserted.clear();
    this.#removed.clear();
    return taken;
  }

  #upsert(key: string, resource: T): void {
    if (isEqual(this.held.get(key), resource)) return;
    this.held.set(key, resource);
    this.#removed.delete(key);
    this.#upserted.set(key, resource);
  }

  #remove(key: string): void {
    this.held.delete(key);
    this.#upserted.delete(key);
    this.#removed.add(key);
  }
}

export class Outputs {
  readonly addresses = new Resources<Address>(addressKey);
  readonly authorizations = new Resources<Authorization>(authorizationKey);
  readonly #conditions = new Map<string, ConditionChange>();
  #changes: ConditionChange[] = [];

  /** The condition that should stand on an object; undefined: none of that type. */
  setCondition(object: KubeObject, type: string, condition: Condition | undefined): void {
    const { apiVersion, kind, metadata } = object;
    const { name, namespace = '', generation } = metadata;
    const key = conditionKey(object, type);
    const held = this.#conditions.get(key);
    if (condition === undefined && held === undefined) return;
    const change: ConditionChange = {
      object: { apiVersion, kind, namespace, name, ...(generation !== undefined && { generation }) },
      type,
      ...(condition ?? { status: undefined, reason: '', message: '' }),
    };
    if (isEqual(held, change)) return;
    if (condition === undefined) this.#conditions.delete(key);
    else this.#conditions.set(key, change);
    this.#changes.push(change);
  }

  /** The object is gone, and its conditions with it. */
  forgetConditions(
    object: Pick<KubeObject, 'kind'> & { metadata: { name: string; namespace?: string } },
    type: string,
  ) {
    this.#conditions.delete(conditionKey(object, type));
  }

  take(): Delta {
    const conditions = this.#changes;
    this.#changes = [];
    return { addresses: this.addresses.take(), authorizations: this.authorizations.take(), conditions };
  }
}

function conditionKey(object: { kind: string; metadata: { name: string; namespace?: string } }, type: string): string {
  return `${object.kind}/${object.metadata.namespace ?? ''}/${object.metadata.name}/${type}`;
}
