/** The life of a namespace: what it starts with, and how it is emptied before it goes. */
import type { WriteContext } from '../defaults/strategy.ts';
import { type ApiObject, listAt, mapAt } from '../object.ts';
import type { Json, ResourceInfo } from '../pure/index.ts';
import { type StoreEvent, storageKey } from '../store/store.ts';
import { createObject } from '../write/commit.ts';
import { INTERNAL_WRITE } from '../write/options.ts';
import { INTERNAL_DELETE, removeObject } from '../write/remove.ts';
import type { Worker } from './worker.ts';

const NAMESPACES = storageKey('', 'namespaces');
/** What every namespace has: the account that pods run as by default, and the root that they trust. */
const SERVICE_ACCOUNTS = storageKey('', 'serviceaccounts');
const CONFIG_MAPS = storageKey('', 'configmaps');
const ROOT_CA_NAME = 'kube-root-ca.crt';

export class NamespaceController {
  readonly #context: WriteContext;
  readonly #caPem: string;
  readonly #worker: Worker;

  constructor(context: WriteContext, caPem: string, worker: Worker) {
    this.#context = context;
    this.#caPem = caPem;
    this.#worker = worker;
  }

  /** Brings every namespace to where it should be; at start. */
  resync(): void {
    for (const namespace of this.#context.store.list(NAMESPACES)) this.#reconcile(namespace.metadata.name);
  }

  /** Called after each change of the store, before the writer gets its answer: a new namespace is usable at once. */
  readonly observe = (event: StoreEvent): void => {
    if (event.resource === NAMESPACES) this.#reconcile(event.object.metadata.name);
    else if (event.type === 'DELETED' && event.object.metadata.namespace !== undefined) {
      this.#reconcile(event.object.metadata.namespace);
    }
  };

  #reconcile(name: string): void {
    const namespace = this.#context.store.get(NAMESPACES, '', name);
    if (namespace === undefined) return;
    if (namespace.metadata.deletionTimestamp === undefined) this.#furnish(name);
    else this.#worker.soon(`namespace ${name}`, () => this.#empty(name));
  }

  #furnish(namespace: string): void {
    this.#ensure(SERVICE_ACCOUNTS, namespace, 'default', {});
    this.#ensure(CONFIG_MAPS, namespace, ROOT_CA_NAME, { data: { 'ca.crt': this.#caPem } });
  }

  #ensure(resource: string, namespace: string, name: string, content: Record<string, Json>): void {
    const { store, registry } = this.#context;
    const info = registry.byStorage(resource);
    if (info === undefined || store.get(resource, namespace, name) !== undefined) return;
    const object = {
      apiVersion: 'v1',
      kind: info.kind,
      metadata: { name, namespace },
      ...content,
    } as unknown as ApiObject;
    createObject(this.#context, { info, object, ...INTERNAL_WRITE });
  }

  #empty(name: string): void {
    const { store, registry } = this.#context;
    const namespace = store.get(NAMESPACES, '', name);
    if (namespace?.metadata.deletionTimestamp === undefined) return;
    const left = registry
      .stored()
      .filter((info) => info.namespaced)
      .flatMap((info) => store.list(storageKey(info.group, info.plural), name).map((object) => ({ info, object })));
    const remaining = left.filter((item) => !this.#delete(item));
    if (remaining.length > 0) return; // whoever lets the last one go brings us back here
    const finalizers = listAt(namespace, 'spec', 'finalizers').filter((f) => f !== 'kubernetes');
    const current = store.get(NAMESPACES, '', name);
    if (current === undefined) return;
    if (finalizers.length === 0 && (current.metadata.finalizers ?? []).length === 0) store.remove(NAMESPACES, '', name);
    else if (finalizers.length !== listAt(current, 'spec', 'finalizers').length) {
      store.put(NAMESPACES, { ...current, spec: { ...mapAt(current, 'spec'), finalizers } });
    }
  }

  /** True when the object is gone. */
  #delete({ info, object }: { readonly info: ResourceInfo; readonly object: ApiObject }): boolean {
    if (object.metadata.deletionTimestamp !== undefined) return false;
    return removeObject(this.#context, info, object, INTERNAL_DELETE).kind === 'gone';
  }
}
