/** Merge rules of a custom resource, from the marks in its schema (`x-kubernetes-list-type` and its kin). */
import { isObject, type Json, type JsonObject } from '../types.ts';
import { METADATA } from './builtin-topology.ts';
import {
  type ApplyKey,
  ATOMIC_LIST,
  applyKeyed,
  atomic,
  GRANULAR,
  type MapTopology,
  map,
  type Topology,
} from './topology.ts';

const cache = new WeakMap<JsonObject, MapTopology>();

/** The tree of a custom resource with this `openAPIV3Schema`. */
export function schemaTopology(schema: Json | undefined): MapTopology {
  if (!isObject(schema)) return map({ metadata: METADATA });
  const known = cache.get(schema);
  if (known !== undefined) return known;
  const root = fromSchema(schema);
  const topology = map({ ...(root.kind === 'map' ? root.fields : {}), metadata: METADATA });
  cache.set(schema, topology);
  return topology;
}

function fromSchema(schema: Json | undefined): Topology {
  if (!isObject(schema)) return GRANULAR;
  if (schema.type === 'array') return listFromSchema(schema);
  const properties = isObject(schema.properties) ? schema.properties : {};
  const fields = Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, fromSchema(part)]));
  if (schema['x-kubernetes-map-type'] === 'atomic') return atomic(fields);
  const rest = isObject(schema.additionalProperties) ? { rest: fromSchema(schema.additionalProperties) } : {};
  return { ...map(fields), ...rest };
}

function listFromSchema(schema: JsonObject): Topology {
  const item = fromSchema(schema.items);
  switch (schema['x-kubernetes-list-type']) {
    case 'map':
      return applyKeyed(keysOf(schema), item);
    case 'set':
      return { kind: 'list', item, patch: { kind: 'replace' }, apply: { kind: 'set' } };
    default:
      return ATOMIC_LIST;
  }
}

function keysOf(schema: JsonObject): ApplyKey[] {
  const names = schema['x-kubernetes-list-map-keys'];
  const items = isObject(schema.items) && isObject(schema.items.properties) ? schema.items.properties : {};
  return (Array.isArray(names) ? names : []).map((name): ApplyKey => {
    const property = items[String(name)];
    const fallback = isObject(property) ? property.default : undefined;
    const isScalar = typeof fallback === 'string' || typeof fallback === 'number' || typeof fallback === 'boolean';
    return { name: String(name), ...(isScalar ? { fallback } : {}) };
  });
}
