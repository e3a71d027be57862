/** Workloads and services between the model and `istio.workload`. Tables of names are ordered by enum number. */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type Address,
  type GatewayAddress,
  ipToBytes,
  MeshError,
  type NetworkAddress,
  type Service,
  type ServicePort,
  type Workload,
} from '../../mesh/index.ts';
import { decodeIp, decodePrefix, enumName, invalid, port } from './fields.ts';
import {
  AddressSchema,
  ApplicationTunnel_Protocol,
  AppProtocol,
  type GatewayAddress as GatewayAddressMessage,
  type GatewayAddressSchema,
  IPFamilies,
  LoadBalancing_HealthPolicy,
  LoadBalancing_Mode,
  LoadBalancing_Scope,
  type NetworkAddress as NetworkAddressMessage,
  type NetworkAddressSchema,
  NetworkMode,
  type Port,
  type PortSchema,
  Service_Visibility,
  type Service as ServiceMessage,
  type ServiceSchema,
  TunnelProtocol,
  type Workload as WorkloadMessage,
  WorkloadSchema,
  WorkloadStatus,
  WorkloadType,
} from './gen/istio/workload/workload_pb.ts';
import { internLocality, internServices, internString, internStrings } from './intern.ts';

const TUNNEL_PROTOCOLS = ['NONE', 'HBONE'] as const;
const WORKLOAD_TYPES = ['DEPLOYMENT', 'CRONJOB', 'POD', 'JOB'] as const;
const STATUSES = ['HEALTHY', 'UNHEALTHY'] as const;
const NETWORK_MODES = ['STANDARD', 'HOST_NETWORK'] as const;
const APP_TUNNEL_PROTOCOLS = ['NONE', 'PROXY'] as const;
const APP_PROTOCOLS = ['UNKNOWN', 'HTTP11', 'HTTP2', 'GRPC', 'TCP', 'TLS'] as const;
const IP_FAMILIES = ['AUTOMATIC', 'IPV4_ONLY', 'IPV6_ONLY', 'DUAL'] as const;
const VISIBILITIES = ['PUBLIC', 'NAMESPACE'] as const;
const SCOPES = ['UNSPECIFIED_SCOPE', 'REGION', 'ZONE', 'SUBZONE', 'NODE', 'CLUSTER', 'NETWORK'] as const;
const MODES = ['UNSPECIFIED_MODE', 'STRICT', 'FAILOVER', 'PASSTHROUGH'] as const;
const HEALTH_POLICIES = ['ONLY_HEALTHY', 'ALLOW_ALL'] as const;

/** The value of the `Any` of a `istio.workload.Address` resource; equal addresses give equal bytes. */
export function encodeAddress(address: Address): Uint8Array {
  const type =
    address.kind === 'workload'
      ? ({ case: 'workload', value: workloadInit(address.workload) } as const)
      : ({ case: 'service', value: serviceInit(address.service) } as const);
  return toBinary(AddressSchema, create(AddressSchema, { type }));
}

/** The value of the `Any` of a `istio.workload.Workload` resource. */
export function encodeWorkload(workload: Workload): Uint8Array {
  return toBinary(WorkloadSchema, create(WorkloadSchema, workloadInit(workload)));
}

/** Throws `XDS_RESOURCE_INVALID` with `field: reason`. */
export function decodeAddress(bytes: Uint8Array): Address {
  const { type } = parse(bytes);
  switch (type.case) {
    case 'workload':
      return { kind: 'workload', workload: decodeWorkload(type.value) };
    case 'service':
      return { kind: 'service', service: decodeService(type.value) };
    default:
      throw invalid('type', 'neither a workload nor a service');
  }
}

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(AddressSchema, bytes, { readUnknownFields: false });
  } catch (cause) {
    throw new MeshError('XDS_RESOURCE_INVALID', 'resource: not a readable istio.workload.Address', { cause });
  }
}

function workloadInit(w: Workload): MessageInitShape<typeof WorkloadSchema> {
  const services: Record<string, { ports: MessageInitShape<typeof PortSchema>[] }> = {};
  // sorted: the same workload must give the same bytes, since its version is a hash of them
  for (const key of [...w.services.keys()].sort()) services[key] = { ports: (w.services.get(key) ?? []).map(portInit) };
  return {
    name: w.name,
    namespace: w.namespace,
    addresses: w.addresses.map(ipToBytes),
    network: w.network,
    tunnelProtocol: TunnelProtocol[w.tunnelProtocol],
    trustDomain: w.trustDomain,
    serviceAccount: w.serviceAccount,
    node: w.node,
    canonicalName: w.canonicalName,
    canonicalRevision: w.canonicalRevision,
    workloadType: WorkloadType[w.workloadType],
    workloadName: w.workloadName,
    nativeTunnel: w.nativeTunnel,
    authorizationPolicies: [...w.authorizationPolicies],
    status: WorkloadStatus[w.status],
    clusterId: w.clusterId,
    uid: w.uid,
    hostname: w.hostname,
    services,
    networkMode: NetworkMode[w.networkMode],
    ...(w.waypoint && { waypoint: gatewayInit(w.waypoint) }),
    ...(w.networkGateway && { networkGateway: gatewayInit(w.networkGateway) }),
    ...(w.applicationTunnel && {
      applicationTunnel: {
        protocol: ApplicationTunnel_Protocol[w.applicationTunnel.protocol],
        port: w.applicationTunnel.port,
      },
    }),
    ...(w.locality && { locality: { ...w.locality } }),
    ...(w.capacity !== 1 && { capacity: w.capacity }),
  };
}

function serviceInit(s: Service): MessageInitShape<typeof ServiceSchema> {
  return {
    name: s.name,
    namespace: s.namespace,
    hostname: s.hostname,
    addresses: s.addresses.map(networkAddressInit),
    ports: s.ports.map(portInit),
    subjectAltNames: [...s.subjectAltNames],
    ipFamilies: IPFamilies[s.ipFamilies],
    canonical: s.canonical,
    ingressUseWaypoint: s.ingressUseWaypoint,
    weightedWaypoints: s.weightedWaypoints.map((w) => ({ destination: gatewayInit(w.destination), weight: w.weight })),
    visibility: Service_Visibility[s.visibility],
    ...(s.waypoint && { waypoint: gatewayInit(s.waypoint) }),
    ...(s.loadBalancing && {
      loadBalancing: {
        routingPreference: s.loadBalancing.routingPreference.map((scope) => LoadBalancing_Scope[scope]),
        mode: LoadBalancing_Mode[s.loadBalancing.mode],
        healthPolicy: LoadBalancing_HealthPolicy[s.loadBalancing.healthPolicy],
      },
    }),
  };
}

function gatewayInit(g: GatewayAddress): MessageInitShape<typeof GatewayAddressSchema> {
  const { destination } = g;
  return {
    destination:
      destination.kind === 'hostname'
        ? { case: 'hostname', value: { namespace: destination.namespace, hostname: destination.hostname } }
        : { case: 'address', value: networkAddressInit(destination) },
    hboneMtlsPort: g.hboneMtlsPort,
  };
}

function networkAddressInit(a: NetworkAddress): MessageInitShape<typeof NetworkAddressSchema> {
  return {
    network: a.network,
    address: ipToBytes(a.address),
    ...(a.length !== undefined && { length: a.length }),
  };
}

function portInit(p: ServicePort): MessageInitShape<typeof PortSchema> {
  return {
    servicePort: p.servicePort,
    targetPort: p.targetPort,
    appProtocol: AppProtocol[p.appProtocol],
  };
}

function decodeWorkload(m: WorkloadMessage): Workload {
  if (m.tunnelProtocol === TunnelProtocol.LEGACY_ISTIO_MTLS)
    throw invalid('tunnel_protocol', 'LEGACY_ISTIO_MTLS is not supported');
  const services = Object.entries(m.services).map(([key, list]): readonly [string, readonly ServicePort[]] => {
    if (!key.includes('/')) throw invalid('services', `"${key}" is not namespace/hostname`);
    return [key, list.ports.map(decodePort)];
  });
  return {
    uid: m.uid,
    name: m.name,
    namespace: internString(m.namespace),
    addresses: m.addresses.map((bytes) => decodeIp(bytes, 'addresses')),
    network: internString(m.network),
    tunnelProtocol: enumName(TUNNEL_PROTOCOLS, m.tunnelProtocol, 'tunnel_protocol'),
    trustDomain: internString(m.trustDomain || 'cluster.local'),
    serviceAccount: internString(m.serviceAccount || 'default'),
    node: internString(m.node),
    canonicalName: internString(m.canonicalName),
    canonicalRevision: internString(m.canonicalRevision),
    workloadType: WORKLOAD_TYPES[m.workloadType] ?? 'DEPLOYMENT', // telemetry only: never a reason to reject
    workloadName: internString(m.workloadName),
    nativeTunnel: m.nativeTunnel,
    authorizationPolicies: internStrings(m.authorizationPolicies),
    status: enumName(STATUSES, m.status, 'status'),
    clusterId: internString(m.clusterId || 'Kubernetes'),
    hostname: m.hostname,
    services: internServices(services),
    networkMode: enumName(NETWORK_MODES, m.networkMode, 'network_mode'),
    capacity: m.capacity ?? 1,
    ...(m.waypoint && { waypoint: decodeGateway(m.waypoint, 'waypoint') }),
    ...(m.networkGateway && { networkGateway: decodeGateway(m.networkGateway, 'network_gateway') }),
    ...(m.applicationTunnel && {
      applicationTunnel: {
        protocol: enumName(APP_TUNNEL_PROTOCOLS, m.applicationTunnel.protocol, 'application_tunnel.protocol'),
        port: port(m.applicationTunnel.port),
      },
    }),
    ...(m.locality && {
      locality: internLocality({ region: m.locality.region, zone: m.locality.zone, subzone: m.locality.subzone }),
    }),
  };
}

function decodeService(m: ServiceMessage): Service {
  return {
    name: m.name,
    namespace: m.namespace,
    hostname: m.hostname,
    addresses: m.addresses.map((a) => decodeNetworkAddress(a, 'addresses')),
    ports: m.ports.map(decodePort),
    subjectAltNames: m.subjectAltNames,
    weightedWaypoints: m.weightedWaypoints.map(({ destination, weight }) => {
      if (destination === undefined) throw invalid('weighted_waypoints.destination', 'missing');
      return { destination: decodeGateway(destination, 'weighted_waypoints'), weight };
    }),
    ipFamilies: enumName(IP_FAMILIES, m.ipFamilies, 'ip_families'),
    canonical: m.canonical,
    ingressUseWaypoint: m.ingressUseWaypoint,
    visibility: VISIBILITIES[m.visibility] ?? 'PUBLIC', // as the reference: a hint, not a policy
    ...(m.waypoint && { waypoint: decodeGateway(m.waypoint, 'waypoint') }),
    ...(m.loadBalancing && {
      loadBalancing: {
        routingPreference: m.loadBalancing.routingPreference.map((number) => {
          const scope = enumName(SCOPES, number, 'load_balancing.routing_preference');
          if (scope === 'UNSPECIFIED_SCOPE') throw invalid('load_balancing.routing_preference', 'unspecified scope');
          return scope;
        }),
        mode: enumName(MODES, m.loadBalancing.mode, 'load_balancing.mode'),
        healthPolicy: enumName(HEALTH_POLICIES, m.loadBalancing.healthPolicy, 'load_balancing.health_policy'),
      },
    }),
  };
}

function decodeGateway(m: GatewayAddressMessage, field: string): GatewayAddress {
  const { destination } = m;
  const hboneMtlsPort = port(m.hboneMtlsPort);
  switch (destination.case) {
    case 'hostname': {
      const { namespace, hostname } = destination.value;
      return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort };
    }
    case 'address': {
      const { network, address } = decodeNetworkAddress(destination.value, `${field}.address`);
      return { destination: { kind: 'address', network, address }, hboneMtlsPort };
    }
    default:
      throw invalid(`${field}.destination`, 'missing');
  }
}

function decodeNetworkAddress(m: NetworkAddressMessage, field: string): NetworkAddress {
  const address = decodeIp(m.address, field);
  if (m.length === undefined) return { network: m.network, address };
  return { network: m.network, address, length: decodePrefix(m.length, m.address, address, `${field}.length`) };
}

function decodePort(m: Port): ServicePort {
  return {
    servicePort: port(m.servicePort),
    targetPort: port(m.targetPort),
    appProtocol: APP_PROTOCOLS[m.appProtocol] ?? 'UNKNOWN',
  };
}
