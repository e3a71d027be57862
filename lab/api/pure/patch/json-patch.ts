/** RFC 6902 as Go clients know it: more forgiving about absent keys in two places (spec section 7). */
import { sameJson } from '../fields/order.ts';
import { ApiStatusError, badRequest } from '../status-error.ts';
import { isObject, type Json, setKey } from '../types.ts';

/** More than any client sends; a bound on work. */
const MAX_OPERATIONS = 10_000;

/**
 * Applies the operations in order to a copy. A `test` of null passes on an absent key, `replace` adds an absent key of an
 * object; a missing parent and a `remove` of nothing fail. Throws 400 for what is no patch and 422 for one that fails.
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch must be a list of operations');
  if (patch.length > MAX_OPERATIONS) throw badRequest(`a JSON patch may hold ${MAX_OPERATIONS} operations`);
  let document = structuredClone(target);
  for (const operation of patch) document = applyOperation(document, operation);
  return document;
}

function applyOperation(document: Json, operation: Json): Json {
  if (!isObject(operation)) throw badRequest('a JSON patch operation must be an object');
  const path = pointer(operation.path, 'path');
  switch (operation.op) {
    case 'test': {
      const actual = read(document, path);
      if (!sameJson(actual ?? null, orNull(operation.value))) throw failed(`testing value ${operation.path} failed`);
      return document;
    }
    case 'add':
      return write(document, path, structuredClone(orNull(operation.value)), 'add');
    case 'replace':
      return write(document, path, structuredClone(orNull(operation.value)), 'replace');
    case 'remove':
      return remove(document, path);
    case 'move': {
      const from = pointer(operation.from, 'from');
      const value = read(document, from);
      if (value === undefined) throw failed(`nothing to move at ${operation.from}`);
      return write(remove(document, from), path, value, 'add');
    }
    case 'copy': {
      const value = read(document, pointer(operation.from, 'from'));
      if (value === undefined) throw failed(`nothing to copy at ${operation.from}`);
      return write(document, path, structuredClone(value), 'add');
    }
    default:
      throw badRequest(`unexpected kind of JSON patch operation: ${JSON.stringify(operation.op ?? null)}`);
  }
}

const orNull = (value: Json | undefined): Json => value ?? null;

function pointer(text: Json | undefined, field: string): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) {
    throw badRequest(`a JSON patch operation needs a JSON pointer as ${field}`);
  }
  return text
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value, or undefined when only its last step is absent; a missing parent fails. */
function read(document: Json, path: readonly string[]): Json | undefined {
  const last = path.at(-1);
  if (last === undefined) return document;
  const parent = parentOf(document, path);
  if (!Array.isArray(parent)) return Object.hasOwn(parent, last) ? parent[last] : undefined;
  const value = parent[indexOf(parent, last, parent.length - 1)];
  return value;
}

function parentOf(document: Json, path: readonly string[]): Json[] | { [key: string]: Json } {
  let value: Json | undefined = document;
  for (const step of path.slice(0, -1)) value = child(value, step);
  if (Array.isArray(value) || isObject(value)) return value;
  throw failed(`the parent of /${path.join('/')} does not exist`);
}

function child(value: Json | undefined, step: string): Json | undefined {
  if (Array.isArray(value)) return value[indexOf(value, step, value.length - 1)];
  return isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
}

function indexOf(list: readonly Json[], step: string, last: number): number {
  const index = /^(0|[1-9]\d*)$/.test(step) ? Number(step) : -1;
  if (index < 0 || index > last) throw failed(`index ${step} is outside a list of ${list.length}`);
  return index;
}

function write(document: Json, path: readonly string[], value: Json, mode: 'add' | 'replace'): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = parentOf(document, path);
  if (!Array.isArray(parent)) {
    setKey(parent, last, value);
  } else if (mode === 'replace') {
    parent[indexOf(parent, last, parent.length - 1)] = value;
  } else {
    parent.splice(last === '-' ? parent.length : indexOf(parent, last, parent.length), 0, value);
  }
  return document;
}

function remove(document: Json, path: readonly string[]): Json {
  const last = path.at(-1);
  if (last === undefined) throw failed('the whole object cannot be removed');
  const parent = parentOf(document, path);
  if (Array.isArray(parent)) {
    parent.splice(indexOf(parent, last, parent.length - 1), 1);
  } else {
    if (!Object.hasOwn(parent, last)) throw failed(`nothing to remove at /${path.join('/')}`);
    delete parent[last];
  }
  return document;
}

function failed(why: string): ApiStatusError {
  return new ApiStatusError(422, 'Invalid', `the JSON patch cannot be applied: ${why}`);
}
