/** The fields of built-in kinds, from the same tables that decode protobuf: what they don't name is unknown. */
import type { ApiObject } from '../object.ts';
import { apiVersionOf, badRequest, isObject, type Json, type JsonObject, type ResourceInfo } from '../pure/index.ts';
import { fieldsOf } from '../pure/protobuf/decode.ts';
import type { Lookup } from '../pure/protobuf/decode-object.ts';
import type { Field, Message, ScalarCode } from '../pure/protobuf/field-table.ts';

export type Pruned = { readonly object: Json; readonly unknown: readonly string[] };

const TOP_LEVEL = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);
/** What the tables can't hold, as it never comes as protobuf: it is written in JSON and read by us. */
const JSON_ONLY: Readonly<Record<string, readonly string[]>> = { Secret: ['stringData'], Status: [] };
const named = new WeakMap<Message, ReadonlyMap<string, Field>>();

/** Fields by JSON name, with those of embedded messages. */
function byName(message: Message, lookup: Lookup): ReadonlyMap<string, Field> {
  let fields = named.get(message);
  if (fields === undefined) {
    const all = new Map<string, Field>();
    for (const field of message.values()) {
      if (field.shape !== 'inline') all.set(field.name, field);
      else if (field.type.kind === 'message')
        for (const [name, f] of byName(lookup(field.type.name), lookup)) all.set(name, f);
    }
    fields = all;
    named.set(message, fields);
  }
  return fields;
}

/** A copy without unknown fields and without nulls, which mean absent. Throws 400 for a value of the wrong type. */
export function dropUnknown(info: ResourceInfo, object: ApiObject): Pruned {
  const fields = fieldsOf(apiVersionOf(info), info.kind);
  const unknown: string[] = [];
  if (fields === undefined) {
    const kept: JsonObject = {};
    for (const [key, value] of Object.entries(object)) {
      if (TOP_LEVEL.has(key)) kept[key] = value;
      else unknown.push(key);
    }
    return { object: kept, unknown };
  }
  const wrongType = (path: string, wanted: string): never => {
    const what = `${info.kind} in version "${info.version}" cannot be handled as a ${info.kind}`;
    throw badRequest(`${what}: ${path} must be ${wanted}`);
  };
  const { apiVersion, kind, ...rest } = object;
  const extra: JsonObject = {};
  for (const key of JSON_ONLY[info.kind] ?? []) {
    const value = rest[key];
    if (value !== undefined) extra[key] = value;
    delete rest[key];
  }
  const walker = new Walker(fields.lookup, unknown, wrongType);
  return { object: { apiVersion, kind, ...walker.message(rest, fields.message, ''), ...extra }, unknown };
}

class Walker {
  readonly #lookup: Lookup;
  readonly #unknown: string[];
  readonly #wrongType: (path: string, wanted: string) => never;

  constructor(lookup: Lookup, unknown: string[], wrongType: (path: string, wanted: string) => never) {
    this.#lookup = lookup;
    this.#unknown = unknown;
    this.#wrongType = wrongType;
  }

  message(object: JsonObject, message: Message, path: string): JsonObject {
    const fields = byName(message, this.#lookup);
    const kept: JsonObject = {};
    for (const [key, value] of Object.entries(object)) {
      const here = path === '' ? key : `${path}.${key}`;
      const field = fields.get(key);
      if (field === undefined) {
        // Historic names that clients still send and the server drops without a word.
        if (here !== 'metadata.selfLink') this.#unknown.push(here);
      } else if (value !== null) kept[key] = this.#field(value, field, here);
    }
    return kept;
  }

  #field(value: Json, field: Field, path: string): Json {
    if (field.shape === 'list') {
      if (!Array.isArray(value)) return this.#wrongType(path, 'a list');
      return value.map((item, i) => this.#value(item, field, `${path}[${i}]`));
    }
    if (field.shape === 'map') {
      if (!isObject(value)) return this.#wrongType(path, 'an object');
      const entries = Object.entries(value).map(([key, item]) => [key, this.#value(item, field, `${path}.${key}`)]);
      return Object.fromEntries(entries) as JsonObject;
    }
    return this.#value(value, field, path);
  }

  #value(value: Json, field: Field, path: string): Json {
    const { type } = field;
    switch (type.kind) {
      case 'scalar':
        return this.#scalar(value, type.code, path);
      case 'strings':
        return Array.isArray(value) && value.every((v) => typeof v === 'string')
          ? value
          : this.#wrongType(path, 'a list of strings');
      case 'message':
        return isObject(value)
          ? this.message(value, this.#lookup(type.name), path)
          : this.#wrongType(path, 'an object');
      default:
        return type satisfies never;
    }
  }

  #scalar(value: Json, code: ScalarCode, path: string): Json {
    switch (code) {
      case 's':
      case 'y':
      case 'T':
      case 'U':
      case 'D':
        return typeof value === 'string' ? value : this.#wrongType(path, 'a string');
      case 'b':
        return typeof value === 'boolean' ? value : this.#wrongType(path, 'a boolean');
      case 'i':
        return Number.isInteger(value) ? value : this.#wrongType(path, 'a whole number');
      case 'd':
        return typeof value === 'number' ? value : this.#wrongType(path, 'a number');
      case 'O':
        return typeof value === 'string' || Number.isInteger(value)
          ? value
          : this.#wrongType(path, 'a whole number or a string');
      case 'Q':
        // A bare number is a quantity, too, and is kept as text.
        if (typeof value === 'number') return String(value);
        return typeof value === 'string' ? value : this.#wrongType(path, 'a quantity');
      case 'R':
        return value;
      default:
        return code satisfies never;
    }
  }
}
