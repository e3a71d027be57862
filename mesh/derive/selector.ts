/** Label selectors, and both directions of looking them up: who selects these labels, and whom does this selector select. */
import type { Labels } from './read.ts';

function selects(selector: Labels, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

const pair = (key: string, value: string) => `${key}=${value}`;

/** One pair stands for the whole selector: whoever lacks it can not be selected. */
function handle(selector: Labels): string {
  for (const key in selector) return pair(key, selector[key] ?? '');
  return '';
}

/** Selectors by namespace; finds those that select given labels without trying the others. */
export class SelectorIndex<T> {
  readonly #byNamespace = new Map<string, Map<string, Map<T, Labels>>>();

  add(namespace: string, selector: Labels, item: T): void {
    const handles = getOrAdd(this.#byNamespace, namespace, () => new Map<string, Map<T, Labels>>());
    getOrAdd(handles, handle(selector), () => new Map<T, Labels>()).set(item, selector);
  }

  remove(namespace: string, selector: Labels, item: T): void {
    const handles = this.#byNamespace.get(namespace);
    const items = handles?.get(handle(selector));
    items?.delete(item);
    if (items?.size === 0) handles?.delete(handle(selector));
    if (handles?.size === 0) this.#byNamespace.delete(namespace);
  }

  /** Items of that namespace whose selector selects these labels. An empty selector selects everything. */
  selecting(namespace: string, labels: Labels): readonly T[] {
    const handles = this.#byNamespace.get(namespace);
    if (handles === undefined) return [];
    const found: T[] = [...(handles.get('')?.keys() ?? [])];
    for (const key in labels) {
      const items = handles.get(pair(key, labels[key] ?? ''));
      if (items === undefined) continue;
      for (const [item, selector] of items) if (selects(selector, labels)) found.push(item);
    }
    return found;
  }
}

type Labelled = { readonly namespace: string; readonly labels: Labels };
type NamespaceLabels<T> = { readonly all: Set<T>; readonly byPair: Map<string, Set<T>> };

/** Labelled things by namespace; finds those that a selector selects. */
export class LabelIndex<T extends Labelled> {
  readonly #byNamespace = new Map<string, NamespaceLabels<T>>();

  add(item: T): void {
    const held = getOrAdd(this.#byNamespace, item.namespace, () => ({ all: new Set<T>(), byPair: new Map() }));
    held.all.add(item);
    for (const key in item.labels) {
      getOrAdd(held.byPair, pair(key, item.labels[key] ?? ''), () => new Set<T>()).add(item);
    }
  }

  remove(item: T): void {
    const held = this.#byNamespace.get(item.namespace);
    if (held === undefined) return;
    held.all.delete(item);
    for (const key in item.labels) {
      const name = pair(key, item.labels[key] ?? '');
      const items = held.byPair.get(name);
      items?.delete(item);
      if (items?.size === 0) held.byPair.delete(name);
    }
    if (held.all.size === 0) this.#byNamespace.delete(item.namespace);
  }

  /** Those of one namespace, or of all when none is named. */
  *selected(namespace: string | undefined, selector: Labels): Iterable<T> {
    const spaces = namespace === undefined ? this.#byNamespace.values() : [this.#byNamespace.get(namespace)];
    for (const space of spaces) {
      if (space === undefined) continue;
      for (const item of smallest(space, selector)) if (selects(selector, item.labels)) yield item;
    }
  }
}

function smallest<T>(space: NamespaceLabels<T>, selector: Labels): ReadonlySet<T> {
  let best: ReadonlySet<T> = space.all;
  for (const key in selector) {
    const items = space.byPair.get(pair(key, selector[key] ?? ''));
    if (items === undefined) return new Set();
    if (items.size < best.size) best = items;
  }
  return best;
}

export function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
