import type { KubeObject } from '../../mesh/index.ts';

type WorkloadStatus = {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
  readonly desiredNumberScheduled?: number;
  readonly updatedNumberScheduled?: number;
  readonly numberAvailable?: number;
};

export type Readiness = {
  readonly ready: number;
  readonly wanted: number;
  readonly upToDate: number;
  readonly complete: boolean;
};

/** How far a Deployment or DaemonSet has come; `complete` as `kubectl rollout status` judges it. */
export function readiness(object: KubeObject): Readiness {
  const status = (object['status'] ?? {}) as WorkloadStatus;
  const seen = (status.observedGeneration ?? 0) >= (object.metadata.generation ?? 1);
  if (object.kind === 'DaemonSet') {
    const wanted = status.desiredNumberScheduled ?? 0;
    const ready = status.numberAvailable ?? 0;
    const upToDate = status.updatedNumberScheduled ?? 0;
    return { ready, wanted, upToDate, complete: seen && wanted > 0 && upToDate >= wanted && ready >= wanted };
  }
  const wanted = (object['spec'] as { replicas?: number } | undefined)?.replicas ?? 1;
  const ready = status.availableReplicas ?? 0;
  const upToDate = status.updatedReplicas ?? 0;
  const old = (status.replicas ?? 0) > upToDate;
  return { ready, wanted, upToDate, complete: seen && !old && upToDate >= wanted && ready >= wanted };
}
