import { type Cause, isObject, type Json } from '../types.ts';
import { applyDefaults } from './defaults.ts';
import { readSchema } from './node.ts';
import { prune } from './prune.ts';
import { checkRules } from './rules.ts';
import { validateValue } from './validate.ts';

/** What a write of a custom resource goes through; in this order (spec section 14). */
export type CompiledSchema = {
  /** Takes unknown fields out. With `strict`, their paths are listed, for the error of strict field validation. */
  prune(object: Json, strict: boolean): { object: Json; unknown: string[] };
  /** Fills in defaults and drops nulls that may not be. */
  default(object: Json): Json;
  /** Everything that is wrong; `old` is the object before an update, for rules that compare. */
  validate(object: Json, old?: Json): Cause[];
};

/** Compiles the `openAPIV3Schema` of one version; keep the result, it is not cheap to make. */
export function compileSchema(schema: Json): CompiledSchema {
  const read = readSchema(schema);
  const root = { ...read, isEmbedded: true };
  return {
    prune(object, strict) {
      const unknown: string[] = [];
      const pruned = prune(object, root, '', unknown);
      return { object: pruned, unknown: strict ? unknown : [] };
    },
    default: (object) => applyDefaults(object, root),
    validate(object, old) {
      if (!isObject(object)) return [{ reason: 'FieldValueTypeInvalid', message: 'must be an object', field: '<nil>' }];
      const problems = validateValue(object, root, '');
      // Rules may rely on what the schema promises, so they run only where it holds.
      return problems.length > 0 ? problems : checkRules(object, old, root, '');
    },
  };
}
