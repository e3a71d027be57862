/** One of several replicas does a piece of work: whoever holds the Lease. */
import { isConflict, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';

export type LeaderOptions = {
  readonly client: Pick<KubeClient, 'find' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly lease: string;
  /** Who we are: the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  readonly onChange: (leads: boolean) => void;
  readonly onProblem: (error: unknown) => void;
};

/** controller.md section 7.3. */
const DURATION_MS = 30_000;
const RETRY_MS = 7_500;

type LeaseSpec = {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
};

export class Leader implements AsyncDisposable {
  readonly #options: LeaderOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #leads = false;
  #renewedAt = 0;
  /** A lease is judged by how long we have seen it unchanged: clocks of replicas may differ. */
  #observed: { readonly version: string; readonly at: number } | undefined;

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  get leads(): boolean {
    return this.#leads;
  }

  start(): this {
    this.#running ??= this.#run();
    return this;
  }

  /** Gives the lease back, so that another replica can go on at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#running;
    if (!this.#leads) return;
    this.#become(false);
    try {
      const lease = await this.#find();
      const spec = (lease?.['spec'] ?? {}) as LeaseSpec;
      if (lease === undefined || spec.holderIdentity !== this.#options.identity) return;
      await this.#options.client.replace({ ...lease, spec: { ...spec, holderIdentity: '', leaseDurationSeconds: 1 } });
    } catch (error) {
      this.#options.onProblem(error); // it runs out by itself
    }
  }

  async #run(): Promise<void> {
    const { clock, onProblem } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#attempt();
      } catch (error) {
        if (!isConflict(error)) onProblem(error); // a conflict: another replica was faster
        // What we can't renew in time belongs to somebody else.
        if (this.#leads && clock.now() - this.#renewedAt >= DURATION_MS - RETRY_MS) this.#become(false);
      }
      try {
        await clock.delay(RETRY_MS, signal);
      } catch {
        return; // stopped
      }
    }
  }

  async #attempt(): Promise<void> {
    const { client, clock, identity, lease: name, namespace } = this.#options;
    const now = clock.now();
    const time = new Date(now).toISOString().replace('Z', '000Z'); // MicroTime
    const held = await this.#find();
    if (held === undefined) {
      await client.create({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace },
        spec: { ...this.#claim(time), acquireTime: time, leaseTransitions: 0 },
      });
      return this.#renewed(now);
    }
    const spec = (held['spec'] ?? {}) as LeaseSpec;
    const mine = spec.holderIdentity === identity;
    if (!mine && !this.#isFree(held, spec, now)) return this.#become(false);
    const taken = mine ? {} : { acquireTime: time, leaseTransitions: (spec.leaseTransitions ?? 0) + 1 };
    await client.replace({ ...held, spec: { ...spec, ...this.#claim(time), ...taken } });
    this.#renewed(now);
  }

  #claim(time: string): LeaseSpec {
    return { holderIdentity: this.#options.identity, leaseDurationSeconds: DURATION_MS / 1000, renewTime: time };
  }

  #isFree(held: KubeObject, spec: LeaseSpec, now: number): boolean {
    if (spec.holderIdentity === undefined || spec.holderIdentity === '') return true;
    const version = held.metadata.resourceVersion ?? '';
    if (this.#observed?.version !== version) this.#observed = { version, at: now };
    return now - this.#observed.at >= (spec.leaseDurationSeconds ?? DURATION_MS / 1000) * 1000;
  }

  #renewed(now: number): void {
    this.#renewedAt = now;
    this.#become(true);
  }

  #become(leads: boolean): void {
    if (this.#leads === leads) return;
    this.#leads = leads;
    this.#options.onChange(leads);
  }

  #find(): Promise<KubeObject | undefined> {
    const { client, lease, namespace } = this.#options;
    return client.find(RESOURCES.Lease, lease, namespace);
  }
}
