/** The Service `kube-dns`, through which pods reach the DNS server that runs in the supervisor. */
import { isIPv6 } from 'node:net';
import { isConflict } from '../../../core/kube/index.ts';
import { type Client, type EndpointSlice, type Service, TYPES } from '../types.ts';

const NAME = 'kube-dns';
const NAMESPACE = 'kube-system';

/** Makes the Service and a slice per family, or leaves what is right. `servers` are where the DNS server listens. */
export async function ensureDnsService(
  client: Client,
  clusterIp: string,
  servers: readonly { readonly ip: string; readonly port: number }[],
): Promise<void> {
  const found = await client.find<Service>(TYPES.Service, NAME, NAMESPACE);
  if (found === undefined) await orExists(client.create(service(clusterIp, servers)));
  for (const server of servers) {
    const wanted = slice(server.ip, server.port);
    await client.apply(wanted, { fieldManager: 'lab-cluster', force: true });
  }
}

/** Somebody else may have been quicker. */
async function orExists(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}

function service(clusterIp: string, servers: readonly { readonly ip: string }[]): Service {
  const isDual = servers.some(({ ip }) => isIPv6(ip)) && servers.some(({ ip }) => !isIPv6(ip));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      labels: { 'k8s-app': NAME, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
    },
    spec: {
      clusterIP: clusterIp,
      ...(isDual ? { ipFamilyPolicy: 'PreferDualStack' } : {}),
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, targetPort: 53 },
        { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: 53 },
      ],
    },
  };
}

function slice(ip: string, port: number): EndpointSlice {
  const family = isIPv6(ip) ? 'IPv6' : 'IPv4';
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${NAME}-${family.toLowerCase()}`,
      namespace: NAMESPACE,
      labels: { 'kubernetes.io/service-name': NAME, 'endpointslice.kubernetes.io/managed-by': 'lab-cluster' },
    },
    addressType: family,
    endpoints: [{ addresses: [ip], conditions: { ready: true, serving: true, terminating: false } }],
    ports: [
      { name: 'dns', protocol: 'UDP', port },
      { name: 'dns-tcp', protocol: 'TCP', port },
    ],
  };
}
