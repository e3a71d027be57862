/** Unknown and repeated fields, answered as the client's `fieldValidation` asks. */
import type { ApiObject } from '../object.ts';
import { badRequest, type ResourceInfo } from '../pure/index.ts';
import type { Registry } from '../resources/registry.ts';
import { dropUnknown } from './known-fields.ts';
import type { FieldValidation } from './options.ts';

export type Checked = { readonly object: ApiObject; readonly warnings: readonly string[] };

/** Prunes what the type does not know. Strict: throws 400 naming every field; Warn: returns warnings; Ignore: silent. */
export function checkFields(
  registry: Registry,
  info: ResourceInfo,
  object: ApiObject,
  duplicates: readonly string[],
  validation: FieldValidation,
): Checked {
  const schema = registry.schemaOf(info);
  const pruned = schema === undefined ? dropUnknown(info, object) : schema.prune(object, true);
  const problems = [
    ...duplicates.map((field) => `duplicate field "${field}"`),
    ...pruned.unknown.map((field) => `unknown field "${field}"`),
  ];
  if (validation === 'Strict' && problems.length > 0) {
    throw badRequest(`strict decoding error: ${problems.join(', ')}`);
  }
  return { object: pruned.object as ApiObject, warnings: validation === 'Warn' ? problems : [] };
}
