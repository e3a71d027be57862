/** What a CustomResourceDefinition's schema must be like before objects can be pruned and defaulted by it. */
import { CelError, compileRule } from '../cel/index.ts';
import { compilePattern } from '../pattern.ts';
import { type Cause, isObject, type Json, type JsonObject } from '../types.ts';

/** Words that say what a value is; inside `allOf` and its kin only words that constrain it are allowed. */
const NOT_IN_JUNCTIONS = ['type', 'default', 'additionalProperties', 'nullable', 'description', 'title'] as const;
const JUNCTIONS = ['allOf', 'anyOf', 'oneOf'] as const;
const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean'];

/** Everything that keeps the schema from being structural, and patterns and rules that cannot be read. */
export function structuralProblems(schema: Json): Cause[] {
  const path = 'openAPIV3Schema';
  if (!isObject(schema)) return [required(path)];
  const problems = checkNode(schema, path);
  if (schema.type !== 'object') problems.push(invalidValue(`${path}.type`, schema.type, 'must be object at the root'));
  const { metadata } = isObject(schema.properties) ? schema.properties : {};
  const constrained = isObject(metadata) && isObject(metadata.properties) ? Object.keys(metadata.properties) : [];
  for (const name of constrained.filter((key) => key !== 'name' && key !== 'generateName')) {
    problems.push(
      forbidden(`${path}.properties[metadata].properties[${name}]`, 'only name and generateName may be constrained'),
    );
  }
  return problems;
}

const required = (field: string): Cause => ({
  reason: 'FieldValueRequired',
  message: 'Required value: must not be empty',
  field,
});
const forbidden = (field: string, why: string): Cause => ({
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${why}`,
  field,
});
const invalidValue = (field: string, value: Json | undefined, why: string): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value ?? null)}: ${why}`,
  field,
});

function checkNode(s: JsonObject, path: string): Cause[] {
  const problems: Cause[] = [];
  const anyType = s['x-kubernetes-int-or-string'] === true || s['x-kubernetes-preserve-unknown-fields'] === true;
  if (s.type === undefined || s.type === '') {
    if (!anyType) problems.push(required(`${path}.type`));
  } else if (!TYPES.includes(String(s.type))) {
    problems.push(invalidValue(`${path}.type`, s.type, `must be one of ${TYPES.join(', ')}`));
  }
  if (s.properties !== undefined && s.additionalProperties !== undefined && s.additionalProperties !== false) {
    problems.push(
      forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'),
    );
  }
  problems.push(...checkWords(s, path), ...checkListType(s, path), ...checkParts(s, path, checkNode));
  return [...problems, ...checkJunctions(s, path)];
}

/** Patterns and rules must be readable; what cannot be referred to here is refused. */
function checkWords(s: JsonObject, path: string): Cause[] {
  const problems: Cause[] = [];
  if (typeof s.pattern === 'string' && compilePattern(s.pattern) === undefined) {
    problems.push(invalidValue(`${path}.pattern`, s.pattern, 'must be a valid regular expression'));
  }
  if (s.$ref !== undefined) problems.push(forbidden(`${path}.$ref`, '$ref is not supported'));
  if (s.uniqueItems === true) problems.push(forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true'));
  const rules = s['x-kubernetes-validations'];
  for (const [i, rule] of (Array.isArray(rules) ? rules : []).entries()) {
    try {
      compileRule(rule);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      const text = isObject(rule) ? rule.rule : rule;
      const field = `${path}.x-kubernetes-validations[${i}].rule`;
      problems.push(invalidValue(field, text, `compilation failed: ${error.message}`));
    }
  }
  return problems;
}

function checkListType(s: JsonObject, path: string): Cause[] {
  if (s['x-kubernetes-list-type'] !== 'map') return [];
  const keys = s['x-kubernetes-list-map-keys'];
  if (!Array.isArray(keys) || keys.length === 0) return [required(`${path}.x-kubernetes-list-map-keys`)];
  const properties = isObject(s.items) && isObject(s.items.properties) ? s.items.properties : {};
  return keys
    .filter((key) => typeof key !== 'string' || !Object.hasOwn(properties, key))
    .map((key) => invalidValue(`${path}.x-kubernetes-list-map-keys`, key, 'must name a property of the items'));
}

type Check = (s: JsonObject, path: string) => Cause[];

function checkParts(s: JsonObject, path: string, check: Check): Cause[] {
  const properties = isObject(s.properties) ? Object.entries(s.properties) : [];
  const problems = properties.flatMap(([name, part]) => {
    const at = `${path}.properties[${name}]`;
    return isObject(part) ? check(part, at) : [required(at)];
  });
  if (s.items !== undefined) {
    problems.push(
      ...(isObject(s.items) ? check(s.items, `${path}.items`) : [forbidden(`${path}.items`, 'must be one schema')]),
    );
  } else if (s.type === 'array' && check === checkNode) {
    problems.push(required(`${path}.items`));
  }
  if (isObject(s.additionalProperties)) problems.push(...check(s.additionalProperties, `${path}.additionalProperties`));
  return problems;
}

function checkJunctions(s: JsonObject, path: string): Cause[] {
  const problems = JUNCTIONS.flatMap((word) => {
    const parts = s[word];
    return (Array.isArray(parts) ? parts : []).flatMap((part, i) => checkConstraint(part, `${path}.${word}[${i}]`, s));
  });
  return s.not === undefined ? problems : [...problems, ...checkConstraint(s.not, `${path}.not`, s)];
}

/** Inside a junction; int-or-string is the one place where types are allowed: `anyOf: [integer, string]`. */
function checkConstraint(part: Json, path: string, owner?: JsonObject): Cause[] {
  if (!isObject(part)) return [required(path)];
  const isIntOrString = owner?.['x-kubernetes-int-or-string'] === true;
  const words = NOT_IN_JUNCTIONS.filter((word) => part[word] !== undefined && !(word === 'type' && isIntOrString));
  const extensions = Object.keys(part).filter((word) => word.startsWith('x-kubernetes-'));
  return [
    ...[...words, ...extensions].map((word) => forbidden(`${path}.${word}`, 'must be empty to be structural')),
    ...checkParts(part, path, (inner, at) => checkConstraint(inner, at)),
    ...checkJunctions(part, path),
  ];
}
