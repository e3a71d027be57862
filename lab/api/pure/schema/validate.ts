/** Checks a value against a schema; messages in the form that kubectl users know. */
import { keyStep } from '../fields/field-set.ts';
import { sameJson } from '../fields/order.ts';
import { type Cause, type CauseReason, isObject, type Json, type JsonObject } from '../types.ts';
import { hasFormat } from './formats.ts';
import type { SchemaNode } from './node.ts';

/** Everything that is wrong with `value`, rules in CEL excepted. */
export function validateValue(value: Json, node: SchemaNode, path: string): Cause[] {
  if (value === null && node.nullable) return [];
  const wrongType = checkType(value, node, path);
  if (wrongType !== undefined) return [wrongType];
  return [
    ...checkAllowed(value, node, path),
    ...(typeof value === 'string' ? checkText(value, node, path) : []),
    ...(typeof value === 'number' ? checkNumber(value, node, path) : []),
    ...(Array.isArray(value) ? checkList(value, node, path) : []),
    ...(isObject(value) ? checkObject(value, node, path) : []),
    ...checkJunctions(value, node, path),
  ];
}

const cause = (reason: CauseReason, field: string, message: string): Cause => ({ reason, message, field });

/** A value as messages quote it: scalars as JSON, others by their type. */
export function quoted(value: Json): string {
  if (Array.isArray(value)) return '"array"';
  return isObject(value) ? '"object"' : JSON.stringify(value);
}

const invalidValue = (value: Json, path: string, why: string) =>
  cause('FieldValueInvalid', path, `Invalid value: ${quoted(value)}: ${why}`);

function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

function checkType(value: Json, node: SchemaNode, path: string): Cause | undefined {
  const actual = typeOf(value);
  const wanted = node.intOrString ? ['integer', 'string'] : node.type === undefined ? [] : [node.type];
  const fits = wanted.length === 0 || wanted.includes(actual) || (actual === 'integer' && node.type === 'number');
  if (fits && (value !== null || wanted.length === 0)) return undefined;
  const must = `${path} in body must be of type ${wanted.join(' or ')}: "${actual}"`;
  return cause('FieldValueTypeInvalid', path, `Invalid value: "${actual}": ${must}`);
}

function checkAllowed(value: Json, node: SchemaNode, path: string): Cause[] {
  const { allowed } = node;
  if (allowed === undefined || allowed.some((candidate) => sameJson(candidate, value))) return [];
  const supported = allowed.map((candidate) => JSON.stringify(candidate)).join(', ');
  const message = `Unsupported value: ${quoted(value)}: supported values: ${supported}`;
  return [cause('FieldValueNotSupported', path, message)];
}

function checkText(value: string, node: SchemaNode, path: string): Cause[] {
  const { minLength, maxLength } = node.limits;
  const length = [...value].length;
  const found: Cause[] = [];
  if (minLength !== undefined && length < minLength) {
    found.push(invalidValue(value, path, `${path} in body should be at least ${minLength} chars long`));
  }
  if (maxLength !== undefined && length > maxLength) {
    found.push(cause('FieldValueTooLong', path, `Too long: may not be more than ${maxLength} bytes`));
  }
  if (node.pattern !== undefined && !node.pattern.test(value)) {
    found.push(invalidValue(value, path, `${path} in body should match '${node.pattern.source}'`));
  }
  return [...found, ...checkFormat(value, node, path)];
}

function checkFormat(value: string | number, node: SchemaNode, path: string): Cause[] {
  if (node.format === undefined || hasFormat(value, node.format)) return [];
  return [invalidValue(value, path, `${path} in body must be of type ${node.format}: ${JSON.stringify(value)}`)];
}

function checkNumber(value: number, node: SchemaNode, path: string): Cause[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = node.limits;
  const found: Cause[] = [];
  if (minimum !== undefined && (value < minimum || (exclusiveMinimum && value === minimum))) {
    const bound = exclusiveMinimum ? 'greater than' : 'greater than or equal to';
    found.push(invalidValue(value, path, `${path} in body should be ${bound} ${minimum}`));
  }
  if (maximum !== undefined && (value > maximum || (exclusiveMaximum && value === maximum))) {
    const bound = exclusiveMaximum ? 'less than' : 'less than or equal to';
    found.push(invalidValue(value, path, `${path} in body should be ${bound} ${maximum}`));
  }
  if (multipleOf !== undefined && !Number.isInteger(value / multipleOf)) {
    found.push(invalidValue(value, path, `${path} in body should be a multiple of ${multipleOf}`));
  }
  return [...found, ...checkFormat(value, node, path)];
}

function checkList(value: readonly Json[], node: SchemaNode, path: string): Cause[] {
  const { minItems, maxItems, uniqueItems } = node.limits;
  const found: Cause[] = [];
  if (minItems !== undefined && value.length < minItems) {
    found.push(invalidValue([...value], path, `${path} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) {
    // Nothing inside is checked: a bound on items is there to bound the work.
    return [cause('FieldValueTooMany', path, `Too many: ${value.length}: must have at most ${maxItems} items`)];
  }
  const { items } = node;
  if (items !== undefined) found.push(...value.flatMap((item, i) => validateValue(item, items, `${path}[${i}]`)));
  const nameOf = node.listType === 'map' ? (item: Json) => itemName(item, node) : (item: Json) => JSON.stringify(item);
  if (node.listType !== 'atomic' || uniqueItems) found.push(...duplicates(value, nameOf, path));
  return found;
}

function itemName(item: Json, node: SchemaNode): string {
  if (!isObject(item)) return JSON.stringify(item);
  const keys: JsonObject = {};
  for (const key of node.listMapKeys) {
    const value = item[key] ?? node.items?.properties.get(key)?.default;
    if (value !== undefined) keys[key] = value;
  }
  return keyStep(keys).slice(2);
}

function duplicates(list: readonly Json[], nameOf: (item: Json) => string, path: string): Cause[] {
  const seen = new Set<string>();
  return list.flatMap((item, i) => {
    const name = nameOf(item);
    if (seen.has(name)) return [cause('FieldValueDuplicate', `${path}[${i}]`, `Duplicate value: ${name}`)];
    seen.add(name);
    return [];
  });
}

function checkObject(value: JsonObject, node: SchemaNode, path: string): Cause[] {
  const { minProperties, maxProperties } = node.limits;
  const size = Object.keys(value).length;
  const found: Cause[] = [];
  if (minProperties !== undefined && size < minProperties) {
    found.push(invalidValue(value, path, `${path} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && size > maxProperties) {
    const message = `Too many: ${size}: must have at most ${maxProperties} items`;
    return [cause('FieldValueTooMany', path, message)];
  }
  for (const name of node.required) {
    if (!Object.hasOwn(value, name)) found.push(cause('FieldValueRequired', join(path, name), 'Required value'));
  }
  for (const [key, part] of Object.entries(value)) {
    const schema = node.properties.get(key) ?? (typeof node.additional === 'object' ? node.additional : undefined);
    if (schema !== undefined) found.push(...validateValue(part, schema, join(path, key)));
  }
  return found;
}

/** The path of a part. */
export const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function checkJunctions(value: Json, node: SchemaNode, path: string): Cause[] {
  const holds = (part: SchemaNode) => validateValue(value, part, path).length === 0;
  const where = path === '' ? '<nil>' : path;
  const fails = (what: string) => [invalidValue(value, where, `"${path}" must ${what}`)];
  const found = node.allOf.flatMap((part) => validateValue(value, part, path));
  if (node.anyOf.length > 0 && !node.anyOf.some(holds)) found.push(...fails('validate at least one schema (anyOf)'));
  if (node.oneOf.length > 0) {
    const count = node.oneOf.filter(holds).length;
    const outcome = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`;
    if (count !== 1) found.push(...fails(`validate one and only one schema (oneOf). ${outcome}`));
  }
  if (node.not !== undefined && holds(node.not)) found.push(...fails('not validate the schema (not)'));
  return found;
}
