/** Carries out what `planDaemonSet` finds, and keeps the history of templates in ControllerRevisions. */
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
import type { ControllerRevision, DaemonSet, Node, Pod } from '../types.ts';
import { planDaemonSet, podSpecFor, REVISION_HASH } from './daemon-set-plan.ts';
import { templateHash } from './pods.ts';

export type DaemonSetDeps = {
  readonly daemonSets: Cache<DaemonSet>;
  readonly revisions: Cache<ControllerRevision>;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

export class DaemonSetController implements AsyncDisposable {
  readonly #deps: DaemonSetDeps;
  readonly #queue: WorkQueue;

  constructor(deps: DaemonSetDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((key) => this.#reconcile(key), deps.onProblem);
    deps.daemonSets.onChange((set) => this.#queue.add(`${set.metadata.namespace}/${set.metadata.name}`));
    deps.pods.onChange((pod, old) => {
      for (const key of [ownerKey(pod, 'DaemonSet'), old && ownerKey(old, 'DaemonSet')]) if (key) this.#queue.add(key);
      for (const key of claimants(deps.daemonSets.list(), pod)) this.#queue.add(key);
    });
    deps.nodes.onChange(() => {
      for (const set of deps.daemonSets.list()) this.#queue.add(`${set.metadata.namespace}/${set.metadata.name}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(key: string): Promise<number | undefined> {
    const { daemonSets, pods, nodes, events, now } = this.#deps;
    const set = daemonSets.get(key);
    if (set === undefined) return undefined;
    const hash = templateHash(set.spec.template);
    const plan = () => {
      const own = pods.list().filter((pod) => isControlledBy(pod, set));
      return planDaemonSet(set, nodes.list(), own, hash, now());
    };
    await claim(pods, set);
    const { create, remove } = plan();
    if (set.metadata.deletionTimestamp === undefined) await this.#keepHistory(set, hash);
    for (const pod of remove) {
      await pods.delete(pod);
      events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
    }
    try {
      await Promise.all(create.map((node) => this.#create(set, node, hash)));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      events.record(set, 'Warning', 'FailedCreate', `Error creating: ${message}`);
      throw error;
    } finally {
      await this.#writeStatus(key, set, plan().status);
    }
    return plan().againMs;
  }

  async #create(set: DaemonSet, node: string, hash: string): Promise<void> {
    const { template } = set.spec;
    const { namespace, name } = set.metadata;
    const pod = await this.#deps.pods.create({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...template.metadata,
        name: '',
        generateName: `${name.slice(0, 57)}-`,
        ...(namespace === undefined ? {} : { namespace }),
        labels: {
          ...template.metadata?.labels,
          [REVISION_HASH]: hash,
          'pod-template-generation': String(set.metadata.generation ?? 1),
        },
        ownerReferences: [controllerReference(set)],
      },
      spec: podSpecFor(template, node),
    });
    this.#deps.events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
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

  async #writeStatus(key: string, set: DaemonSet, status: unknown): Promise<void> {
    const latest = this.#deps.daemonSets.get(key);
    if (latest === undefined || latest.metadata.uid !== set.metadata.uid) return;
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
