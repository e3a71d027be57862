/** The two halves of server-side apply on values: putting in what is applied, taking out what no longer is. */
import { badRequest } from '../status-error.ts';
import { getKey, isObject, type Json, type JsonObject, setKey } from '../types.ts';
import { itemsByStep } from './compare.ts';
import { EMPTY, type FieldSet, nameStep } from './field-set.ts';
import { interleave } from './order.ts';
import { asList, type ListTopology, type Topology, under } from './topology.ts';

/** `live` with everything that `applied` says. Throws 400 for list items without their keys or with one twice. */
export function applyMerge(live: Json | undefined, applied: Json, topology: Topology, path = ''): Json {
  if (isObject(applied) && !(topology.kind === 'map' && topology.atomic)) {
    const result: JsonObject = isObject(live) ? { ...live } : {};
    for (const [key, value] of Object.entries(applied)) {
      setKey(result, key, applyMerge(getKey(result, key), value, under(topology, key), `${path}.${key}`));
    }
    return result;
  }
  if (Array.isArray(applied) && asList(topology).apply.kind !== 'atomic') {
    return applyList(Array.isArray(live) ? live : [], applied, asList(topology), path);
  }
  return applied;
}

function applyList(live: readonly Json[], applied: readonly Json[], list: ListTopology, path: string): Json {
  const wanted = itemsByStep(applied, list);
  if (wanted === undefined) {
    const keys = list.apply.kind === 'keys' ? list.apply.keys.map(({ name }) => name).join(', ') : 'value';
    throw badRequest(`failed to create typed patch object: ${path}: items must have ${keys}, each only once`);
  }
  const present = itemsByStep(live, list);
  if (present === undefined) return [...applied]; // what is there has no keys to merge by
  const merged = new Map(
    [...wanted].map(
      ([step, item]) => [step, applyMerge(present.get(step), item, list.item, `${path}[${step}]`)] as const,
    ),
  );
  const liveSteps = [...present.keys()];
  const others = liveSteps.filter((step) => !merged.has(step));
  // A new item comes after what is there, unless an item that is there already follows it.
  const place = new Map<string, number>();
  let next = liveSteps.length;
  for (const step of [...merged.keys()].toReversed()) {
    if (present.has(step)) next = liveSteps.indexOf(step);
    place.set(step, next);
  }
  const order = interleave([...merged.keys()], others, (step) => place.get(step) ?? liveSteps.indexOf(step));
  return order.map((step) => merged.get(step) ?? present.get(step) ?? null);
}

/**
 * `value` without what `last` (the manager's former set) has, `next` (its new one) lacks, and nobody else owns. A field
 * goes with all beneath it, also with defaults that nobody owns, unless somebody else owns something there.
 */
export function removeAbandoned(
  value: Json,
  topology: Topology,
  last: FieldSet,
  next: FieldSet,
  others: FieldSet,
): Json {
  const verdict = (step: string, part: Json, partTopology: Topology): Json | undefined => {
    const was = last.children.get(step);
    if (was === undefined) return part;
    const stays = next.children.get(step);
    const owned = others.children.get(step);
    if (stays === undefined && owned === undefined) return undefined;
    return removeAbandoned(part, partTopology, was, stays ?? EMPTY, owned ?? EMPTY);
  };
  if (isObject(value) && !(topology.kind === 'map' && topology.atomic)) {
    const kept = Object.entries(value).flatMap(([key, part]): [string, Json][] => {
      const result = verdict(nameStep(key), part, under(topology, key));
      return result === undefined ? [] : [[key, result]];
    });
    return Object.fromEntries(kept);
  }
  if (!Array.isArray(value)) return value;
  const list = asList(topology);
  const items = itemsByStep(value, list);
  if (items === undefined) return value;
  return [...items].map(([step, item]) => verdict(step, item, list.item)).filter((item) => item !== undefined);
}
