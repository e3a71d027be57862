/** Everything the controller watches. */
import { Informer, type KubeClient, RESOURCES, type ResourceType } from '../core/kube/index.ts';
import type { Logger } from '../core/telemetry/index.ts';
import type { KubeObject } from '../mesh/index.ts';

export type Informers = {
  readonly pods: Informer<KubeObject>;
  readonly services: Informer<KubeObject>;
  readonly namespaces: Informer<KubeObject>;
  readonly nodes: Informer<KubeObject>;
  readonly endpointSlices: Informer<KubeObject>;
  readonly authorizationPolicies: Informer<KubeObject>;
  readonly peerAuthentications: Informer<KubeObject>;
  readonly requestAuthentications: Informer<KubeObject>;
  readonly serviceEntries: Informer<KubeObject>;
  readonly workloadEntries: Informer<KubeObject>;
  readonly destinationRules: Informer<KubeObject>;
  readonly telemetries: Informer<KubeObject>;
  /** Of Gateway API, which somebody else may install, or nobody. */
  readonly gateways: Informer<KubeObject>;
  readonly gatewayClasses: Informer<KubeObject>;
  readonly httpRoutes: Informer<KubeObject>;
  readonly grpcRoutes: Informer<KubeObject>;
  readonly tcpRoutes: Informer<KubeObject>;
  readonly tlsRoutes: Informer<KubeObject>;
  readonly referenceGrants: Informer<KubeObject>;
  readonly backendTlsPolicies: Informer<KubeObject>;
};

/** Made, not yet started: handlers come first. */
export function createInformers(client: KubeClient, log: Logger): Informers {
  const of = (type: ResourceType, optional = false) =>
    new Informer<KubeObject>({
      client,
      type,
      optional,
      onProblem: (error) => log.warn('watch failed', { kind: type.kind, error: String(error) }),
    });
  return {
    pods: of(RESOURCES.Pod),
    services: of(RESOURCES.Service),
    namespaces: of(RESOURCES.Namespace),
    nodes: of(RESOURCES.Node),
    endpointSlices: of(RESOURCES.EndpointSlice),
    authorizationPolicies: of(RESOURCES.AuthorizationPolicy),
    peerAuthentications: of(RESOURCES.PeerAuthentication),
    // Later than the others: a CRD of an older installation may not be there yet.
    requestAuthentications: of(RESOURCES.RequestAuthentication, true),
    serviceEntries: of(RESOURCES.ServiceEntry, true),
    workloadEntries: of(RESOURCES.WorkloadEntry, true),
    destinationRules: of(RESOURCES.DestinationRule, true),
    telemetries: of(RESOURCES.Telemetry, true),
    gateways: of(RESOURCES.Gateway, true),
    gatewayClasses: of(RESOURCES.GatewayClass, true),
    httpRoutes: of(RESOURCES.HTTPRoute, true),
    grpcRoutes: of(RESOURCES.GRPCRoute, true),
    tcpRoutes: of(RESOURCES.TCPRoute, true),
    tlsRoutes: of(RESOURCES.TLSRoute, true),
    referenceGrants: of(RESOURCES.ReferenceGrant, true),
    backendTlsPolicies: of(RESOURCES.BackendTLSPolicy, true),
  };
}
