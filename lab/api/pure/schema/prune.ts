import { isObject, type Json } from '../types.ts';
import type { SchemaNode } from './node.ts';

const TYPE_AND_METADATA: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** The value without the fields that the schema does not know; their paths go to `unknown`. */
export function prune(value: Json, node: SchemaNode, path: string, unknown: string[]): Json {
  if (Array.isArray(value)) {
    const { items } = node;
    return items === undefined ? value : value.map((item, i) => prune(item, items, `${path}[${i}]`, unknown));
  }
  if (!isObject(value)) return value;
  const kept: [string, Json][] = [];
  for (const [key, part] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    const property = node.properties.get(key);
    const additional = node.additional;
    // Metadata is judged by its own rules, not by the schema.
    if (node.isEmbedded && TYPE_AND_METADATA.has(key)) kept.push([key, part]);
    else if (property !== undefined) kept.push([key, prune(part, property, at, unknown)]);
    else if (typeof additional === 'object') kept.push([key, prune(part, additional, at, unknown)]);
    else if (additional === 'any' || node.preservesUnknown) kept.push([key, part]);
    else unknown.push(at);
  }
  return Object.fromEntries(kept);
}
