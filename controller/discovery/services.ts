/** The two services of the gRPC port, each behind the same authenticator. */
import type { CertificateAuthority } from '../../core/identity/index.ts';
import type { KubeClient } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import {
  ADDRESS_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  type DiscoveryService,
  type MeshStores,
} from '../../core/xds/index.ts';
import type { Deriver } from '../../mesh/index.ts';
import { type AuthenticatorOptions, Reviews } from '../authority/caller.ts';
import { certificateHandler } from '../authority/certificates.ts';
import type { Clock } from '../clock.ts';
import type { ControllerConfig } from '../config.ts';
import type { PodIndex } from '../kube/pod-index.ts';
import type { ControllerMetrics } from '../observe/metrics.ts';
import { access, ownWorkloads, type Subscriber, subscriber, type WaypointScope } from './access.ts';
import type { GrpcService } from './grpc.ts';

export type ServicesOptions = {
  readonly config: ControllerConfig;
  readonly client: KubeClient;
  readonly authority: () => CertificateAuthority;
  readonly trustDomain: () => string;
  readonly pods: PodIndex;
  readonly stores: MeshStores;
  readonly derived: Pick<Deriver, 'addresses'>;
  readonly waypoints: WaypointScope;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
};

export type ControlPlaneServices = {
  readonly discovery: DiscoveryService<Subscriber>;
  readonly all: readonly GrpcService[];
};

export function controlPlaneServices(o: ServicesOptions): ControlPlaneServices {
  const log = o.log.scope('ca');
  const authenticator: AuthenticatorOptions = {
    client: o.client,
    audiences: o.config.tokenAudiences,
    clusterId: o.config.clusterId,
    reviews: new Reviews(),
    onRefusal: (reason, peer) => log.warn('caller refused', { reason, peer }),
  };
  const discovery = discoveryService(o, authenticator);
  const certificates = certificateHandler({
    authority: o.authority,
    authenticator,
    pods: o.pods,
    trustedAccounts: o.config.trustedNodeAccounts,
    trustDomain: o.trustDomain,
    defaultTtlMs: o.config.defaultTtlMs,
    maxTtlMs: o.config.maxTtlMs,
    informerLagMs: o.config.informerLagMs,
    clock: o.clock,
    log,
    metrics: o.metrics.authority,
  });
  const signing = { definition: certificateServiceDefinition, implementation: createCertificateService(certificates) };
  return { discovery, all: [discovery, signing] };
}

function discoveryService(o: ServicesOptions, authenticator: AuthenticatorOptions): DiscoveryService<Subscriber> {
  const { informerLagMs, trustedNodeAccounts: trustedAccounts } = o.config;
  const options = { authenticator, pods: o.pods, trustedAccounts, informerLagMs };
  const log = o.log.scope('xds');
  return createDiscoveryService<Subscriber>({
    stores: [o.stores.authorizations, o.stores.waypoints, o.stores.addresses], // in this order they travel
    authenticate: (metadata, peer) => subscriber(options, metadata, peer),
    authorize: (caller, typeUrl, node) => access(caller, typeUrl, node, o.waypoints),
    baseline: (caller, typeUrl) => (typeUrl === ADDRESS_TYPE ? ownWorkloads(caller, o.derived.addresses) : []),
    onNack: (_caller, typeUrl, message, node) => {
      o.metrics.rejected(typeUrl);
      log.warn('client refused a push', { client: node.id, typeUrl, message });
    },
    onEnd: (peer, error) => log.info('stream ended', { peer, code: error?.code, reason: error?.details }),
  });
}
