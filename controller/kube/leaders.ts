/** All the leaderships of this process: each piece of work has its Lease. */
import type { KubeClient } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { Clock } from '../clock.ts';
import { Leader } from './leader.ts';

export type LeadersOptions = {
  readonly client: KubeClient;
  readonly namespace: string;
  /** The pod's name. */
  readonly identity: string;
  /** Without elections everybody leads: for a single replica. */
  readonly elects: boolean;
  readonly clock: Clock;
  readonly log: Logger;
};

export class Leaders implements AsyncDisposable {
  readonly #options: LeadersOptions;
  readonly #elections: Leader[] = [];

  constructor(options: LeadersOptions) {
    this.#options = options;
  }

  /** Takes part in an election, from `start` on. The result says whether we lead now. */
  join(lease: string, onLead: () => void): () => boolean {
    const { elects, log, ...options } = this.#options;
    if (!elects) return () => true;
    const election = new Leader({
      ...options,
      lease,
      onChange: (leads) => {
        log.info(leads ? 'leading' : 'no longer leading', { lease });
        if (leads) onLead();
      },
      onProblem: (error) => log.warn('election failed, will be tried again', { lease, error: String(error) }),
    });
    this.#elections.push(election);
    return () => election.leads;
  }

  start(): void {
    for (const election of this.#elections) election.start();
  }

  /** Gives everything back, so that other replicas go on at once. Twice is harmless. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#elections.map((election) => election[Symbol.asyncDispose]()));
  }
}
