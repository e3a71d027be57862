/** EndpointSlices: endpoints that are no pods become workloads of their own; pods named by a slice join its service. */
import { type IpAddress, parseIp } from '../address.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import { type ServicePort, serviceKey, type Workload } from '../model.ts';
import { hostnameOf, type ServiceFacts } from './kube-service.ts';
import { fields, list, NOTHING, portNumber, type Reading, text, texts } from './read.ts';

export type SliceFacts = {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** `namespace/name` of the service that it belongs to. */
  readonly service: string;
  /** TCP ports by the service port's name. */
  readonly ports: ReadonlyMap<string, number>;
  /** Addresses that belong to no pod, and whether each is healthy. */
  readonly endpoints: ReadonlyMap<IpAddress, boolean>;
  /** Pods that it names, by `namespace/name`, with the uid of the object meant ('' when not said). */
  readonly pods: ReadonlyMap<string, string>;
};

/** Nothing of a slice that belongs to no service or holds names instead of addresses. */
export function readSlice(slice: KubeObject): Reading<SliceFacts> {
  const { name, namespace = '', labels } = slice.metadata;
  const service = labels?.['kubernetes.io/service-name'];
  if (!service || slice['addressType'] === 'FQDN') return NOTHING;
  const endpoints = new Map<IpAddress, boolean>();
  const pods = new Map<string, string>();
  for (const entry of list(slice['endpoints'])) {
    const endpoint = fields(entry);
    const target = fields(endpoint['targetRef']);
    if (target['kind'] === 'Pod') {
      pods.set(`${text(target['namespace']) || namespace}/${text(target['name'])}`, text(target['uid']));
      continue;
    }
    const healthy = fields(endpoint['conditions'])['ready'] !== false; // not said means ready
    for (const written of texts(endpoint['addresses'])) {
      const address = parseIp(written);
      if (address !== undefined) endpoints.set(address, healthy);
    }
  }
  const ports = new Map<string, number>();
  for (const entry of list(slice['ports'])) {
    const { name: portName, port, protocol = 'TCP' } = fields(entry);
    const number = portNumber(port);
    if (number !== undefined && protocol === 'TCP') ports.set(text(portName), number);
  }
  const facts = {
    key: `${namespace}/${name}`,
    name,
    namespace,
    service: `${namespace}/${service}`,
    ports,
    endpoints,
    pods,
  };
  return { kind: 'facts', facts };
}

/** One workload for each address: known to the mesh, but not in it, and never found by its address. */
export function sliceWorkloads(
  slice: SliceFacts,
  service: ServiceFacts,
  around: { readonly config: MeshConfig; readonly network: string },
): readonly Workload[] {
  const { config, network } = around;
  const ports = service.ports.flatMap((p): readonly ServicePort[] => {
    const targetPort = p.isTcp ? slice.ports.get(p.name) : undefined;
    return targetPort === undefined ? [] : [{ servicePort: p.port, targetPort, appProtocol: 'UNKNOWN' }];
  });
  const services = new Map([
    [serviceKey({ namespace: service.namespace, hostname: hostnameOf(service, config) }), ports],
  ]);
  return [...slice.endpoints].map(([address, healthy]) => ({
    uid: `${config.clusterId}/discovery.k8s.io/EndpointSlice/${slice.key}/${address}`,
    name: slice.name,
    namespace: slice.namespace,
    addresses: [address],
    network,
    tunnelProtocol: 'NONE',
    trustDomain: config.trustDomain,
    serviceAccount: 'default', // what a proxy fills in where none is sent; nobody can prove to be this one
    node: '',
    canonicalName: '',
    canonicalRevision: '',
    workloadType: 'POD',
    workloadName: '',
    nativeTunnel: false,
    authorizationPolicies: [],
    status: healthy ? 'HEALTHY' : 'UNHEALTHY',
    clusterId: config.clusterId,
    hostname: '',
    services,
    networkMode: 'HOST_NETWORK',
    capacity: 1,
  }));
}
