/** Of objects that are about the same, the oldest counts: which one that is. */
import type { KubeMetadata } from '../kube-object.ts';
import { text } from './read.ts';

/** What is told apart by its age. */
export type Aged = {
  /** `namespace/name`. */
  readonly key: string;
  /** RFC 3339, as `createdOf` has it. */
  readonly created: string;
};

/** After all times there are: an object without a creation time counts as the youngest. */
const NEVER_CREATED = '9999';

export function createdOf({ creationTimestamp }: Pick<KubeMetadata, 'creationTimestamp'>): string {
  return text(creationTimestamp) || NEVER_CREATED;
}

/** Of two of the same age, the first by name. */
export function isOlder(a: Aged, b: Aged): boolean {
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}

/** Of those that count. */
export function oldestOf<T extends Aged>(all: Iterable<T>, counts: (one: T) => boolean = () => true): T | undefined {
  let oldest: T | undefined;
  for (const one of all) if (counts(one) && (oldest === undefined || isOlder(one, oldest))) oldest = one;
  return oldest;
}
