/** The garbage collector: what has lost all its owners goes; deletions that wait for dependents are carried through. */
import type { WriteContext } from '../defaults/strategy.ts';
import { type ApiObject, type OwnerReference, ownersOf } from '../object.ts';
import type { Json } from '../pure/index.ts';
import type { StoreEvent } from '../store/store.ts';
import { updateObject } from '../write/commit.ts';
import { INTERNAL_WRITE } from '../write/options.ts';
import { FOREGROUND, INTERNAL_DELETE, ORPHAN, removeObject } from '../write/remove.ts';
import type { Worker } from './worker.ts';

const holds = (object: ApiObject, finalizer: string): boolean =>
  object.metadata.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(finalizer);

export class GarbageCollector {
  readonly #context: WriteContext;
  readonly #worker: Worker;
  /** uid of an owner, to the uids of what names it. */
  readonly #dependents = new Map<string, Set<string>>();

  constructor(context: WriteContext, worker: Worker) {
    this.#context = context;
    this.#worker = worker;
  }

  /** Learns who owns whom, and finishes what a former process left; at start. */
  resync(): void {
    for (const resource of this.#context.store.resources()) {
      for (const object of this.#context.store.list(resource)) this.#learn(object, undefined);
    }
  }

  readonly observe = (event: StoreEvent): void => {
    if (event.type !== 'DELETED') {
      this.#learn(event.object, event.before);
      return;
    }
    const { uid } = event.object.metadata;
    for (const owner of ownersOf(event.object)) {
      this.#unlink(owner.uid, uid);
      this.#check(owner.uid); // it may have waited for this one
    }
    for (const dependent of this.#dependents.get(uid) ?? []) this.#check(dependent);
    this.#dependents.delete(uid);
  };

  #learn(object: ApiObject, before: ApiObject | undefined): void {
    const { uid } = object.metadata;
    const owners = ownersOf(object);
    for (const owner of before === undefined ? [] : ownersOf(before)) {
      if (!owners.some((o) => o.uid === owner.uid)) this.#unlink(owner.uid, uid);
    }
    for (const owner of owners) {
      const set = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, set.add(uid));
    }
    if (owners.length > 0 || holds(object, FOREGROUND) || holds(object, ORPHAN)) this.#check(uid);
  }

  #unlink(owner: string, dependent: string): void {
    const set = this.#dependents.get(owner);
    set?.delete(dependent);
    if (set?.size === 0) this.#dependents.delete(owner);
  }

  #check(uid: string): void {
    this.#worker.soon(`garbage ${uid}`, () => this.#reconcile(uid));
  }

  #reconcile(uid: string): void {
    const found = this.#context.store.byUid(uid);
    if (found === undefined) return;
    const { resource, object } = found;
    if (holds(object, ORPHAN)) this.#orphan(resource, object);
    else if (holds(object, FOREGROUND)) this.#foreground(resource, object);
    const owners = ownersOf(object);
    if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const states = owners.map((owner) => ({ owner, state: this.#stateOf(object, owner) }));
    const lasting = states.filter((s) => s.state === 'lasting');
    if (lasting.length === 0)
      this.#collect(
        resource,
        object,
        states.some((s) => s.state === 'leaving'),
      );
    else if (lasting.length < states.length) {
      this.#setOwners(
        resource,
        object,
        lasting.map((s) => s.owner),
      );
    }
  }

  /** Leaving: the owner waits in the foreground for its dependents to go. */
  #stateOf(dependent: ApiObject, reference: OwnerReference): 'lasting' | 'leaving' | 'gone' {
    const owner = this.#context.store.byUid(reference.uid)?.object;
    if (owner === undefined) return 'gone';
    // An owner in another namespace is no owner.
    const { namespace } = owner.metadata;
    if (namespace !== undefined && namespace !== dependent.metadata.namespace) return 'gone';
    return holds(owner, FOREGROUND) ? 'leaving' : 'lasting';
  }

  #collect(resource: string, object: ApiObject, foreground: boolean): void {
    const info = this.#context.registry.byStorage(resource);
    if (info === undefined) return;
    const waits = foreground && (this.#dependents.get(object.metadata.uid)?.size ?? 0) > 0;
    removeObject(this.#context, info, object, {
      ...INTERNAL_DELETE,
      propagation: waits ? 'Foreground' : 'Background',
      preconditions: { uid: object.metadata.uid },
    });
  }

  #orphan(resource: string, owner: ApiObject): void {
    for (const uid of this.#dependents.get(owner.metadata.uid) ?? []) {
      const dependent = this.#context.store.byUid(uid);
      if (dependent === undefined) continue;
      const others = ownersOf(dependent.object).filter((o) => o.uid !== owner.metadata.uid);
      this.#setOwners(dependent.resource, dependent.object, others);
    }
    this.#release(resource, owner, ORPHAN);
  }

  #foreground(resource: string, owner: ApiObject): void {
    const dependents = [...(this.#dependents.get(owner.metadata.uid) ?? [])]
      .map((uid) => this.#context.store.byUid(uid)?.object)
      .filter((object) => object !== undefined);
    for (const dependent of dependents) this.#check(dependent.metadata.uid);
    const blocked = dependents.some((dependent) =>
      ownersOf(dependent).some((o) => o.uid === owner.metadata.uid && o.blockOwnerDeletion === true),
    );
    if (!blocked) this.#release(resource, owner, FOREGROUND);
  }

  #release(resource: string, object: ApiObject, finalizer: string): void {
    const finalizers = (object.metadata.finalizers ?? []).filter((f) => f !== finalizer);
    this.#update(resource, object, { finalizers });
  }

  #setOwners(resource: string, object: ApiObject, owners: readonly OwnerReference[]): void {
    this.#update(resource, object, { ownerReferences: owners as unknown as Json });
  }

  #update(resource: string, object: ApiObject, metadata: Record<string, Json>): void {
    const info = this.#context.registry.byStorage(resource);
    if (info === undefined) return;
    const changed = { ...object, metadata: { ...object.metadata, ...metadata } } as ApiObject;
    updateObject(this.#context, {
      ...INTERNAL_WRITE,
      info,
      old: object,
      object: changed,
      subresource: 'metadata',
      tracked: true,
    });
  }
}
