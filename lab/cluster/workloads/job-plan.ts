/** What a Job needs next. Pure. */
import type { Condition, Job, JobStatus, Pod } from '../types.ts';
import { isFinished, isGoing, isPodReady, timestamp } from './pods.ts';

export type JobPlan = {
  readonly create: number;
  readonly remove: readonly Pod[];
  readonly status: JobStatus;
  /** When to look again: a back-off, a deadline, or the end of its time to live. */
  readonly againMs: number | undefined;
  /** Its time after finishing is over. */
  readonly isExpired: boolean;
};

const FIRST_BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 360_000;

/** `pods` are those that the job controls; failed ones stay as the record of the attempts. */
export function planJob(job: Job, pods: readonly Pod[], now: Date): JobPlan {
  const { completions, parallelism = 1, backoffLimit = 6, suspend = false, activeDeadlineSeconds } = job.spec;
  const live = pods.filter((pod) => !isFinished(pod) && !isGoing(pod));
  const succeeded = pods.filter((pod) => pod.status?.phase === 'Succeeded').length;
  const failed = pods.filter((pod) => pod.status?.phase === 'Failed').length;
  const startTime = job.status?.startTime ?? timestamp(now);
  const counts: JobStatus = {
    active: live.length,
    ready: live.filter(isPodReady).length,
    succeeded,
    failed,
    startTime,
  };
  const ended = endOf(job);
  if (ended !== undefined) return afterEnd(job, ended, live, now);
  if (job.metadata.deletionTimestamp !== undefined || suspend) {
    const remove = suspend ? live : [];
    return { create: 0, remove, status: counts, againMs: undefined, isExpired: false };
  }
  const deadlineMs =
    activeDeadlineSeconds === undefined
      ? undefined
      : Date.parse(startTime) + activeDeadlineSeconds * 1000 - now.getTime();
  const wanted = completions ?? 1;
  const end = (condition: Condition, remove: readonly Pod[]): JobPlan => ({
    create: 0,
    remove,
    status: {
      ...counts,
      active: live.length - remove.length,
      conditions: [{ ...condition, lastTransitionTime: timestamp(now) }],
      ...(condition.type === 'Complete' ? { completionTime: timestamp(now) } : {}),
    },
    againMs: 1,
    isExpired: false,
  });
  if (succeeded >= wanted) return end({ type: 'Complete', status: 'True', reason: 'CompletionsReached' }, live);
  if (failed > backoffLimit) {
    const message = 'Job has reached the specified backoff limit';
    return end({ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message }, live);
  }
  if (deadlineMs !== undefined && deadlineMs <= 0) {
    const message = 'Job was active longer than specified deadline';
    return end({ type: 'Failed', status: 'True', reason: 'DeadlineExceeded', message }, live);
  }
  const backoffMs = backoffLeftMs(pods, failed, now);
  const going = pods.filter(isGoing).length;
  const room = Math.min(parallelism, wanted - succeeded) - live.length - going;
  return {
    create: backoffMs > 0 ? 0 : Math.max(0, room),
    remove: room < 0 ? live.slice(room) : [],
    status: counts,
    againMs: soonest(backoffMs > 0 ? backoffMs : undefined, deadlineMs),
    isExpired: false,
  };
}

const endOf = (job: Job): Condition | undefined =>
  (job.status?.conditions ?? []).find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  );

function afterEnd(job: Job, ended: Condition, live: readonly Pod[], now: Date): JobPlan {
  const ttl = job.spec.ttlSecondsAfterFinished;
  const leftMs =
    ttl === undefined ? undefined : Date.parse(ended.lastTransitionTime ?? '') + ttl * 1000 - now.getTime();
  const status = { ...job.status, active: live.length, ready: 0 };
  return {
    create: 0,
    remove: live,
    status,
    againMs: leftMs === undefined ? undefined : Math.max(1, leftMs),
    isExpired: leftMs !== undefined && leftMs <= 0,
  };
}

/** Each failure doubles the wait before the next attempt, counted from the last failure. */
function backoffLeftMs(pods: readonly Pod[], failed: number, now: Date): number {
  if (failed === 0) return 0;
  const last = Math.max(
    ...pods.filter((pod) => pod.status?.phase === 'Failed').map((pod) => endedAt(pod) ?? now.getTime()),
  );
  return last + Math.min(FIRST_BACKOFF_MS * 2 ** (failed - 1), MAX_BACKOFF_MS) - now.getTime();
}

function endedAt(pod: Pod): number | undefined {
  const times = (pod.status?.conditions ?? []).map(({ lastTransitionTime }) => Date.parse(lastTransitionTime ?? ''));
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length === 0 ? undefined : Math.max(...known);
}

const soonest = (...times: readonly (number | undefined)[]): number | undefined => {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
};
