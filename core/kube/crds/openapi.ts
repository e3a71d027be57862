/**
 * From a zod schema to the structural OpenAPI schema of a CRD, so that types, validation and what the API server
 * enforces have one source. Kubernetes' own words (`x-kubernetes-...`, `maxProperties`) ride along as zod metadata.
 */
import * as z from 'zod';

export type OpenApi = { readonly [word: string]: unknown };

/** A CEL rule, as the API server evaluates it. */
export type CelRule = { readonly rule: string; readonly message: string };

export const cel = (...rules: readonly CelRule[]) => ({ 'x-kubernetes-validations': rules });

/** Words of JSON Schema that zod writes and structural schemas do not have. */
const NOT_STRUCTURAL = new Set(['$schema', 'propertyNames']);

export function structuralSchema(schema: z.ZodType): OpenApi {
  const full = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input', // objects stay open: the API server prunes unknown fields, it does not refuse them
    override: ({ jsonSchema }) => {
      if (jsonSchema['x-kubernetes-int-or-string'] === true) {
        jsonSchema.anyOf = [{ type: 'integer' }, { type: 'string' }];
      }
    },
  });
  return clean(full) as OpenApi;
}

function clean(value: unknown, isMapOfFields = false): unknown {
  if (Array.isArray(value)) return value.map((item) => clean(item));
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([word]) => isMapOfFields || !NOT_STRUCTURAL.has(word));
  return Object.fromEntries(kept.map(([word, inner]) => [word, clean(inner, word === 'properties' && !isMapOfFields)]));
}
