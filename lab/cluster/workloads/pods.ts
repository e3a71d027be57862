/** What workload controllers ask of pods. */
import { createHash } from 'node:crypto';
import type { Condition, IntOrPercent, Pod, PodTemplate } from '../types.ts';

/** RFC 3339 in UTC seconds. */
export const timestamp = (at: Date): string => `${at.toISOString().slice(0, 19)}Z`;

export const isGoing = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;
export const isFinished = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
/** Counts for its controller: neither finished nor on its way out. */
export const isActive = (pod: Pod): boolean => !isFinished(pod) && !isGoing(pod);

const readyCondition = (pod: Pod): Condition | undefined =>
  (pod.status?.conditions ?? []).find(({ type }) => type === 'Ready');

export const isPodReady = (pod: Pod): boolean => readyCondition(pod)?.status === 'True';

/** Milliseconds until the pod counts as available: 0 when it does, undefined while it is not ready. */
function availableInMs(pod: Pod, minReadySeconds: number, now: Date): number | undefined {
  const ready = readyCondition(pod);
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(ready.lastTransitionTime ?? '');
  return Number.isNaN(since) ? 0 : Math.max(0, since + minReadySeconds * 1000 - now.getTime());
}

export const isAvailable = (pod: Pod, minReadySeconds: number, now: Date): boolean =>
  availableInMs(pod, minReadySeconds, now) === 0;

/** The soonest moment at which a ready pod becomes available, in milliseconds; undefined when none waits for that. */
export function nextAvailableMs(pods: readonly Pod[], minReadySeconds: number, now: Date): number | undefined {
  const waits = pods.map((pod) => availableInMs(pod, minReadySeconds, now) ?? 0).filter((ms) => ms > 0);
  return waits.length === 0 ? undefined : Math.min(...waits);
}

/** The best ones to delete first: without a node, not running, not ready, and then the youngest. */
export function byDispensability(a: Pod, b: Pod): number {
  return (
    Number(Boolean(a.spec.nodeName)) - Number(Boolean(b.spec.nodeName)) ||
    Number(a.status?.phase === 'Running') - Number(b.status?.phase === 'Running') ||
    Number(isPodReady(a)) - Number(isPodReady(b)) ||
    (b.metadata.creationTimestamp ?? '').localeCompare(a.metadata.creationTimestamp ?? '') ||
    b.metadata.name.localeCompare(a.metadata.name)
  );
}

/** Letters that make no words and no numbers. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** Ten letters that stand for a template, whatever the order of its keys. */
export function templateHash(template: PodTemplate): string {
  const digest = createHash('sha256').update(canonical(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => SAFE[byte % SAFE.length]).join('');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${canonical(part)}`).join(',')}}`;
}

/** The template with these labels besides its own. */
export function withLabels(template: PodTemplate, labels: Readonly<Record<string, string>>): PodTemplate {
  return { ...template, metadata: { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } } };
}

/** `25%` of a number, rounded as asked, or the number itself. */
export function resolveCount(
  value: IntOrPercent | undefined,
  of: number,
  round: 'up' | 'down',
  otherwise: number,
): number {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value ?? '');
  if (!percent) return otherwise;
  const exact = (Number(percent[1]) * of) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}

/** The conditions with this one set; its transition time moves only when its status does. */
export function withCondition(conditions: readonly Condition[], next: Condition, now: Date): readonly Condition[] {
  const known = conditions.find(({ type }) => type === next.type);
  if (known !== undefined && known.status === next.status && known.reason === next.reason) {
    return conditions.map((condition) => (condition === known ? { ...known, ...next } : condition));
  }
  const moved = known?.status === next.status ? known.lastTransitionTime : undefined;
  const set = { ...next, lastTransitionTime: moved ?? timestamp(now) };
  return [...conditions.filter((condition) => condition !== known), set];
}
