/** Keeps as many pods as a ReplicaSet wants. */
import { isDeepStrictEqual } from 'node:util';
import { type Cache, claim, claimants, isControlledBy, OwnerQueue } from '../machinery/index.ts';
import type { Condition, Pod, ReplicaSet, ReplicaSetStatus } from '../types.ts';
import {
  createPod,
  deletePod,
  messageOf,
  podFromTemplate,
  recordFailedCreate,
  type WorkloadDeps,
} from './owned-pods.ts';
import { byDispensability, isActive, isAvailable, isPodReady, nextAvailableMs, withCondition } from './pods.ts';

export type ReplicaSetPlan = {
  readonly create: number;
  readonly remove: readonly Pod[];
  /** Without conditions: these come from what the plan meets when it is carried out. */
  readonly status: Omit<ReplicaSetStatus, 'conditions'>;
  /** When to look again, for pods that become available by time alone. */
  readonly againMs: number | undefined;
};

/** A burst bound: no more pods are made or removed in one go. */
const MAX_BURST = 500;

/** What to do, given the pods that the set controls. */
export function planReplicaSet(set: ReplicaSet, pods: readonly Pod[], now: Date): ReplicaSetPlan {
  const { replicas = 1, minReadySeconds = 0 } = set.spec;
  const active = pods.filter(isActive);
  const surplus = active.length - replicas;
  const isGone = set.metadata.deletionTimestamp !== undefined;
  const labels = Object.entries(set.spec.template.metadata?.labels ?? {});
  const isLabelled = (pod: Pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value);
  return {
    create: isGone ? 0 : Math.min(Math.max(-surplus, 0), MAX_BURST),
    remove: isGone || surplus <= 0 ? [] : active.toSorted(byDispensability).slice(0, Math.min(surplus, MAX_BURST)),
    status: {
      replicas: active.length,
      fullyLabeledReplicas: active.filter(isLabelled).length,
      readyReplicas: active.filter(isPodReady).length,
      availableReplicas: active.filter((pod) => isAvailable(pod, minReadySeconds, now)).length,
      observedGeneration: set.metadata.generation ?? 0,
    },
    againMs: nextAvailableMs(active, minReadySeconds, now),
  };
}

type ReplicaSetDeps = WorkloadDeps & { readonly replicaSets: Cache<ReplicaSet> };

export class ReplicaSetController implements AsyncDisposable {
  readonly #deps: ReplicaSetDeps;
  readonly #queue: OwnerQueue<ReplicaSet>;

  constructor(deps: ReplicaSetDeps) {
    this.#deps = deps;
    this.#queue = new OwnerQueue(deps.replicaSets, (set) => this.#reconcile(set), deps.onProblem);
    this.#queue.follow(deps.pods, (pod) => claimants(deps.replicaSets.list(), pod));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(set: ReplicaSet): Promise<number | undefined> {
    const { pods, now } = this.#deps;
    const plan = planReplicaSet(set, await claim(pods, set), now());
    const own = () => pods.list().filter((pod) => isControlledBy(pod, set));
    let failure: unknown;
    try {
      await Promise.all(plan.remove.map((pod) => deletePod(this.#deps, set, pod)));
      await createPods(plan.create, () => createPod(this.#deps, set, podFromTemplate(set)));
    } catch (error) {
      failure = error;
      if (plan.create > 0) recordFailedCreate(this.#deps, set, error);
    }
    const { status, againMs } = planReplicaSet(set, own(), now());
    await this.#writeStatus(set, status, failure);
    if (failure !== undefined) throw failure;
    return againMs;
  }

  async #writeStatus(set: ReplicaSet, status: ReplicaSetPlan['status'], failure: unknown): Promise<void> {
    const { replicaSets, now } = this.#deps;
    const latest = replicaSets.latest(set);
    if (latest === undefined) return;
    const others = (latest.status?.conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure');
    const failed: Condition = {
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: messageOf(failure),
    };
    const conditions = failure === undefined ? others : withCondition(latest.status?.conditions ?? [], failed, now());
    const next = { ...status, ...(conditions.length === 0 ? {} : { conditions }) };
    if (!isDeepStrictEqual(next, latest.status)) await replicaSets.replaceStatus(latest, next);
  }
}

/** Makes pods in growing batches, so that one that is refused does not stand for hundreds of refusals. */
async function createPods(count: number, create: () => Promise<void>): Promise<void> {
  let batch = 1;
  for (let done = 0; done < count; batch *= 2) {
    const size = Math.min(batch, count - done);
    await Promise.all(Array.from({ length: size }, create));
    done += size;
  }
}
