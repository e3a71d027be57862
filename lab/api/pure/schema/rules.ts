/** Runs the CEL rules of a schema over a value that is otherwise valid. */
import { type Cause, isObject, type Json } from '../types.ts';
import type { SchemaNode } from './node.ts';
import { join, quoted } from './validate.ts';

/** What the rules object to. Transition rules run where there is an old value to compare with. */
export function checkRules(value: Json, old: Json | undefined, node: SchemaNode, path: string): Cause[] {
  if (!hasRules(node) || value === null) return [];
  const own = node.rules.flatMap((rule): Cause[] => {
    if (rule.isTransition && old === undefined) return [];
    const message = rule.check(value, old);
    if (message === undefined) return [];
    const field = path === '' ? '<nil>' : path;
    return [{ reason: 'FieldValueInvalid', message: `Invalid value: ${quoted(value)}: ${message}`, field }];
  });
  return [...own, ...checkParts(value, old, node, path)];
}

function checkParts(value: Json, old: Json | undefined, node: SchemaNode, path: string): Cause[] {
  if (Array.isArray(value)) {
    const { items } = node;
    if (items === undefined) return [];
    return value.flatMap((item, i) => checkRules(item, formerItem(item, old, node), items, `${path}[${i}]`));
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, part]) => {
    const schema = node.properties.get(key) ?? (typeof node.additional === 'object' ? node.additional : undefined);
    const former = isObject(old) && Object.hasOwn(old, key) ? old[key] : undefined;
    return schema === undefined ? [] : checkRules(part, former, schema, join(path, key));
  });
}

/** Only items of keyed lists can be told to be the same as before. */
function formerItem(item: Json, old: Json | undefined, node: SchemaNode): Json | undefined {
  if (node.listType !== 'map' || !Array.isArray(old) || !isObject(item)) return undefined;
  return old.find((other) => isObject(other) && node.listMapKeys.every((key) => other[key] === item[key]));
}

const withRules = new WeakMap<SchemaNode, boolean>();

/** Most parts of a schema have no rule beneath; they are not walked. */
function hasRules(node: SchemaNode): boolean {
  const known = withRules.get(node);
  if (known !== undefined) return known;
  const parts = [...node.properties.values(), node.additional, node.items];
  const result = node.rules.length > 0 || parts.some((part) => typeof part === 'object' && hasRules(part));
  withRules.set(node, result);
  return result;
}
