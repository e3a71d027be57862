/**
 * Schemas of the built-in kinds, from the tables that also decode protobuf, with the merge keys that patches here follow.
 * All of both or nothing: a schema that lacks some merge keys makes kubectl compute wrong patches (spec section 4).
 */

import { builtinTopology } from '../pure/fields/builtin-topology.ts';
import { type Topology, under } from '../pure/fields/topology.ts';
import { isObject, type Json, type JsonObject, type ResourceInfo } from '../pure/index.ts';
import { fieldsOf } from '../pure/protobuf/decode.ts';
import type { Lookup } from '../pure/protobuf/decode-object.ts';
import type { Field, FieldType, Message, ScalarCode } from '../pure/protobuf/field-table.ts';
import { KIND_DESCRIPTIONS } from './descriptions.ts';

const MERGE_KEY = 'x-kubernetes-patch-merge-key';
const STRATEGY = 'x-kubernetes-patch-strategy';
/** Unions whose unset members must go when another is set (k8s.io/api, patchStrategy tags). */
const RETAIN_KEYS = new Set(['DeploymentSpec.strategy', 'PodSpec.volumes', 'PodSpec.resourceClaims']);

const SCALARS: Readonly<Record<ScalarCode, JsonObject>> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i: { type: 'integer' },
  d: { type: 'number' },
  y: { type: 'string', format: 'byte' },
  Q: { type: 'string' },
  R: { type: 'object' },
  T: { type: 'string', format: 'date-time' },
  U: { type: 'string', format: 'date-time' },
  D: { type: 'string' },
  O: { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] },
};

/** Adds the schema of a kind, and of every part it has, to `schemas`; nothing for a kind that is not in the tables. */
export function addBuiltinSchema(info: ResourceInfo, apiVersion: string, schemas: JsonObject): void {
  const root = fieldsOf(apiVersion, info.kind);
  if (root === undefined) return;
  const builder = new Builder(`${info.group === '' ? 'core' : info.group}.${info.version}`, root.lookup, schemas);
  const name = builder.add(info.kind, root.message);
  builder.mark(info.kind, root.message, builtinTopology(info.group, info.kind));
  const own = schemas[name];
  if (!isObject(own)) return;
  const { group, version, kind } = info;
  own['x-kubernetes-group-version-kind'] = [{ group, version, kind }];
  own['description'] = KIND_DESCRIPTIONS[kind] ?? '';
  const type = { type: 'string' };
  own['properties'] = { apiVersion: type, kind: type, ...(isObject(own['properties']) ? own['properties'] : {}) };
}

class Builder {
  readonly #prefix: string;
  readonly #lookup: Lookup;
  readonly #schemas: JsonObject;
  readonly #marked = new Map<Topology, Set<string>>();

  constructor(prefix: string, lookup: Lookup, schemas: JsonObject) {
    this.#prefix = prefix;
    this.#lookup = lookup;
    this.#schemas = schemas;
  }

  /** Writes the message's schema and those it refers to; returns its name. */
  add(name: string, message: Message): string {
    const full = `${this.#prefix}.${name}`;
    if (this.#schemas[full] !== undefined) return full;
    const properties: JsonObject = {};
    this.#schemas[full] = { type: 'object', properties }; // before its parts: some refer back to it
    for (const field of this.#fields(message)) {
      const value = this.#type(field.type);
      properties[field.name] =
        field.shape === 'list'
          ? { type: 'array', items: value }
          : field.shape === 'map'
            ? { type: 'object', additionalProperties: value }
            : value;
    }
    return full;
  }

  /** Puts the merge keys of a kind where its lists are. A list without one is replaced whole, here and in kubectl. */
  mark(name: string, message: Message, topology: Topology): void {
    const known = this.#marked.get(topology) ?? new Set();
    if (known.has(name)) return;
    this.#marked.set(topology, known.add(name));
    for (const field of this.#fields(message)) {
      const part = under(topology, field.name);
      this.#markField(`${name}.${field.name}`, this.#property(name, field.name), part);
      if (field.type.kind === 'message') {
        const item = part.kind === 'list' ? part.item : part;
        this.mark(field.type.name, this.#lookup(field.type.name), item);
      }
    }
  }

  #markField(place: string, property: Json | undefined, part: Topology): void {
    if (!isObject(property)) return;
    const strategies: string[] = [];
    if (part.kind === 'list' && part.patch.kind !== 'replace') {
      strategies.push('merge');
      if (part.patch.kind === 'key') property[MERGE_KEY] = part.patch.key;
    }
    if (RETAIN_KEYS.has(place)) strategies.push('retainKeys');
    if (strategies.length > 0) property[STRATEGY] = strategies.join(',');
  }

  #property(name: string, field: string): Json | undefined {
    const schema = this.#schemas[`${this.#prefix}.${name}`];
    const properties = isObject(schema) ? schema['properties'] : undefined;
    return isObject(properties) ? properties[field] : undefined;
  }

  /** The message's fields, with those of messages that JSON writes inline. */
  *#fields(message: Message): Generator<Field> {
    for (const field of message.values()) {
      if (field.shape !== 'inline') yield field;
      else if (field.type.kind === 'message') yield* this.#fields(this.#lookup(field.type.name));
    }
  }

  #type(type: FieldType): JsonObject {
    switch (type.kind) {
      case 'scalar':
        return { ...SCALARS[type.code] };
      case 'strings':
        return { type: 'array', items: { type: 'string' } };
      case 'message':
        // The reference stands in a list of one, so that marks can stand beside it.
        return { allOf: [{ $ref: `#/components/schemas/${this.add(type.name, this.#lookup(type.name))}` }] };
      default:
        return type satisfies never;
    }
  }
}
