/** A structural schema, read once: what pruning, defaulting and validation then walk. */
import { CelError, compileRule, type Rule } from '../cel/index.ts';
import { compilePattern } from '../pattern.ts';
import { isObject, type Json, type JsonObject } from '../types.ts';

export type SchemaType = 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';

export type SchemaNode = {
  readonly type: SchemaType | undefined;
  readonly nullable: boolean;
  readonly intOrString: boolean;
  readonly preservesUnknown: boolean;
  /** A whole object of its own, with apiVersion, kind and metadata. */
  readonly isEmbedded: boolean;
  readonly default: Json | undefined;
  readonly properties: ReadonlyMap<string, SchemaNode>;
  /** Schema of keys that `properties` does not name; `any` when they may hold anything. */
  readonly additional: SchemaNode | 'any' | undefined;
  readonly items: SchemaNode | undefined;
  readonly required: readonly string[];
  readonly limits: Limits;
  readonly allowed: readonly Json[] | undefined;
  readonly pattern: RegExp | undefined;
  readonly format: string | undefined;
  readonly allOf: readonly SchemaNode[];
  readonly anyOf: readonly SchemaNode[];
  readonly oneOf: readonly SchemaNode[];
  readonly not: SchemaNode | undefined;
  readonly listType: 'atomic' | 'set' | 'map';
  readonly listMapKeys: readonly string[];
  readonly rules: readonly Rule[];
};

/** The bounds; a missing one does not apply. */
export type Limits = {
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum: boolean;
  readonly exclusiveMaximum: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
};

const TYPES: ReadonlySet<string> = new Set<SchemaType>(['object', 'array', 'string', 'integer', 'number', 'boolean']);

/**
 * Reads a schema. Rules and patterns that cannot be read are left out: `structuralProblems` refuses a definition that has
 * any, so only one that was stored without being checked can hold them.
 */
export function readSchema(schema: Json | undefined): SchemaNode {
  const s = isObject(schema) ? schema : {};
  const type = typeof s.type === 'string' && isType(s.type) ? s.type : undefined;
  return {
    type,
    nullable: s.nullable === true,
    intOrString: s['x-kubernetes-int-or-string'] === true,
    preservesUnknown: s['x-kubernetes-preserve-unknown-fields'] === true,
    isEmbedded: s['x-kubernetes-embedded-resource'] === true,
    default: s.default,
    properties: new Map(Object.entries(asObject(s.properties)).map(([name, part]) => [name, readSchema(part)])),
    additional: readAdditional(s.additionalProperties),
    items: isObject(s.items) ? readSchema(s.items) : undefined,
    required: strings(s.required),
    limits: readLimits(s),
    allowed: Array.isArray(s.enum) ? s.enum : undefined,
    pattern: typeof s.pattern === 'string' ? compilePattern(s.pattern) : undefined,
    format: typeof s.format === 'string' ? s.format : undefined,
    allOf: schemas(s.allOf),
    anyOf: schemas(s.anyOf),
    oneOf: schemas(s.oneOf),
    not: isObject(s.not) ? readSchema(s.not) : undefined,
    listType: listType(s['x-kubernetes-list-type']),
    listMapKeys: strings(s['x-kubernetes-list-map-keys']),
    rules: readRules(s['x-kubernetes-validations']),
  };
}

const isType = (type: string): type is SchemaType => TYPES.has(type);
const asObject = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});
const schemas = (value: Json | undefined) => (Array.isArray(value) ? value.map(readSchema) : []);
const strings = (value: Json | undefined) =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
const listType = (value: Json | undefined) => (value === 'set' || value === 'map' ? value : 'atomic');

function readAdditional(value: Json | undefined): SchemaNode['additional'] {
  if (isObject(value)) return readSchema(value);
  return value === true ? 'any' : undefined;
}

function readLimits(s: JsonObject): Limits {
  const limits: Record<string, number> = {};
  for (const name of [
    'minimum',
    'maximum',
    'multipleOf',
    'minLength',
    'maxLength',
    'minItems',
    'maxItems',
    'minProperties',
    'maxProperties',
  ]) {
    const value = s[name];
    if (typeof value === 'number') limits[name] = value;
  }
  return {
    ...limits,
    exclusiveMinimum: s.exclusiveMinimum === true,
    exclusiveMaximum: s.exclusiveMaximum === true,
    uniqueItems: s.uniqueItems === true,
  };
}

function readRules(value: Json | undefined): readonly Rule[] {
  return (Array.isArray(value) ? value : []).flatMap((validation) => {
    try {
      return [compileRule(validation)];
    } catch (error) {
      if (error instanceof CelError) return [];
      throw error;
    }
  });
}
