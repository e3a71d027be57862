/**
 * How the parts of an object merge. Strategic merge patch and server-side apply both need it, and disagree in places:
 * a list merges by one key in a patch and by several in an apply, some maps are atomic only when applied.
 */
export type Topology = MapTopology | ListTopology;

export type MapTopology = {
  readonly kind: 'map';
  readonly fields: Readonly<Record<string, Topology>>;
  /** For keys that `fields` does not name. */
  readonly rest?: Topology;
  /** Owned as a whole in server-side apply. */
  readonly atomic: boolean;
};

export type ListTopology = {
  readonly kind: 'list';
  readonly item: Topology;
  /** Strategic merge patch: a merge key, union of values, or replaced as a whole. */
  readonly patch:
    | { readonly kind: 'key'; readonly key: string }
    | { readonly kind: 'set' }
    | { readonly kind: 'replace' };
  readonly apply:
    | { readonly kind: 'keys'; readonly keys: readonly ApplyKey[] }
    | { readonly kind: 'set' }
    | { readonly kind: 'atomic' };
};

/** A key of a list item; an item without it has the default, or no key at all. */
export type ApplyKey = { readonly name: string; readonly fallback?: string | number | boolean };

/** What is not described: maps merge key by key, lists are replaced. */
export const GRANULAR: MapTopology = { kind: 'map', fields: {}, atomic: false };
/** A list that is replaced as a whole. */
export const ATOMIC_LIST: ListTopology = {
  kind: 'list',
  item: GRANULAR,
  patch: { kind: 'replace' },
  apply: { kind: 'atomic' },
};
/** A list of scalars in which order and repetition mean nothing. */
export const SET: ListTopology = { kind: 'list', item: GRANULAR, patch: { kind: 'set' }, apply: { kind: 'set' } };

/** A map with these parts. */
export function map(fields: Readonly<Record<string, Topology>>): MapTopology {
  return { kind: 'map', fields, atomic: false };
}

/** A map that merges in a patch and is owned as a whole in an apply. */
export function atomic(fields: Readonly<Record<string, Topology>> = {}): MapTopology {
  return { kind: 'map', fields, atomic: true };
}

/** A list that merges by `key` in a patch, and by it or by `applyKeys` in an apply. */
export function keyed(
  key: string,
  item: Topology = GRANULAR,
  applyKeys: readonly ApplyKey[] = [{ name: key }],
): ListTopology {
  return { kind: 'list', item, patch: { kind: 'key', key }, apply: { kind: 'keys', keys: applyKeys } };
}

/** A list that merges by `key` in a patch only. */
export function patchKeyed(key: string, item: Topology = GRANULAR): ListTopology {
  return { kind: 'list', item, patch: { kind: 'key', key }, apply: { kind: 'atomic' } };
}

/** A list that merges by its keys in an apply only. */
export function applyKeyed(keys: readonly ApplyKey[], item: Topology = GRANULAR): ListTopology {
  return { kind: 'list', item, patch: { kind: 'replace' }, apply: { kind: 'keys', keys } };
}

/** The topology under one key of a map; also right when the table describes something else than the value is. */
export function under(topology: Topology, key: string): Topology {
  if (topology.kind === 'list') return GRANULAR;
  return (Object.hasOwn(topology.fields, key) ? topology.fields[key] : topology.rest) ?? GRANULAR;
}

/** The topology of a value that is a list. */
export function asList(topology: Topology): ListTopology {
  return topology.kind === 'list' ? topology : ATOMIC_LIST;
}
