/** Pods: what derivation reads of them, and the workload that one becomes. */
import { type IpAddress, parseIp } from '../address.ts';
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { Workload } from '../model.ts';
import { fields, type Labels, labelsOf, list, portNumber, text } from './read.ts';
import { type Tunnel, tunnelOf } from './tunnel.ts';
import { type WaypointWish, waypointWish } from './waypoint-wish.ts';
import { canonicalName, canonicalRevision, workloadName } from './workload-name.ts';
import type { WorkloadSurroundings } from './workload-surroundings.ts';

export type PodFacts = {
  readonly kind: 'Pod';
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  /** The object's own uid: tells two pods of one name apart. */
  readonly objectUid: string;
  readonly labels: Labels;
  readonly node: string;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  /** Absent while the pod has none, or none that can be read, and once it has ended. */
  readonly addresses: readonly IpAddress[] | undefined;
  readonly healthy: boolean;
  readonly tunnel: Tunnel;
  /** TCP container ports by name. */
  readonly ports: ReadonlyMap<string, number>;
  readonly workloadName: string;
  readonly waypoint: WaypointWish | undefined;
};

export function readPod(pod: KubeObject): PodFacts {
  const { name, namespace = '', annotations, deletionTimestamp } = pod.metadata;
  const labels = labelsOf(pod.metadata.labels);
  const spec = fields(pod['spec']);
  const status = fields(pod['status']);
  const ready = list(status['conditions']).some((c) => fields(c)['type'] === 'Ready' && fields(c)['status'] === 'True');
  return {
    kind: 'Pod',
    key: `${namespace}/${name}`,
    name,
    namespace,
    objectUid: pod.metadata.uid ?? '',
    labels,
    node: text(spec['nodeName']),
    serviceAccount: text(spec['serviceAccountName']) || text(spec['serviceAccount']) || 'default',
    hostNetwork: spec['hostNetwork'] === true,
    addresses: addressesOf(status),
    healthy: ready && deletionTimestamp === undefined,
    tunnel: tunnelOf(labels, annotations),
    ports: portsOf(spec),
    workloadName: workloadName(pod),
    waypoint: waypointWish(labels),
  };
}

/** The workload of a pod; undefined while it has no address. */
export function podWorkload(pod: PodFacts, around: WorkloadSurroundings): Workload | undefined {
  if (pod.addresses === undefined) return undefined;
  const { config } = around;
  return {
    uid: podUid(pod, config),
    name: pod.name,
    namespace: pod.namespace,
    addresses: pod.addresses,
    network: around.network,
    tunnelProtocol: pod.tunnel === 'NONE' ? 'NONE' : 'HBONE',
    trustDomain: config.trustDomain,
    serviceAccount: pod.serviceAccount,
    ...(around.waypoint && { waypoint: around.waypoint }),
    node: pod.node,
    canonicalName: canonicalName(pod.labels, pod.workloadName),
    canonicalRevision: canonicalRevision(pod.labels),
    workloadType: 'POD',
    workloadName: pod.workloadName,
    nativeTunnel: pod.tunnel === 'NATIVE',
    authorizationPolicies: around.authorizationPolicies,
    status: pod.healthy ? 'HEALTHY' : 'UNHEALTHY',
    clusterId: config.clusterId,
    hostname: '',
    services: around.services,
    ...(around.applicationTunnel && { applicationTunnel: around.applicationTunnel }),
    ...(around.locality && { locality: around.locality }),
    networkMode: pod.hostNetwork ? 'HOST_NETWORK' : 'STANDARD',
    capacity: 1,
  };
}

// An ended pod's address may already belong to another pod.
function addressesOf(status: Readonly<Record<string, unknown>>): readonly IpAddress[] | undefined {
  if (status['phase'] === 'Failed' || status['phase'] === 'Succeeded') return undefined;
  const written = list(status['podIPs']).map((entry) => text(fields(entry)['ip']));
  if (written.length === 0) written.push(text(status['podIP']));
  const addresses: IpAddress[] = [];
  for (const one of written) {
    const ip = parseIp(one);
    if (ip === undefined) return undefined;
    addresses.push(ip);
  }
  return addresses;
}

function portsOf(spec: Readonly<Record<string, unknown>>): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  // Init containers that keep running (native sidecars) serve, too.
  const sidecars = list(spec['initContainers']).filter((c) => fields(c)['restartPolicy'] === 'Always');
  for (const container of [...list(spec['containers']), ...sidecars]) {
    for (const entry of list(fields(container)['ports'])) {
      const { name, containerPort, protocol } = fields(entry);
      const number = portNumber(containerPort);
      if (number === undefined || (protocol ?? 'TCP') !== 'TCP') continue;
      if (text(name) !== '' && !ports.has(text(name))) ports.set(text(name), number);
    }
  }
  return ports;
}

/** The resource name of a pod's workload. */
export function podUid({ key }: Pick<PodFacts, 'key'>, { clusterId }: Pick<MeshConfig, 'clusterId'>): string {
  return `${clusterId}//Pod/${key}`;
}
