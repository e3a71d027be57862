/** A write that admission must agree to before it happens. */
import type { ApiObject } from '../object.ts';
import type { ResourceInfo } from '../pure/index.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE';

export type Attempt = {
  readonly operation: Operation;
  readonly info: ResourceInfo;
  /** '' for the object itself. */
  readonly subresource: string;
  /** What would be stored; absent for a DELETE. */
  readonly object: ApiObject | undefined;
  /** What is stored now; absent for a CREATE. */
  readonly old: ApiObject | undefined;
  readonly dryRun: boolean;
  /** Who would own the fields. */
  readonly manager?: string;
};

/** Carried by writes that come from clients. What the server's own controllers write is not asked about. */
export interface Admission {
  /** Returns when the write may happen. Throws what the way out of the handler needs to ask and then come again. */
  check(attempt: Attempt): void;
  /** A name made up for this request; the same each time the handler comes again. */
  generatedName(make: () => string): string;
}
