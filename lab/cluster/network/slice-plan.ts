/** The EndpointSlices of a Service, from the pods that it selects. Pure; names follow from content, so that doing it twice is harmless. */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { controllerReference } from '../machinery/index.ts';
import type { Endpoint, EndpointPort, EndpointSlice, Node, Pod, Service, ServicePort } from '../types.ts';
import { isPodReady } from '../workloads/index.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const ZONE = 'topology.kubernetes.io/zone';
/** As upstream: a slice stays small enough to be sent around on every change. */
const MAX_ENDPOINTS = 100;

/** True for a Service whose endpoints are ours to make: it selects pods. */
function hasSelectedEndpoints(service: Service): boolean {
  return service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0;
}

/** All slices that the service should have; `pods` are those of its namespace. */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
): readonly EndpointSlice[] {
  if (!hasSelectedEndpoints(service) || service.metadata.deletionTimestamp !== undefined) return [];
  const selected = pods.filter((pod) => isSelected(service, pod) && hasAddress(pod));
  return familiesOf(service).flatMap((family) => {
    const groups = new Map<string, { ports: readonly EndpointPort[]; endpoints: Endpoint[] }>();
    for (const pod of selected.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
      const address = addressOf(pod, family);
      if (address === undefined) continue;
      const ports = portsOf(service, pod);
      const key = JSON.stringify(ports);
      const group = groups.get(key) ?? { ports, endpoints: [] };
      group.endpoints.push(endpointOf(service, pod, address, nodeOf));
      groups.set(key, group);
    }
    // A service without pods has an empty slice: it says that nothing is there, not that nobody looked.
    if (groups.size === 0) return [sliceOf(service, family, [], [], '')];
    return [...groups].flatMap(([key, { ports, endpoints }]) =>
      chunks(endpoints).map((chunk, i) => sliceOf(service, family, ports, chunk, i === 0 ? key : `${key} ${i}`)),
    );
  });
}

function isSelected(service: Service, pod: Pod): boolean {
  return Object.entries(service.spec.selector ?? {}).every(([key, value]) => pod.metadata.labels?.[key] === value);
}

/** A finished pod serves nobody; its address may be somebody else's by now. */
function hasAddress(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== 'Succeeded' && phase !== 'Failed' && (pod.status?.podIP ?? '') !== '';
}

function familiesOf(service: Service): readonly ('IPv4' | 'IPv6')[] {
  const families = service.spec.ipFamilies ?? ['IPv4'];
  return families.map((family) => (family === 'IPv6' ? 'IPv6' : 'IPv4'));
}

function addressOf(pod: Pod, family: 'IPv4' | 'IPv6'): string | undefined {
  const ips = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP ?? ''];
  return ips.find((ip) => ip !== '' && isIPv6(ip) === (family === 'IPv6'));
}

/** The pod's own ports: a named target port may mean another number in every pod; one that it lacks is left out. */
function portsOf(service: Service, pod: Pod): readonly EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });
}

function targetPort({ port, targetPort: target = port, protocol = 'TCP' }: ServicePort, pod: Pod): number | undefined {
  if (typeof target === 'number') return target === 0 ? port : target;
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const named = [...pod.spec.containers, ...sidecars]
    .flatMap((container) => container.ports ?? [])
    .find((candidate) => candidate.name === target && (candidate.protocol ?? 'TCP') === protocol);
  return named?.containerPort;
}

function endpointOf(service: Service, pod: Pod, address: string, nodeOf: (name: string) => Node | undefined): Endpoint {
  const { name, namespace = '', uid } = pod.metadata;
  const { nodeName, hostname, subdomain } = pod.spec;
  const zone = nodeName === undefined ? undefined : nodeOf(nodeName)?.metadata.labels?.[ZONE];
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isPodReady(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    targetRef: { kind: 'Pod', namespace, name, ...(uid === undefined ? {} : { uid }) },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
  };
}

function sliceOf(
  service: Service,
  family: 'IPv4' | 'IPv6',
  ports: readonly EndpointPort[],
  endpoints: readonly Endpoint[],
  group: string,
): EndpointSlice {
  const { name, namespace, labels } = service.metadata;
  const isHeadless = service.spec.clusterIP === 'None';
  const suffix = createHash('sha256').update(`${service.metadata.uid} ${family} ${group}`).digest('hex').slice(0, 5);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${suffix}`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER, ...(isHeadless ? { [HEADLESS]: '' } : {}) },
      ownerReferences: [controllerReference(service)],
    },
    addressType: family,
    endpoints,
    ports,
  };
}

function chunks(endpoints: readonly Endpoint[]): readonly (readonly Endpoint[])[] {
  const count = Math.ceil(endpoints.length / MAX_ENDPOINTS);
  return Array.from({ length: count }, (_, i) => endpoints.slice(i * MAX_ENDPOINTS, (i + 1) * MAX_ENDPOINTS));
}
