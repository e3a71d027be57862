/** Carries out what `planDaemonSet` finds, and keeps the history of templates in ControllerRevisions. */
import { isDeepStrictEqual } from 'node:util';
import { objectKey } from '../../../core/kube/index.ts';
import { type Cache, claim, claimants, controllerReference, isControlledBy, OwnerQueue } from '../machinery/index.ts';
import type { ControllerRevision, DaemonSet, Node } from '../types.ts';
import { planDaemonSet, podSpecFor, REVISION_HASH } from './daemon-set-plan.ts';
import { createPod, deletePod, podFromTemplate, recordFailedCreate, type WorkloadDeps } from './owned-pods.ts';
import { templateHash, withLabels } from './pods.ts';

type DaemonSetDeps = WorkloadDeps & {
  readonly daemonSets: Cache<DaemonSet>;
  readonly revisions: Cache<ControllerRevision>;
  readonly nodes: Cache<Node>;
};

export class DaemonSetController implements AsyncDisposable {
  readonly #deps: DaemonSetDeps;
  readonly #queue: OwnerQueue<DaemonSet>;

  constructor(deps: DaemonSetDeps) {
    this.#deps = deps;
    this.#queue = new OwnerQueue(deps.daemonSets, (set) => this.#reconcile(set), deps.onProblem);
    this.#queue.follow(deps.pods, (pod) => claimants(deps.daemonSets.list(), pod));
    deps.nodes.onChange(() => {
      for (const set of deps.daemonSets.list()) this.#queue.add(objectKey(set));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(set: DaemonSet): Promise<number | undefined> {
    const { pods, nodes, now } = this.#deps;
    const hash = templateHash(set.spec.template);
    const plan = () => {
      const own = pods.list().filter((pod) => isControlledBy(pod, set));
      return planDaemonSet(set, nodes.list(), own, hash, now());
    };
    await claim(pods, set);
    const { create, remove } = plan();
    if (set.metadata.deletionTimestamp === undefined) await this.#keepHistory(set, hash);
    for (const pod of remove) await deletePod(this.#deps, set, pod);
    try {
      await Promise.all(create.map((node) => this.#create(set, node, hash)));
    } catch (error) {
      recordFailedCreate(this.#deps, set, error);
      throw error;
    } finally {
      await this.#writeStatus(set, plan().status);
    }
    return plan().againMs;
  }

  async #create(set: DaemonSet, node: string, hash: string): Promise<void> {
    const generation = String(set.metadata.generation ?? 1);
    const template = withLabels(set.spec.template, { [REVISION_HASH]: hash, 'pod-template-generation': generation });
    const pod = podFromTemplate({ ...set, spec: { template } });
    await createPod(this.#deps, set, { ...pod, spec: podSpecFor(template, node) });
  }

  /** One revision for each template there was: `kubectl rollout history` and `undo` live on them. */
  async #keepHistory(set: DaemonSet, hash: string): Promise<void> {
    const { revisions } = this.#deps;
    const own = revisions
      .list()
      .filter((revision) => isControlledBy(revision, set) && revision.metadata.deletionTimestamp === undefined)
      .toSorted((a, b) => a.revision - b.revision);
    const current = own.find((revision) => revision.metadata.labels?.[REVISION_HASH] === hash);
    const newest = own.at(-1)?.revision ?? 0;
    if (current === undefined) await revisions.create(revisionOf(set, hash, newest + 1));
    else if (current.revision < newest) await revisions.patch(current, { revision: newest + 1 });
    const old = own.filter((revision) => revision !== current);
    const surplus = Math.max(0, old.length - (set.spec.revisionHistoryLimit ?? 10));
    for (const revision of old.slice(0, surplus)) await revisions.delete(revision);
  }

  async #writeStatus(set: DaemonSet, status: unknown): Promise<void> {
    const latest = this.#deps.daemonSets.latest(set);
    if (latest === undefined) return;
    if (!isDeepStrictEqual(status, latest.status)) await this.#deps.daemonSets.replaceStatus(latest, status);
  }
}

function revisionOf(set: DaemonSet, hash: string, revision: number): ControllerRevision {
  const { namespace, name } = set.metadata;
  const { template } = set.spec;
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${name}-${hash}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...template.metadata?.labels, [REVISION_HASH]: hash },
      ownerReferences: [controllerReference(set)],
    },
    // A strategic merge patch that leads back to this template.
    data: { spec: { template: { ...template, $patch: 'replace' } } },
    revision,
  };
}
