import { isObject, type Json, type JsonObject, setKey } from '../types.ts';
import type { SchemaNode } from './node.ts';

/**
 * The value with defaults filled in. A null where the schema does not allow one counts as absent: it becomes the default,
 * or goes.
 */
export function applyDefaults(value: Json, node: SchemaNode): Json {
  if (Array.isArray(value)) {
    const { items } = node;
    return items === undefined ? value : value.map((item) => applyDefaults(item, items));
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, part] of Object.entries(value)) {
    const schema = node.properties.get(key) ?? (typeof node.additional === 'object' ? node.additional : undefined);
    if (schema === undefined) setKey(result, key, part);
    else if (part !== null || schema.nullable) setKey(result, key, applyDefaults(part, schema));
    else if (schema.preservesUnknown && schema.type === undefined) result[key] = part;
  }
  for (const [key, schema] of node.properties) {
    if (schema.default !== undefined && !Object.hasOwn(result, key)) {
      result[key] = applyDefaults(structuredClone(schema.default), schema);
    }
  }
  return result;
}
