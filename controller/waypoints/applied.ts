/** Whether an object has to be applied again: neither what we want of it nor what stands has changed. Pure. */
import { createHash } from 'node:crypto';
import type { KubeObject } from '../../mesh/index.ts';

/** What we last applied, so that a field that is not wanted any more is noticed; the API server then takes it away. */
export const APPLIED = 'ambit.io/applied';

export function withFingerprint(object: KubeObject): KubeObject {
  const fingerprint = createHash('sha256').update(JSON.stringify(object)).digest('hex').slice(0, 16);
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, [APPLIED]: fingerprint } } };
}

/** `wanted` with its fingerprint: it holds for what stands when every field of it does. Defaults of the API server may be added. */
export const isApplied = (present: KubeObject, wanted: KubeObject): boolean => holds(present, wanted);

function holds(present: unknown, wanted: unknown): boolean {
  if (typeof wanted !== 'object' || wanted === null) return present === wanted;
  if (typeof present !== 'object' || present === null) return false;
  if (!Array.isArray(wanted)) {
    return Object.entries(wanted).every(([key, value]) => holds((present as Record<string, unknown>)[key], value));
  }
  if (!Array.isArray(present)) return false;
  return wanted.every((item, index) => holds(counterpart(present, item, index), item));
}

/** Containers, variables and volumes are told apart by name, so that what others add among them does no harm. */
function counterpart(present: readonly unknown[], item: unknown, index: number): unknown {
  const nameOf = (value: unknown) => (value as { readonly name?: unknown } | null)?.name;
  const name = typeof item === 'object' ? nameOf(item) : undefined;
  if (name === undefined) return present[index];
  return present.find((other) => typeof other === 'object' && nameOf(other) === name);
}
