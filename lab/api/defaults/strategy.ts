/** What a kind adds to the common way of writing an object. */
import type { Admission } from '../admission/attempt.ts';
import type { Caller } from '../auth/caller.ts';
import type { ApiObject } from '../object.ts';
import type { Cause } from '../pure/index.ts';
import type { Registry } from '../resources/registry.ts';
import type { Store } from '../store/store.ts';

export type WriteContext = {
  readonly store: Store;
  readonly registry: Registry;
  readonly now: () => Date;
  readonly caller: Caller;
  /** Absent for what the server's own controllers write. */
  readonly admission?: Admission;
};

export type Strategy = {
  /**
   * Completes a private copy: defaults, and fields the server owns. `old` is the stored object on updates. Runs on every
   * write of the main resource; throws for what is refused as a whole.
   */
  readonly prepare?: (object: ApiObject, old: ApiObject | undefined, context: WriteContext) => void;
  /** The rules the completed object breaks; immutable fields are such rules, too. */
  readonly validate?: (object: ApiObject, old: ApiObject | undefined, context: WriteContext) => readonly Cause[];
};

export const required = (field: string, message = 'Required value'): Cause => ({
  reason: 'FieldValueRequired',
  field,
  message,
});
export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
});
export const forbiddenValue = (field: string, why: string): Cause => ({
  reason: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${why}`,
});
export const unsupportedValue = (field: string, value: unknown, supported: readonly string[]): Cause => ({
  reason: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((s) => `"${s}"`).join(', ')}`,
});
