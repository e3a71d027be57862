/**
 * What the controller derives, xDS carries and proxies decide with: workloads, services and authorizations, validated and
 * canonical. Field meanings follow the `istio.workload` and `istio.security` protobuf packages of Istio's ambient mode.
 */
import type { IpAddress } from './address.ts';
import type { Cidr } from './cidr.ts';

export type AppProtocol = 'UNKNOWN' | 'HTTP11' | 'HTTP2' | 'GRPC' | 'TCP' | 'TLS';

/** `targetPort` 0: the service names its target port, and each endpoint says which number that is. */
export type ServicePort = {
  readonly servicePort: number;
  readonly targetPort: number;
  readonly appProtocol: AppProtocol;
};

/** An address in a network; with `length` shorter than the family's bits, a range. */
export type NetworkAddress = { readonly network: string; readonly address: IpAddress; readonly length?: number };

export type GatewayDestination =
  | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string }
  | { readonly kind: 'address'; readonly network: string; readonly address: IpAddress };

/** Where a waypoint or an east-west gateway is. */
export type GatewayAddress = { readonly destination: GatewayDestination; readonly hboneMtlsPort: number };

export type Locality = { readonly region: string; readonly zone: string; readonly subzone: string };

export type ApplicationTunnel = {
  readonly protocol: 'NONE' | 'PROXY';
  /** 0: the port is not overridden. */
  readonly port: number;
};

export type Workload = {
  /** `cluster/group/kind/namespace/name[/section]` for Kubernetes objects, opaque otherwise. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly IpAddress[];
  readonly network: string;
  readonly tunnelProtocol: 'NONE' | 'HBONE';
  /** Never empty. */
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly waypoint?: GatewayAddress;
  readonly node: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadType: 'DEPLOYMENT' | 'CRONJOB' | 'POD' | 'JOB';
  readonly workloadName: string;
  readonly nativeTunnel: boolean;
  /** Selector-scoped policies only, as `namespace/name`. */
  readonly authorizationPolicies: readonly string[];
  readonly status: 'HEALTHY' | 'UNHEALTHY';
  readonly clusterId: string;
  readonly networkGateway?: GatewayAddress;
  /** Resolved by the proxy when there is no address. */
  readonly hostname: string;
  /** Services that this workload is an endpoint of, by `namespace/hostname`, with its own port mapping. */
  readonly services: ReadonlyMap<string, readonly ServicePort[]>;
  readonly applicationTunnel?: ApplicationTunnel;
  readonly locality?: Locality;
  readonly networkMode: 'STANDARD' | 'HOST_NETWORK';
  /** Weight when balancing; 1 unless said otherwise. */
  readonly capacity: number;
};

export type RoutingScope = 'REGION' | 'ZONE' | 'SUBZONE' | 'NODE' | 'CLUSTER' | 'NETWORK';

export type LoadBalancing = {
  readonly routingPreference: readonly RoutingScope[];
  readonly mode: 'UNSPECIFIED_MODE' | 'STRICT' | 'FAILOVER' | 'PASSTHROUGH';
  readonly healthPolicy: 'ONLY_HEALTHY' | 'ALLOW_ALL';
};

export type WeightedWaypoint = { readonly destination: GatewayAddress; readonly weight: number };

export type Service = {
  readonly name: string;
  readonly namespace: string;
  /** Fully qualified; may be a wildcard (`*.x`) for DNS. */
  readonly hostname: string;
  /** Empty for headless services. */
  readonly addresses: readonly NetworkAddress[];
  readonly ports: readonly ServicePort[];
  /** Further identities that its endpoints may present. */
  readonly subjectAltNames: readonly string[];
  readonly waypoint?: GatewayAddress;
  readonly weightedWaypoints: readonly WeightedWaypoint[];
  readonly loadBalancing?: LoadBalancing;
  readonly ipFamilies: 'AUTOMATIC' | 'IPV4_ONLY' | 'IPV6_ONLY' | 'DUAL';
  /** Preferred when several namespaces define the same host or VIP and none is the client's. */
  readonly canonical: boolean;
  readonly ingressUseWaypoint: boolean;
  readonly visibility: 'PUBLIC' | 'NAMESPACE';
};

export type Address =
  | { readonly kind: 'workload'; readonly workload: Workload }
  | { readonly kind: 'service'; readonly service: Service };

/** `namespace/hostname`. */
export function serviceKey(service: Pick<Service, 'namespace' | 'hostname'>): string {
  return `${service.namespace}/${service.hostname}`;
}

/** The xDS resource name: a workload's uid, or `namespace/hostname` of a service. */
export function addressKey(a: Address): string {
  return a.kind === 'workload' ? a.workload.uid : serviceKey(a.service);
}

export type StringMatch =
  | { readonly kind: 'exact' | 'prefix' | 'suffix'; readonly value: string }
  | { readonly kind: 'presence' };

export type ServiceAccountMatch = { readonly namespace: string; readonly serviceAccount: string };

/**
 * AND over the fields; in a positive list any may match, in a negative list none may; an empty list does not constrain. A
 * match with every field empty matches nothing.
 */
export type Match = {
  readonly namespaces: readonly StringMatch[];
  readonly notNamespaces: readonly StringMatch[];
  /** Identities without their `spiffe://`. */
  readonly principals: readonly StringMatch[];
  readonly notPrincipals: readonly StringMatch[];
  readonly sourceIps: readonly Cidr[];
  readonly notSourceIps: readonly Cidr[];
  readonly destinationIps: readonly Cidr[];
  readonly notDestinationIps: readonly Cidr[];
  readonly destinationPorts: readonly number[];
  readonly notDestinationPorts: readonly number[];
  readonly serviceAccounts: readonly ServiceAccountMatch[];
  readonly notServiceAccounts: readonly ServiceAccountMatch[];
};

/** OR of its matches; without matches it matches everything. */
export type Clause = { readonly matches: readonly Match[] };

/** AND of its clauses; without clauses it matches everything. */
export type AuthorizationRule = { readonly clauses: readonly Clause[] };

/** An L4 policy: OR of its rules; without rules it never matches. */
export type Authorization = {
  readonly name: string;
  readonly namespace: string;
  readonly scope: 'GLOBAL' | 'NAMESPACE' | 'WORKLOAD_SELECTOR';
  readonly action: 'ALLOW' | 'DENY';
  readonly rules: readonly AuthorizationRule[];
  readonly dryRun: boolean;
};

/** The xDS resource name, `namespace/name`. */
export function authorizationKey(a: Pick<Authorization, 'namespace' | 'name'>): string {
  return `${a.namespace}/${a.name}`;
}

/** A match that constrains nothing: the start of every match that is built field by field. */
export const EMPTY_MATCH: Match = {
  namespaces: [],
  notNamespaces: [],
  principals: [],
  notPrincipals: [],
  sourceIps: [],
  notSourceIps: [],
  destinationIps: [],
  notDestinationIps: [],
  destinationPorts: [],
  notDestinationPorts: [],
  serviceAccounts: [],
  notServiceAccounts: [],
};
