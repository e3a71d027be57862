/** What the controller writes back to the cluster: conditions, addresses of ServiceEntries, and the root certificate in every namespace. Leaders only. */
import { type KubeClient, RESOURCES } from '../core/kube/index.ts';
import type { Logger } from '../core/telemetry/index.ts';
import { type Cidr, type ConditionChange, isOfRevision, type KubeObject, type RouteStatus } from '../mesh/index.ts';
import { RootDistribution } from './authority/root-distribution.ts';
import type { Clock } from './clock.ts';
import type { Informers } from './informers.ts';
import { AddressWriter } from './kube/address-writer.ts';
import type { Leaders } from './kube/leaders.ts';
import { RouteStatusWriter } from './kube/route-status-writer.ts';
import { StatusWriter } from './kube/status-writer.ts';

export type WritersOptions = {
  readonly client: KubeClient;
  readonly informers: Informers;
  readonly rootPem: string;
  readonly writesStatus: boolean;
  readonly revision: string;
  /** Empty: ServiceEntries get no addresses. */
  readonly allocationRanges: readonly Cidr[];
  readonly leaders: Leaders;
  readonly clock: Clock;
  readonly log: Logger;
};

/** controller.md section 7.3. */
const STATUS_LEASE = 'istio-status-leader';
const ALLOCATION_LEASE = 'istio-ip-autoallocate';
const NAMESPACE_LEASE = 'istio-namespace-controller-election';

export class Writers implements AsyncDisposable {
  readonly #status: StatusWriter | undefined;
  readonly #routes: RouteStatusWriter | undefined;
  readonly #addresses: AddressWriter | undefined;
  readonly #roots: RootDistribution;

  constructor(o: WritersOptions) {
    const { client, clock, informers, log } = o;
    const onProblem = (what: string, error: unknown): void => {
      log.warn('write failed, will be tried again', { what, error: String(error) });
    };
    if (o.writesStatus) {
      const policies = { fieldManager: 'istio-ambient-ztunnel-policy', list: 'one-value' } as const;
      const isOurs = (object: KubeObject): boolean => isOfRevision(object, o.revision);
      const leads = o.leaders.join(STATUS_LEASE, () => {
        this.#status?.lookAtAll();
        this.#routes?.lookAtAll();
      });
      this.#status = new StatusWriter({
        client,
        kinds: [
          { ...policies, type: RESOURCES.AuthorizationPolicy, informer: informers.authorizationPolicies },
          { ...policies, type: RESOURCES.PeerAuthentication, informer: informers.peerAuthentications },
          {
            type: RESOURCES.RequestAuthentication,
            informer: informers.requestAuthentications,
            fieldManager: 'istio-ambient-waypoint-policy',
            list: 'one-value',
          },
          {
            type: RESOURCES.Service,
            informer: informers.services,
            fieldManager: 'istio-ambient-service',
            list: 'by-type',
          },
          {
            type: RESOURCES.ServiceEntry,
            informer: informers.serviceEntries,
            fieldManager: 'istio-ambient-service',
            list: 'one-value',
          },
          {
            type: RESOURCES.DestinationRule,
            informer: informers.destinationRules,
            fieldManager: 'istio-ambient-service',
            list: 'one-value',
          },
          {
            type: RESOURCES.Telemetry,
            informer: informers.telemetries,
            fieldManager: 'istio-ambient-service',
            list: 'one-value',
          },
          {
            type: RESOURCES.WorkloadEntry,
            informer: informers.workloadEntries,
            fieldManager: 'istio-ambient-workloadentry',
            list: 'one-value',
          },
        ],
        isOurs,
        leads,
        clock,
        onProblem,
      });
      const { httpRoutes, grpcRoutes, tcpRoutes, tlsRoutes, backendTlsPolicies } = informers;
      this.#routes = new RouteStatusWriter({
        client,
        informers: {
          HTTPRoute: httpRoutes,
          GRPCRoute: grpcRoutes,
          TCPRoute: tcpRoutes,
          TLSRoute: tlsRoutes,
          BackendTLSPolicy: backendTlsPolicies,
        },
        isOurs,
        leads,
        clock,
        onProblem,
      });
    }
    if (o.allocationRanges.length > 0) {
      this.#addresses = new AddressWriter({
        client,
        serviceEntries: informers.serviceEntries,
        pools: o.allocationRanges,
        revision: o.revision,
        leads: o.leaders.join(ALLOCATION_LEASE, () => this.#addresses?.lookAtAll()),
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

  /** What should now stand on routes. */
  setRouteStatuses(statuses: readonly RouteStatus[]): void {
    this.#routes?.set(statuses);
  }

  /** What should stand on it is known; it may be that something else does. */
  lookAt(object: KubeObject): void {
    this.#status?.lookAt(object);
    this.#routes?.lookAt(object);
  }

  /** Nothing should stand on it any more: it is gone. */
  forget(object: KubeObject): void {
    this.#status?.forget(object);
    this.#routes?.forget(object);
  }

  /** Resolves when it is known which namespaces have the root. */
  async start(): Promise<void> {
    this.#addresses?.start();
    await this.#roots.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#status?.[Symbol.asyncDispose]();
    await this.#routes?.[Symbol.asyncDispose]();
    await this.#addresses?.[Symbol.asyncDispose]();
    await this.#roots[Symbol.asyncDispose]();
  }
}
