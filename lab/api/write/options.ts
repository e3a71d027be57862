/** What a write carries besides its object. */
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../pure/index.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export type WriteOptions = {
  /** Who owns the fields that this write changes. */
  readonly manager: string;
  readonly dryRun: boolean;
  readonly fieldValidation: FieldValidation;
};

export const INTERNAL_WRITE: WriteOptions = { manager: 'ambit-lab', dryRun: false, fieldValidation: 'Ignore' };

/** The only value there is for dry runs; anything else must not pass for "no". */
export function dryRunOf(values: readonly unknown[]): boolean {
  for (const value of values)
    if (value !== 'All') throw badRequest(`dryRun: invalid value "${String(value)}", supported: "All"`);
  return values.length > 0;
}

/** Reads the query; without `fieldManager` the name is the client's program, from its User-Agent (spec section 1). */
export function writeOptions(query: URLSearchParams, headers: IncomingHttpHeaders): WriteOptions {
  const program = (headers['user-agent'] ?? '').split('/', 1)[0]?.trim() ?? '';
  const validation = query.get('fieldValidation') ?? '';
  if (!['', 'Strict', 'Warn', 'Ignore'].includes(validation)) {
    throw badRequest(`fieldValidation: invalid value "${validation}", supported: "Ignore", "Warn", "Strict"`);
  }
  return {
    manager: (query.get('fieldManager') || program || 'unknown').slice(0, 128),
    dryRun: dryRunOf(query.getAll('dryRun')),
    // Upstream's default for clients that say nothing.
    fieldValidation: validation === '' ? 'Warn' : (validation as FieldValidation),
  };
}
