/** Which fields an object sets, and which differ between two objects, in the terms of a topology. */
import { isObject, type Json, type JsonObject } from '../types.ts';
import { EMPTY, type FieldSet, fieldSet, isEmpty, keyStep, LEAF, nameStep, union, valueStep } from './field-set.ts';
import { sameJson } from './order.ts';
import { asList, type ListTopology, type Topology, under } from './topology.ts';

/** A list by the steps of its items; undefined when the list is atomic, or its items lack keys or repeat one. */
export function itemsByStep(list: readonly Json[], topology: ListTopology): ReadonlyMap<string, Json> | undefined {
  if (topology.apply.kind === 'atomic') return undefined;
  const items = new Map<string, Json>();
  for (const item of list) {
    const step = topology.apply.kind === 'set' ? setStep(item) : itemStep(item, topology);
    if (step === undefined || items.has(step)) return undefined;
    items.set(step, item);
  }
  return items;
}

const setStep = (item: Json) => (typeof item === 'object' && item !== null ? undefined : valueStep(item));

/** The step of an item of a keyed list, or undefined when a key is missing. */
function itemStep(item: Json, topology: ListTopology): string | undefined {
  if (!isObject(item) || topology.apply.kind !== 'keys') return undefined;
  const keys: JsonObject = {};
  for (const { name, fallback } of topology.apply.keys) {
    const value = item[name] ?? fallback;
    if (value !== undefined) keys[name] = value;
  }
  return Object.keys(keys).length === 0 ? undefined : keyStep(keys);
}

/** Every field that `value` sets: its leaves, and each item of a keyed list or set. */
export function fieldsOf(value: Json, topology: Topology): FieldSet {
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.length === 0 || (topology.kind === 'map' && topology.atomic)) return LEAF;
    return fieldSet(
      false,
      entries.map(([key, part]) => [nameStep(key), fieldsOf(part, under(topology, key))] as const),
    );
  }
  if (Array.isArray(value)) {
    const list = asList(topology);
    const items = value.length === 0 ? undefined : itemsByStep(value, list);
    if (items === undefined) return LEAF;
    return fieldSet(
      false,
      [...items].map(([step, item]) => [step, fieldsOfItem(item, list)] as const),
    );
  }
  return LEAF;
}

const fieldsOfItem = (item: Json, list: ListTopology): FieldSet =>
  list.apply.kind === 'set' ? LEAF : { ...fieldsOf(item, list.item), member: true };

/** `changed`: added or with another value; `removed`: gone. */
export type Difference = { readonly changed: FieldSet; readonly removed: FieldSet };

const SAME: Difference = { changed: EMPTY, removed: EMPTY };

/** What happened from `before` to `after`. */
export function compare(before: Json | undefined, after: Json | undefined, topology: Topology): Difference {
  if (sameJson(before, after)) return SAME;
  if (before === undefined) return after === undefined ? SAME : { changed: fieldsOf(after, topology), removed: EMPTY };
  if (after === undefined) return { changed: EMPTY, removed: fieldsOf(before, topology) };
  if (isObject(before) && isObject(after) && !(topology.kind === 'map' && topology.atomic)) {
    const steps = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return gather(steps.map((key) => [nameStep(key), compare(before[key], after[key], under(topology, key))] as const));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const list = asList(topology);
    const [old, now] = [itemsByStep(before, list), itemsByStep(after, list)];
    if (old !== undefined && now !== undefined) return compareItems(old, now, list);
  }
  const isReplaced = isObject(before) !== isObject(after) || Array.isArray(before) !== Array.isArray(after);
  return { changed: fieldsOf(after, topology), removed: isReplaced ? fieldsOf(before, topology) : EMPTY };
}

function compareItems(old: ReadonlyMap<string, Json>, now: ReadonlyMap<string, Json>, list: ListTopology): Difference {
  const steps = [...new Set([...old.keys(), ...now.keys()])];
  return gather(
    steps.map((step) => {
      const [before, after] = [old.get(step), now.get(step)];
      if (before === undefined && after !== undefined)
        return [step, { ...SAME, changed: fieldsOfItem(after, list) }] as const;
      if (before !== undefined && after === undefined)
        return [step, { ...SAME, removed: fieldsOfItem(before, list) }] as const;
      return [step, compare(before, after, list.item)] as const;
    }),
  );
}

function gather(parts: readonly (readonly [string, Difference])[]): Difference {
  return {
    changed: fieldSet(
      false,
      parts.map(([step, part]) => [step, part.changed] as const),
    ),
    removed: fieldSet(
      false,
      parts.map(([step, part]) => [step, part.removed] as const),
    ),
  };
}

/** Everything a write touched. */
export const touched = ({ changed, removed }: Difference): FieldSet => union(changed, removed);

export const isUnchanged = ({ changed, removed }: Difference): boolean => isEmpty(changed) && isEmpty(removed);
