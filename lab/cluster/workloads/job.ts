/** Carries out what `planJob` finds. */
import { isDeepStrictEqual } from 'node:util';
import { type Cache, isControlledBy, OwnerQueue } from '../machinery/index.ts';
import type { Job } from '../types.ts';
import { planJob } from './job-plan.ts';
import { createPod, podFromTemplate, type WorkloadDeps } from './owned-pods.ts';

type JobDeps = WorkloadDeps & { readonly jobs: Cache<Job> };

export class JobController implements AsyncDisposable {
  readonly #deps: JobDeps;
  readonly #queue: OwnerQueue<Job>;

  constructor(deps: JobDeps) {
    this.#deps = deps;
    this.#queue = new OwnerQueue(deps.jobs, (job) => this.#reconcile(job), deps.onProblem);
    this.#queue.follow(deps.pods);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(job: Job): Promise<number | undefined> {
    const { jobs, pods, now } = this.#deps;
    const own = () => pods.list().filter((pod) => isControlledBy(pod, job));
    const plan = planJob(job, own(), now());
    if (plan.isExpired) {
      await jobs.delete(job);
      return undefined;
    }
    await Promise.all(plan.remove.map((pod) => pods.delete(pod)));
    for (let i = 0; i < plan.create; i++) await createPod(this.#deps, job, podFromTemplate(job));
    const latest = jobs.latest(job);
    if (latest === undefined) return undefined;
    const { status } = plan.create > 0 ? planJob(latest, own(), now()) : plan;
    if (!isDeepStrictEqual(status, latest.status)) await jobs.replaceStatus(latest, status);
    return plan.againMs;
  }
}
