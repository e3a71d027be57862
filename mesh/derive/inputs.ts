/** The objects that workloads and services are made of, indexed by what depends on what. */
import type { Locality } from '../model.ts';
import type { SliceFacts } from './endpoint-slice.ts';
import type { ServiceFacts } from './kube-service.ts';
import type { PodFacts } from './pod.ts';
import { getOrAdd, LabelIndex, SelectorIndex } from './selector.ts';

export class Pods {
  readonly #all = new Map<string, PodFacts>();
  readonly #labels = new LabelIndex<PodFacts>();
  readonly #byNode = new Map<string, Set<PodFacts>>();

  get(key: string): PodFacts | undefined {
    return this.#all.get(key);
  }

  keys(): Iterable<string> {
    return this.#all.keys();
  }

  /** Pods that a selector selects, in one namespace or in all. */
  selected(namespace: string | undefined, selector: Readonly<Record<string, string>>): Iterable<PodFacts> {
    return this.#labels.selected(namespace, selector);
  }

  onNode(node: string): Iterable<PodFacts> {
    return this.#byNode.get(node) ?? [];
  }

  set(key: string, pod: PodFacts | undefined): void {
    const old = this.#all.get(key);
    if (old !== undefined) {
      this.#labels.remove(old);
      removeFrom(this.#byNode, old.node, old);
    }
    if (pod === undefined) {
      this.#all.delete(key);
      return;
    }
    this.#all.set(key, pod);
    this.#labels.add(pod);
    if (pod.node !== '') getOrAdd(this.#byNode, pod.node, () => new Set()).add(pod);
  }
}

export class Services {
  readonly #all = new Map<string, ServiceFacts>();
  readonly #selectors = new SelectorIndex<ServiceFacts>();
  readonly #byNamespace = new Map<string, Set<ServiceFacts>>();

  get(key: string): ServiceFacts | undefined {
    return this.#all.get(key);
  }

  keys(): Iterable<string> {
    return this.#all.keys();
  }

  inNamespace(namespace: string): Iterable<ServiceFacts> {
    return this.#byNamespace.get(namespace) ?? [];
  }

  /** Services whose selector selects a pod. */
  selecting(pod: PodFacts): readonly ServiceFacts[] {
    return this.#selectors.selecting(pod.namespace, pod.labels);
  }

  set(key: string, service: ServiceFacts | undefined): void {
    const old = this.#all.get(key);
    if (old !== undefined) {
      removeFrom(this.#byNamespace, old.namespace, old);
      if (old.selector !== undefined) this.#selectors.remove(old.namespace, old.selector, old);
    }
    if (service === undefined) {
      this.#all.delete(key);
      return;
    }
    this.#all.set(key, service);
    getOrAdd(this.#byNamespace, service.namespace, () => new Set()).add(service);
    if (service.selector !== undefined) this.#selectors.add(service.namespace, service.selector, service);
  }
}

export class Slices {
  readonly #all = new Map<string, SliceFacts>();
  readonly #byService = new Map<string, Set<SliceFacts>>();
  readonly #byPod = new Map<string, Set<SliceFacts>>();

  get(key: string): SliceFacts | undefined {
    return this.#all.get(key);
  }

  keys(): Iterable<string> {
    return this.#all.keys();
  }

  ofService(service: string): Iterable<SliceFacts> {
    return this.#byService.get(service) ?? [];
  }

  naming(pod: string): Iterable<SliceFacts> {
    return this.#byPod.get(pod) ?? [];
  }

  set(key: string, slice: SliceFacts | undefined): void {
    const old = this.#all.get(key);
    if (old !== undefined) {
      removeFrom(this.#byService, old.service, old);
      for (const pod of old.pods.keys()) removeFrom(this.#byPod, pod, old);
    }
    if (slice === undefined) {
      this.#all.delete(key);
      return;
    }
    this.#all.set(key, slice);
    getOrAdd(this.#byService, slice.service, () => new Set()).add(slice);
    for (const pod of slice.pods.keys()) getOrAdd(this.#byPod, pod, () => new Set()).add(slice);
  }
}

/** Undefined when no label says anything. */
export function localityOf(labels: Readonly<Record<string, string>>): Locality | undefined {
  const region = labels['topology.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? '';
  const subzone = labels['topology.istio.io/subzone'] ?? '';
  return region || zone || subzone ? { region, zone, subzone } : undefined;
}

function removeFrom<T>(index: Map<string, Set<T>>, key: string, item: T): void {
  const held = index.get(key);
  held?.delete(item);
  if (held?.size === 0) index.delete(key);
}
