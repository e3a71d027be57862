/** Which namespaces count at all (mesh configuration `discoverySelectors`, controller.md section 11), and what is in them. */
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import { withName } from './gateway.ts';
import { selectorHolds } from './label-selector.ts';
import type { NamespaceFacts } from './namespace.ts';
import { getOrAdd } from './selector.ts';

/** Without selectors all do; of a namespace that is not known the name is. */
export function isDiscovered(name: string, namespace: NamespaceFacts | undefined, config: MeshConfig): boolean {
  const { discoverySelectors } = config;
  if (discoverySelectors.length === 0) return true;
  const labels = withName(name, namespace?.labels ?? {});
  return discoverySelectors.some((selector) => selectorHolds(selector, labels));
}

/** Takes the object as it counts: undefined when it is gone, or its namespace is as if it were not there. */
type Take = (object: KubeObject | undefined) => void;
type Held = { readonly object: KubeObject; readonly take: Take };
type Namespace = { counts: boolean; readonly objects: Map<string, Held> };

/** Keeps what was seen, so that it can count from the moment that its namespace does. */
export class Discovered {
  readonly #counts: (namespace: string) => boolean;
  readonly #namespaces = new Map<string, Namespace>();

  constructor(counts: (namespace: string) => boolean) {
    this.#counts = counts;
  }

  /** An object is new, changed or (undefined) gone; `id` is unique in its namespace. */
  note(namespace: string, id: string, object: KubeObject | undefined, take: Take): void {
    const held = getOrAdd(this.#namespaces, namespace, () => ({ counts: this.#counts(namespace), objects: new Map() }));
    if (object === undefined) held.objects.delete(id);
    else held.objects.set(id, { object, take });
    if (held.objects.size === 0) this.#namespaces.delete(namespace);
    take(held.counts ? object : undefined);
  }

  /** The namespace, or what counts, has changed. */
  lookAt(namespace: string): void {
    const held = this.#namespaces.get(namespace);
    if (held === undefined || held.counts === this.#counts(namespace)) return;
    held.counts = !held.counts;
    for (const { object, take } of held.objects.values()) take(held.counts ? object : undefined);
  }

  lookAtAll(): void {
    for (const namespace of this.#namespaces.keys()) this.lookAt(namespace);
  }
}
