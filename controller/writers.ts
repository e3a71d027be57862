/** What the controller writes back to the cluster: conditions, and the root certificate in every namespace. Leaders only. */
import { type KubeClient, RESOURCES } from '../core/kube/index.ts';
import type { Logger } from '../core/telemetry/index.ts';
import type { ConditionChange } from '../mesh/index.ts';
import { RootDistribution } from './authority/root-distribution.ts';
import type { Clock } from './clock.ts';
import type { Informers } from './informers.ts';
import type { Leaders } from './kube/leaders.ts';
import { StatusWriter } from './kube/status-writer.ts';

export type WritersOptions = {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly rootPem: string;
  readonly writesStatus: boolean;
  readonly leaders: Leaders;
  readonly clock: Clock;
  readonly log: Logger;
};

/** controller.md section 7.3. */
const STATUS_LEASE = 'istio-status-leader';
const NAMESPACE_LEASE = 'istio-namespace-controller-election';

export class Writers implements AsyncDisposable {
  readonly #status: StatusWriter | undefined;
  readonly #roots: RootDistribution;

  constructor(o: WritersOptions) {
    const { client, clock, informers, log } = o;
    const onProblem = (what: string, error: unknown): void => {
      log.warn('write failed, will be tried again', { what, error: String(error) });
    };
    if (o.writesStatus) {
      const policies = { fieldManager: 'istio-ambient-ztunnel-policy', list: 'one-value' } as const;
      this.#status = new StatusWriter({
        client,
        kinds: [
          { ...policies, type: RESOURCES.AuthorizationPolicy, informer: informers.authorizationPolicies },
          { ...policies, type: RESOURCES.PeerAuthentication, informer: informers.peerAuthentications },
          {
            type: RESOURCES.Service,
            informer: informers.services,
            fieldManager: 'istio-ambient-service',
            list: 'by-type',
          },
        ],
        leads: o.leaders.join(STATUS_LEASE, () => this.#status?.lookAtAll()),
        clock,
        onProblem,
      });
    }
    this.#roots = new RootDistribution({
      client,
      namespaces: informers.namespaces,
      rootPem: o.rootPem,
      leads: o.leaders.join(NAMESPACE_LEASE, () => this.#roots.lookAtAll()),
      clock,
      onProblem,
    });
  }

  /** What should now stand on objects; nothing happens where conditions are switched off. */
  setConditions(changes: readonly ConditionChange[]): void {
    this.#status?.set(changes);
  }

  /** Resolves when it is known which namespaces have the root. */
  async start(): Promise<void> {
    await this.#roots.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#status?.[Symbol.asyncDispose]();
    await this.#roots[Symbol.asyncDispose]();
  }
}
