/** What a ServiceEntry becomes: a service for each host, and workloads for the endpoints that it names itself. */
import type { MeshConfig } from '../kube-object.ts';
import type { LoadBalancing, NetworkAddress, Service, ServicePort, Workload } from '../model.ts';
import { serviceKey } from '../model.ts';
import { balancingOf } from './balancing.ts';
import type { EndpointFacts } from './endpoint.ts';
import type { ServiceWaypoint } from './kube-service.ts';
import { isRange, type ServiceEntryFacts, wantsAllocation } from './service-entry.ts';
import { endpointWorkload, namesOf } from './workload-entry.ts';
import type { WorkloadSurroundings } from './workload-surroundings.ts';

/** What one host's service takes from the objects around. */
export type HostSurroundings = {
  readonly network: string;
  /** Traffic distribution that the namespace asks for. */
  readonly inherited: string | undefined;
  readonly canonical: boolean;
  readonly visibility: Service['visibility'];
  readonly waypoint: ServiceWaypoint;
};

export function hostService(entry: ServiceEntryFacts, host: string, around: HostSurroundings): Service {
  const loadBalancing = entryBalancing(entry, around.inherited);
  return {
    name: entry.name,
    namespace: entry.namespace,
    hostname: host,
    addresses: hostAddresses(entry, host, around.network),
    ports: entry.ports.map(({ port, target, appProtocol }) => ({
      servicePort: port,
      targetPort: target ?? port,
      appProtocol,
    })),
    subjectAltNames: entry.subjectAltNames,
    ...around.waypoint,
    ...(loadBalancing && { loadBalancing }),
    ipFamilies: 'AUTOMATIC',
    canonical: around.canonical,
    visibility: around.visibility,
  };
}

function entryBalancing(entry: ServiceEntryFacts, inherited: string | undefined): LoadBalancing | undefined {
  if (entry.resolution === 'NONE') return { routingPreference: [], mode: 'PASSTHROUGH', healthPolicy: 'ALLOW_ALL' };
  return balancingOf({ localOnly: false, publishNotReady: false, distribution: entry.distribution }, inherited);
}

function hostAddresses(entry: ServiceEntryFacts, host: string, network: string): readonly NetworkAddress[] {
  if (wantsAllocation(entry, host)) return (entry.allocated.get(host) ?? []).map((address) => ({ network, address }));
  return entry.addresses.map((cidr) => ({
    network,
    address: cidr.address,
    ...(isRange(cidr) && { length: cidr.prefix }),
  }));
}

/** The ports of one endpoint: its own number for a name, else the target, else the port itself. */
export function hostPorts(entry: ServiceEntryFacts, named: ReadonlyMap<string, number>): readonly ServicePort[] {
  return entry.ports.map(({ name, port, target }) => ({
    servicePort: port,
    targetPort: named.get(name) ?? target ?? port,
    appProtocol: 'UNKNOWN',
  }));
}

/** Says for each endpoint what is around it; services are `hosts`, which leaves out what others serve already. */
export type EntrySurroundings = {
  readonly config: MeshConfig;
  readonly hosts: readonly string[];
  around(endpoint: EndpointFacts): Omit<WorkloadSurroundings, 'services'>;
};

/**
 * One workload for each endpoint; where an entry names none and selects none, one for each host whose name is to be
 * resolved. Selected workloads belong to their own objects.
 */
export function entryWorkloads(entry: ServiceEntryFacts, surroundings: EntrySurroundings): readonly Workload[] {
  const { hosts } = surroundings;
  if (hosts.length === 0) return [];
  if (entry.endpoints.length > 0) {
    const seen = new Map<string, number>();
    return entry.endpoints.map((endpoint) => {
      const times = (seen.get(endpoint.address) ?? 0) + 1;
      seen.set(endpoint.address, times);
      // Two processes of one machine: both count, each with its ports.
      const section = times === 1 ? endpoint.address : `${endpoint.address}~${times}`;
      return endpointOf(entry, endpoint, section, hosts, surroundings);
    });
  }
  const isResolved = entry.resolution !== 'NONE' && entry.resolution !== 'STATIC';
  if (entry.selector !== undefined || !isResolved) return [];
  return hosts.map((host) => {
    const { waypoint: _, ...workload } = endpointOf(entry, nameOnly(host), host, [host], surroundings);
    return workload;
  });
}

function endpointOf(
  entry: ServiceEntryFacts,
  endpoint: EndpointFacts,
  section: string,
  hosts: readonly string[],
  { config, around }: EntrySurroundings,
): Workload {
  const { namespace, name, labels, tunnel } = entry;
  const ports = hostPorts(entry, endpoint.ports);
  const services = new Map(hosts.map((hostname) => [serviceKey({ namespace, hostname }), ports]));
  return {
    ...endpointWorkload(endpoint, { ...around(endpoint), services }),
    uid: `${config.clusterId}/networking.istio.io/ServiceEntry/${entry.key}/${section}`,
    ...namesOf({ name, namespace, workloadName: name, healthy: true, tunnel }, labels),
  };
}

function nameOnly(host: string): EndpointFacts {
  return {
    address: host,
    ip: undefined,
    hostname: host,
    network: '',
    ports: new Map(),
    labels: {},
    locality: undefined,
    weight: 1,
    serviceAccount: 'default',
  };
}
