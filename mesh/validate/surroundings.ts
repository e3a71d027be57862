/** What validation may know of the rest of the mesh. Everything may be unknown: then nothing that depends on it is found. */

import { type Labels, labelsOf } from '../derive/read.ts';
import { groupOf, type KubeObject, type MeshConfig } from '../kube-object.ts';

export type Surroundings = {
  readonly config: MeshConfig;
  /** All objects of a kind, in one namespace or in all; undefined: they are not known here. */
  readonly objects: (kind: SurroundingKind, namespace?: string) => Iterable<KubeObject> | undefined;
};

/** `Gateway` and `ReferenceGrant` are those of the Gateway API. */
export type SurroundingKind =
  | 'Pod'
  | 'Service'
  | 'Namespace'
  | 'ServiceEntry'
  | 'WorkloadEntry'
  | 'Gateway'
  | 'ReferenceGrant'
  | 'AuthorizationPolicy'
  | 'PeerAuthentication';

const GROUPS: Readonly<Record<SurroundingKind, string>> = {
  Pod: '',
  Service: '',
  Namespace: '',
  ServiceEntry: 'networking.istio.io',
  WorkloadEntry: 'networking.istio.io',
  Gateway: 'gateway.networking.k8s.io',
  ReferenceGrant: 'gateway.networking.k8s.io',
  AuthorizationPolicy: 'security.istio.io',
  PeerAuthentication: 'security.istio.io',
};

/** An object is judged by itself alone. */
export function nothingKnown(config: MeshConfig): Surroundings {
  return { config, objects: () => undefined };
}

/** These objects are the whole mesh: what is not among them does not exist. */
export function surroundingsOf(all: Iterable<KubeObject>, config: MeshConfig): Surroundings {
  const held = new Map<string, KubeObject[]>();
  const put = (key: string, object: KubeObject): void => {
    const list = held.get(key);
    if (list === undefined) held.set(key, [object]);
    else list.push(object);
  };
  for (const object of all) {
    const group = groupOf(object.apiVersion);
    put(`${group}/${object.kind}`, object);
    put(`${group}/${object.kind}/${object.metadata.namespace ?? ''}`, object);
  }
  return {
    config,
    objects: (kind, namespace) => {
      const whole = `${GROUPS[kind]}/${kind}`;
      return held.get(namespace === undefined ? whole : `${whole}/${namespace}`) ?? [];
    },
  };
}

/** Whether something with all these labels runs there; undefined: that is not known. */
export function selectsAny(around: Surroundings, namespace: string | undefined, selector: Labels): boolean | undefined {
  const pods = around.objects('Pod', namespace);
  if (pods === undefined) return undefined;
  for (const workloads of [pods, around.objects('WorkloadEntry', namespace) ?? []]) {
    for (const workload of workloads) if (hasAll(workloadLabels(workload), selector)) return true;
  }
  return false;
}

/** Labels of a workload; a WorkloadEntry has some in its spec as well. */
function workloadLabels(workload: KubeObject): Labels {
  const { labels } = workload.metadata;
  if (workload.kind !== 'WorkloadEntry') return labels ?? {};
  const spec = workload['spec'] as { readonly labels?: unknown } | undefined;
  return { ...labels, ...labelsOf(spec?.labels) };
}

function hasAll(labels: Labels, selector: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

/** The object, null when there is none, undefined when objects of this kind are not known. */
export function findObject(
  around: Surroundings,
  kind: SurroundingKind,
  namespace: string,
  name: string,
): KubeObject | null | undefined {
  const objects = around.objects(kind, kind === 'Namespace' ? undefined : namespace);
  if (objects === undefined) return undefined;
  for (const object of objects) if (object.metadata.name === name) return object;
  return null;
}
