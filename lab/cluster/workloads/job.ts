/** Carries out what `planJob` finds. */
import { isDeepStrictEqual } from 'node:util';
import {
  type Cache,
  controllerReference,
  type EventRecorder,
  isControlledBy,
  ownerKey,
  WorkQueue,
} from '../machinery/index.ts';
import type { Job, Pod } from '../types.ts';
import { planJob } from './job-plan.ts';

export type JobDeps = {
  readonly jobs: Cache<Job>;
  readonly pods: Cache<Pod>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

export class JobController implements AsyncDisposable {
  readonly #deps: JobDeps;
  readonly #queue: WorkQueue;

  constructor(deps: JobDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((key) => this.#reconcile(key), deps.onProblem);
    deps.jobs.onChange((job) => this.#queue.add(`${job.metadata.namespace}/${job.metadata.name}`));
    deps.pods.onChange((pod, old) => {
      for (const key of [ownerKey(pod, 'Job'), old && ownerKey(old, 'Job')]) if (key) this.#queue.add(key);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(key: string): Promise<number | undefined> {
    const { jobs, pods, events, now } = this.#deps;
    const job = jobs.get(key);
    if (job === undefined) return undefined;
    const own = () => pods.list().filter((pod) => isControlledBy(pod, job));
    const plan = planJob(job, own(), now());
    if (plan.isExpired) {
      await jobs.delete(job);
      return undefined;
    }
    await Promise.all(plan.remove.map((pod) => pods.delete(pod)));
    for (let i = 0; i < plan.create; i++) {
      const pod = await pods.create(podOf(job));
      events.record(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
    }
    const latest = jobs.get(key);
    if (latest === undefined || latest.metadata.uid !== job.metadata.uid) return undefined;
    const { status } = plan.create > 0 ? planJob(latest, own(), now()) : plan;
    if (!isDeepStrictEqual(status, latest.status)) await jobs.replaceStatus(latest, status);
    return plan.againMs;
  }
}

function podOf(job: Job): Pod {
  const { template } = job.spec;
  const { namespace, name } = job.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      ...template.metadata,
      name: '',
      generateName: `${name.slice(0, 57)}-`,
      ...(namespace === undefined ? {} : { namespace }),
      ownerReferences: [controllerReference(job)],
    },
    spec: template.spec,
  };
}
