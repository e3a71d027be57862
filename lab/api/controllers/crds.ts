/** A deleted CRD takes its objects along before it goes. */
import type { WriteContext } from '../defaults/strategy.ts';
import { type ApiObject, textAt } from '../object.ts';
import { CRD_STORAGE } from '../resources/registry.ts';
import { type StoreEvent, storageKey } from '../store/store.ts';
import { updateObject } from '../write/commit.ts';
import { INTERNAL_WRITE } from '../write/options.ts';
import { CRD_CLEANUP, INTERNAL_DELETE, removeObject } from '../write/remove.ts';
import type { Worker } from './worker.ts';

const storageOf = (crd: ApiObject): string =>
  storageKey(textAt(crd, 'spec', 'group'), textAt(crd, 'spec', 'names', 'plural'));

export class CrdController {
  readonly #context: WriteContext;
  readonly #worker: Worker;

  constructor(context: WriteContext, worker: Worker) {
    this.#context = context;
    this.#worker = worker;
  }

  resync(): void {
    for (const crd of this.#context.store.list(CRD_STORAGE)) this.#consider(crd);
  }

  readonly observe = (event: StoreEvent): void => {
    if (event.resource === CRD_STORAGE) this.#consider(event.object);
    else if (event.type === 'DELETED') {
      for (const crd of this.#context.store.list(CRD_STORAGE))
        if (storageOf(crd) === event.resource) this.#consider(crd);
    }
  };

  #consider(crd: ApiObject): void {
    if (crd.metadata.deletionTimestamp === undefined) return;
    this.#worker.soon(`crd ${crd.metadata.name}`, () => this.#empty(crd.metadata.name));
  }

  #empty(name: string): void {
    const { store, registry } = this.#context;
    const crd = store.get(CRD_STORAGE, '', name);
    const info = registry.byStorage(CRD_STORAGE);
    if (crd?.metadata.deletionTimestamp === undefined || info === undefined) return;
    const resource = storageOf(crd);
    const own = registry.byStorage(resource);
    if (own !== undefined) {
      const left = store
        .list(resource)
        .filter((object) => removeObject(this.#context, own, object, INTERNAL_DELETE).kind === 'lingers');
      if (left.length > 0) return;
    }
    const finalizers = (crd.metadata.finalizers ?? []).filter((f) => f !== CRD_CLEANUP);
    const object = { ...crd, metadata: { ...crd.metadata, finalizers } } as ApiObject;
    updateObject(this.#context, { ...INTERNAL_WRITE, info, old: crd, object, subresource: 'metadata', tracked: true });
  }
}
