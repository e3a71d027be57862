/** The status of a Deployment: counts, and the two conditions that `kubectl rollout status` and `wait` read. */
import type { Condition, Deployment, ReplicaSet } from '../types.ts';
import { type DeploymentPlan, rollingBounds } from './deployment-plan.ts';
import { timestamp, withCondition } from './pods.ts';

export type DeploymentStatus = {
  readonly observedGeneration: number;
  readonly replicas: number;
  readonly updatedReplicas: number;
  readonly readyReplicas: number;
  readonly availableReplicas: number;
  readonly unavailableReplicas: number;
  readonly conditions: readonly Condition[];
};

export type StatusOutcome = {
  readonly status: DeploymentStatus;
  /** When the deadline for progress will have passed, if nothing moves until then. */
  readonly againMs: number | undefined;
};

/** `sets` are the ReplicaSets as they are now, `before` the status that the deployment has. */
export function deploymentStatus(deployment: Deployment, plan: DeploymentPlan, now: Date): StatusOutcome {
  const { replicas = 1 } = deployment.spec;
  const sets = [...plan.old, ...(plan.current === undefined ? [] : [plan.current])];
  const total = (count: (status: NonNullable<ReplicaSet['status']>) => number | undefined) =>
    sets.reduce((all, set) => all + ((set.status && count(set.status)) ?? 0), 0);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total((status) => status.replicas),
    updatedReplicas: plan.current?.status?.replicas ?? 0,
    readyReplicas: total((status) => status.readyReplicas),
    availableReplicas: total((status) => status.availableReplicas),
  };
  const unavailableReplicas = Math.max(0, replicas - counts.availableReplicas);
  const before = deployment.status?.conditions ?? [];
  const available = withCondition(before, availability(counts.availableReplicas, deployment), now);
  const progress = progressing(deployment, plan, { ...counts, unavailableReplicas }, now);
  const conditions = progress === undefined ? available : withCondition(available, progress, now);
  return { status: { ...counts, unavailableReplicas, conditions }, againMs: deadlineMs(deployment, conditions, now) };
}

function availability(available: number, deployment: Deployment): Condition {
  const wanted = (deployment.spec.replicas ?? 1) - rollingBounds(deployment).maxUnavailable;
  return available >= wanted
    ? {
        type: 'Available',
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

type Counts = Omit<DeploymentStatus, 'conditions'>;

/** The next Progressing condition, or undefined when it stays as it is. */
function progressing(deployment: Deployment, plan: DeploymentPlan, counts: Counts, now: Date): Condition | undefined {
  const { replicas = 1, paused = false } = deployment.spec;
  const status = deployment.status as Partial<Counts> | undefined;
  const known = (deployment.status?.conditions ?? []).find(({ type }) => type === 'Progressing');
  const name = plan.current?.metadata.name ?? '';
  const say = (value: string, reason: string, message: string): Condition => ({
    type: 'Progressing',
    status: value,
    reason,
    message,
    lastUpdateTime: timestamp(now),
  });
  if (paused) return say('Unknown', 'DeploymentPaused', 'Deployment is paused');
  const isComplete =
    plan.current !== undefined &&
    counts.updatedReplicas === replicas &&
    counts.replicas === replicas &&
    counts.availableReplicas === replicas;
  if (isComplete) {
    if (known?.reason === 'NewReplicaSetAvailable') return undefined;
    return say('True', 'NewReplicaSetAvailable', `ReplicaSet "${name}" has successfully progressed.`);
  }
  const hasMoved =
    known === undefined ||
    known.reason === 'DeploymentPaused' ||
    (status?.observedGeneration ?? 0) !== counts.observedGeneration ||
    counts.updatedReplicas > (status?.updatedReplicas ?? 0) ||
    counts.readyReplicas > (status?.readyReplicas ?? 0) ||
    counts.availableReplicas > (status?.availableReplicas ?? 0) ||
    counts.replicas - counts.updatedReplicas < (status?.replicas ?? 0) - (status?.updatedReplicas ?? 0);
  if (hasMoved) return say('True', 'ReplicaSetUpdated', `ReplicaSet "${name}" is progressing.`);
  if (known.reason === 'NewReplicaSetAvailable' || (deadlineMs(deployment, [known], now) ?? 1) > 0) return undefined;
  if (known.reason === 'ProgressDeadlineExceeded') return undefined;
  return say('False', 'ProgressDeadlineExceeded', `ReplicaSet "${name}" has timed out progressing.`);
}

/** Milliseconds until the deadline, 0 when it has passed, undefined when nothing is being waited for. */
function deadlineMs(deployment: Deployment, conditions: readonly Condition[], now: Date): number | undefined {
  const known = conditions.find(({ type }) => type === 'Progressing');
  const seconds = deployment.spec.progressDeadlineSeconds;
  const isWaiting = known?.reason === 'ReplicaSetUpdated' && deployment.spec.paused !== true;
  if (seconds === undefined || !isWaiting) return undefined;
  return Math.max(0, Date.parse(known.lastUpdateTime ?? '') + seconds * 1000 - now.getTime());
}
