/** Keeps as many pods as a ReplicaSet wants. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Cache,
  claim,
  claimants,
  controllerReference,
  type EventRecorder,
  isControlledBy,
  ownerKey,
  WorkQueue,
} from '../machinery/index.ts';
import type { Condition, Pod, ReplicaSet, ReplicaSetStatus } from '../types.ts';
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

/** The pod that a template makes under this owner; the server finds the rest of the name. */
export function podFromTemplate(owner: ReplicaSet, generateName: string): Pod {
  const { metadata = {}, spec } = owner.spec.template;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...metadata,
      name: '',
      generateName,
      ...(owner.metadata.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
      ownerReferences: [controllerReference(owner)],
    },
    spec,
  };
}

export type ReplicaSetDeps = {
  readonly replicaSets: Cache<ReplicaSet>;
  readonly pods: Cache<Pod>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

export class ReplicaSetController implements AsyncDisposable {
  readonly #deps: ReplicaSetDeps;
  readonly #queue: WorkQueue;

  constructor(deps: ReplicaSetDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((key) => this.#reconcile(key), deps.onProblem);
    deps.replicaSets.onChange((set) => this.#queue.add(`${set.metadata.namespace}/${set.metadata.name}`));
    deps.pods.onChange((pod, old) => {
      for (const key of [ownerKey(pod, 'ReplicaSet'), old && ownerKey(old, 'ReplicaSet')])
        if (key) this.#queue.add(key);
      for (const key of claimants(deps.replicaSets.list(), pod)) this.#queue.add(key);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(key: string): Promise<number | undefined> {
    const { replicaSets, pods, now } = this.#deps;
    const set = replicaSets.get(key);
    if (set === undefined) return undefined;
    const plan = planReplicaSet(set, await claim(pods, set), now());
    const own = () => pods.list().filter((pod) => isControlledBy(pod, set));
    let failure: unknown;
    try {
      await Promise.all(plan.remove.map((pod) => this.#remove(set, pod)));
      await createPods(plan.create, () => this.#create(set));
    } catch (error) {
      failure = error;
      if (plan.create > 0)
        this.#deps.events.record(set, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    }
    const { status, againMs } = planReplicaSet(set, own(), now());
    await this.#writeStatus(set, status, failure);
    if (failure !== undefined) throw failure;
    return againMs;
  }

  async #create(set: ReplicaSet): Promise<void> {
    const pod = await this.#deps.pods.create(podFromTemplate(set, `${set.metadata.name.slice(0, 57)}-`));
    this.#deps.events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
  }

  async #remove(set: ReplicaSet, pod: Pod): Promise<void> {
    await this.#deps.pods.delete(pod);
    this.#deps.events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
  }

  async #writeStatus(set: ReplicaSet, status: ReplicaSetPlan['status'], failure: unknown): Promise<void> {
    const { replicaSets, now } = this.#deps;
    const latest = replicaSets.get(`${set.metadata.namespace}/${set.metadata.name}`);
    if (latest === undefined || latest.metadata.uid !== set.metadata.uid) return;
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

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Makes pods in growing batches, so that one that is refused does not stand for hundreds of refusals. */
export async function createPods(count: number, create: () => Promise<void>): Promise<void> {
  let batch = 1;
  for (let done = 0; done < count; batch *= 2) {
    const size = Math.min(batch, count - done);
    await Promise.all(Array.from({ length: size }, create));
    done += size;
  }
}
