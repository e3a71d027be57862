/** Strategic merge patch: a merge patch that knows the keys of lists, with directives in `$` fields (spec section 7). */

import { interleave, sameJson } from '../fields/order.ts';
import { asList, type ListTopology, type Topology, under } from '../fields/topology.ts';
import { badRequest } from '../status-error.ts';
import { getKey, isObject, type Json, type JsonObject, setKey } from '../types.ts';

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_FROM_LIST = '$deleteFromPrimitiveList/';
const ELEMENT_ORDER = '$setElementOrder/';

/** Merges `patch` into `live`; neither is changed. Throws 400 for a directive or an item that makes no sense. */
export function strategicMerge(live: JsonObject, patch: JsonObject, topology: Topology): JsonObject {
  switch (patch[PATCH]) {
    case undefined:
    case 'merge':
      return mergeObject(live, patch, topology);
    case 'replace':
      return withoutDirectives(patch);
    case 'delete':
      return {};
    default:
      throw badRequest(`unknown ${PATCH} directive ${JSON.stringify(patch[PATCH])}`);
  }
}

function mergeObject(live: JsonObject, patch: JsonObject, topology: Topology): JsonObject {
  const result: JsonObject = { ...live };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(DELETE_FROM_LIST)) {
      const field = key.slice(DELETE_FROM_LIST.length);
      result[field] = without(listAt(result, field), listValue(key, value));
    } else if (!isDirective(key)) {
      if (value === null) delete result[key];
      else setKey(result, key, mergeValue(getKey(result, key), value, under(topology, key)));
    }
  }
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(ELEMENT_ORDER)) continue;
    const field = key.slice(ELEMENT_ORDER.length);
    if (!Array.isArray(result[field])) continue;
    const list = asList(under(topology, field));
    result[field] = reorder(listAt(result, field), listValue(key, order), listAt(live, field), list);
  }
  const retained = patch[RETAIN_KEYS];
  return retained === undefined ? result : retainOnly(result, listValue(RETAIN_KEYS, retained));
}

function mergeValue(live: Json | undefined, patch: Json, topology: Topology): Json {
  if (Array.isArray(patch)) return mergeList(Array.isArray(live) ? live : [], patch, asList(topology));
  if (!isObject(patch)) return patch;
  return strategicMerge(isObject(live) ? live : {}, patch, topology);
}

function mergeList(live: readonly Json[], patch: readonly Json[], topology: ListTopology): Json[] {
  if (topology.patch.kind === 'set') return [...live, ...without(patch, live)];
  if (topology.patch.kind === 'replace') return patch.map(withoutDirectivesDeep);
  const { key } = topology.patch;
  const items = patch.map((item) => asItem(item));
  if (items.some((item) => item[PATCH] === 'replace' && !(key in item))) {
    return items.filter((item) => item[PATCH] !== 'replace').map(withoutDirectivesDeep);
  }
  let result = [...live];
  for (const item of items) {
    const wanted = item[key];
    if (wanted === undefined) throw badRequest(`a list item of the patch does not contain the merge key ${key}`);
    const isSame = (other: Json) => isObject(other) && sameJson(other[key], wanted);
    if (item[PATCH] === 'delete') {
      result = result.filter((other) => !isSame(other));
      continue;
    }
    const at = result.findIndex(isSame);
    const merged = mergeValue(at < 0 ? {} : (result[at] ?? {}), item, topology.item);
    if (at < 0) result.push(merged);
    else result[at] = merged;
  }
  return result;
}

/** `order` names elements by key (or by value); the ones of the live list that it does not name stay about in place. */
function reorder(list: readonly Json[], order: readonly Json[], live: readonly Json[], topology: ListTopology): Json[] {
  const key = topology.patch.kind === 'key' ? topology.patch.key : undefined;
  const nameOf = (element: Json): Json | undefined => (key !== undefined && isObject(element) ? element[key] : element);
  const names = order.map(nameOf);
  const rank = (element: Json) => names.findIndex((name) => sameJson(name, nameOf(element)));
  const ordered = list.filter((element) => rank(element) >= 0).sort((a, b) => rank(a) - rank(b));
  const others = list.filter((element) => rank(element) < 0);
  return interleave(ordered, others, (element) => live.findIndex((other) => sameJson(nameOf(other), nameOf(element))));
}

const isDirective = (key: string) => key === PATCH || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER);

function without(list: readonly Json[], values: readonly Json[]): Json[] {
  return list.filter((element) => !values.some((value) => sameJson(value, element)));
}

function listAt(object: JsonObject, field: string): readonly Json[] {
  const value = object[field];
  return Array.isArray(value) ? value : [];
}

function listValue(directive: string, value: Json): readonly Json[] {
  if (Array.isArray(value)) return value;
  throw badRequest(`${directive} must be a list`);
}

function asItem(item: Json): JsonObject {
  if (isObject(item)) return item;
  throw badRequest('an item of a keyed list in the patch must be an object');
}

function retainOnly(object: JsonObject, keys: readonly Json[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
}

function withoutDirectives(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object)
      .filter(([key, value]) => value !== null && !isDirective(key) && !key.startsWith(DELETE_FROM_LIST))
      .map(([key, value]) => [key, withoutDirectivesDeep(value)]),
  );
}

function withoutDirectivesDeep(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutDirectivesDeep);
  return isObject(value) ? withoutDirectives(value) : value;
}
