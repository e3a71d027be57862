/** WorkloadEntries: machines outside of Kubernetes as workloads (controller.md section 1.7). */
import type { KubeObject, MeshConfig } from '../kube-object.ts';
import type { Workload } from '../model.ts';
import { type EndpointFacts, readEndpoint } from './endpoint.ts';
import { type ConditionTarget, conditionTarget } from './outputs.ts';
import { fields, type Labels, labelsOf, list, type Reading } from './read.ts';
import { type Tunnel, tunnelOf } from './tunnel.ts';
import { type WaypointWish, waypointWish } from './waypoint-wish.ts';
import { canonicalName, canonicalRevision } from './workload-name.ts';
import type { WorkloadSurroundings } from './workload-surroundings.ts';

export type WorkloadEntryFacts = {
  readonly kind: 'WorkloadEntry';
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly target: ConditionTarget;
  /** Those of the endpoint, under those of the object itself. */
  readonly labels: Labels;
  readonly endpoint: EndpointFacts;
  readonly healthy: boolean;
  readonly tunnel: Tunnel;
  readonly waypoint: WaypointWish | undefined;
  readonly workloadName: string;
};

export function readWorkloadEntry(object: KubeObject): Reading<WorkloadEntryFacts> {
  const { name, namespace = '', annotations } = object.metadata;
  const reading = readEndpoint(object['spec'], 'spec');
  if (reading.kind !== 'facts') return reading;
  const endpoint = reading.facts;
  const own = labelsOf(object.metadata.labels);
  const labels = { ...endpoint.labels, ...own };
  return {
    kind: 'facts',
    facts: {
      kind: 'WorkloadEntry',
      key: `${namespace}/${name}`,
      name,
      namespace,
      target: conditionTarget(object),
      labels,
      endpoint,
      healthy: isHealthy(object),
      tunnel: tunnelOf(labels, annotations),
      waypoint: waypointWish(own),
      workloadName:
        labelsOf(annotations)['istio.io/autoRegistrationGroup'] || labels['service.istio.io/workload-name'] || name,
    },
  };
}

/** Registered machines report; the reference does not listen, and sends traffic to machines that are down. */
function isHealthy(object: KubeObject): boolean {
  const conditions = list(fields(object['status'])['conditions']).map(fields);
  return !conditions.some(({ type, status }) => type === 'Healthy' && status === 'False');
}

export function entryWorkload(entry: WorkloadEntryFacts, around: WorkloadSurroundings): Workload {
  const uid = workloadEntryUid(entry, around.config);
  return { ...endpointWorkload(entry.endpoint, around), uid, ...namesOf(entry, entry.labels) };
}

/** What every endpoint outside of Kubernetes amounts to; who it is, its object says. */
export function endpointWorkload(endpoint: EndpointFacts, around: WorkloadSurroundings) {
  const { config } = around;
  const locality = endpoint.locality;
  return {
    addresses: endpoint.ip === undefined ? [] : [endpoint.ip],
    network: endpoint.network || around.network,
    trustDomain: config.trustDomain,
    serviceAccount: endpoint.serviceAccount,
    ...(around.waypoint && { waypoint: around.waypoint }),
    node: '',
    workloadType: 'POD',
    authorizationPolicies: around.authorizationPolicies,
    clusterId: config.clusterId,
    hostname: endpoint.hostname,
    services: around.services,
    ...(locality && { locality }),
    networkMode: 'STANDARD',
    capacity: endpoint.weight,
  } as const;
}

type Named = {
  readonly name: string;
  readonly namespace: string;
  readonly workloadName: string;
  readonly healthy: boolean;
  readonly tunnel: Tunnel;
};

export function namesOf({ name, namespace, workloadName, healthy, tunnel }: Named, labels: Labels) {
  return {
    name,
    namespace,
    workloadName,
    canonicalName: canonicalName(labels, workloadName),
    canonicalRevision: canonicalRevision(labels),
    tunnelProtocol: tunnel === 'NONE' ? 'NONE' : 'HBONE',
    nativeTunnel: tunnel === 'NATIVE',
    status: healthy ? 'HEALTHY' : 'UNHEALTHY',
  } as const;
}

/** The resource name of an entry's workload. */
export function workloadEntryUid(
  { key }: Pick<WorkloadEntryFacts, 'key'>,
  { clusterId }: Pick<MeshConfig, 'clusterId'>,
): string {
  return `${clusterId}/networking.istio.io/WorkloadEntry/${key}`;
}
