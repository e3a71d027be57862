/** What a pod may know about itself: the downward API. */
import { MeshError } from '../../mesh/index.ts';
import type { Container, Pod, ResourceFieldRef } from './pod.ts';
import { parseQuantity } from './quantity.ts';

/** What the node adds to the pod's object. */
export type PodFacts = {
  readonly podIps: readonly string[];
  readonly hostIps: readonly string[];
  readonly capacity: { readonly cpu: number; readonly memory: number };
};

const KEYED = /^metadata\.(labels|annotations)\['([^']+)'\]$/;

/** @throws MeshError FIELD_REF_INVALID */
export function fieldValue(pod: Pod, facts: PodFacts, path: string): string {
  const keyed = KEYED.exec(path);
  if (keyed) return pod.metadata[keyed[1] === 'labels' ? 'labels' : 'annotations']?.[keyed[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace;
    case 'metadata.uid':
      return pod.metadata.uid;
    case 'metadata.labels':
      return quoted(pod.metadata.labels);
    case 'metadata.annotations':
      return quoted(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? '';
    case 'status.podIP':
      return facts.podIps[0] ?? '';
    case 'status.podIPs':
      return facts.podIps.join(',');
    case 'status.hostIP':
      return facts.hostIps[0] ?? '';
    case 'status.hostIPs':
      return facts.hostIps.join(',');
    default:
      throw new MeshError('FIELD_REF_INVALID', `there is no field "${path}" for a pod to know`);
  }
}

const quoted = (map: Readonly<Record<string, string>> | undefined): string =>
  Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');

/** A limit that is not set is what the node has. @throws MeshError FIELD_REF_INVALID */
export function resourceValue(container: Container, facts: PodFacts, ref: ResourceFieldRef): string {
  const [kind, name = ''] = ref.resource.split('.');
  if ((kind !== 'limits' && kind !== 'requests') || name === '') {
    throw new MeshError('FIELD_REF_INVALID', `there is no resource "${ref.resource}" for a pod to know`);
  }
  const given = container.resources?.[kind]?.[name];
  const whole = name === 'cpu' ? facts.capacity.cpu : name === 'memory' ? facts.capacity.memory : 0;
  const value = given === undefined ? (kind === 'limits' ? whole : 0) : parseQuantity(given);
  const divisor = ref.divisor === undefined || ref.divisor === '0' ? 1 : parseQuantity(ref.divisor);
  return String(Math.ceil(value / divisor - 1e-9)); // upwards, as upstream: 250m CPU are 1
}
