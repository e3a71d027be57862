/** The objects of a mesh, indexed for the questions that analysis asks. */
import { type Enrolment, enrolled } from '../derive/enrolled.ts';
import { type PodFacts, readPod } from '../derive/pod.ts';
import type { Labels } from '../derive/read.ts';
import { labelsOf } from '../derive/read.ts';
import { getOrAdd, LabelIndex } from '../derive/selector.ts';
import { workloadName } from '../derive/workload-name.ts';
import { groupOf, type KubeObject, type MeshConfig } from '../kube-object.ts';
import type { MeshModel } from '../predict/model.ts';
import type { ObjectRef, ObservedFlow } from './finding.ts';

export type AnalyzedPod = {
  readonly object: KubeObject;
  readonly facts: PodFacts;
  readonly namespace: string;
  readonly labels: Labels;
  /** By its labels and those of its namespace: whether it should be in the mesh. */
  readonly enrolment: Enrolment;
  /** What it belongs to, for people. */
  readonly owner: ObjectRef;
};

export type World = {
  readonly model: MeshModel;
  readonly config: MeshConfig;
  /** All objects, ordered by kind and name. */
  readonly all: readonly KubeObject[];
  /** Pods that run or will; finished ones take no part in anything. */
  readonly pods: readonly AnalyzedPod[];
  /** In one namespace or in all. */
  readonly podsSelected: (namespace: string | undefined, selector: Labels) => Iterable<AnalyzedPod>;
  readonly podsIn: (namespace: string) => readonly AnalyzedPod[];
  /** Objects of a kind, by its group and name, as in `security.istio.io/AuthorizationPolicy`; the core group is ''. */
  readonly objects: (kind: string) => readonly KubeObject[];
  readonly find: (kind: string, namespace: string, name: string) => KubeObject | undefined;
  /** Labels of a namespace, with the one that Kubernetes adds. */
  readonly namespaceLabels: (namespace: string) => Labels;
  readonly isAmbient: (namespace: string) => boolean;
  /** What the ledgers of the ztunnels hold; empty when nobody was asked. */
  readonly flows: readonly ObservedFlow[];
};

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';
const DATAPLANE_MODE = 'istio.io/dataplane-mode';

export function worldOf(model: MeshModel, flows: readonly ObservedFlow[] = []): World {
  const byKind = new Map<string, KubeObject[]>();
  const byName = new Map<string, KubeObject>();
  const keyed = model.objects.map((object) => [keyOf(object), object] as const);
  keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)); // so that no finding depends on the order of the objects
  for (const [key, object] of keyed) {
    getOrAdd(byKind, kindOf(object), () => []).push(object);
    byName.set(key, object);
  }
  const objects = (kind: string) => byKind.get(kind) ?? [];
  const find = (kind: string, namespace: string, name: string) => byName.get(`${kind} ${namespace}/${name}`);
  const labelsByNamespace = new Map<string, Labels>();
  const namespaceLabels = (name: string) =>
    getOrAdd(labelsByNamespace, name, () => ({
      [NAMESPACE_NAME]: name,
      ...labelsOf(find('/Namespace', '', name)?.metadata.labels),
    }));
  const pods = objects('/Pod')
    .filter(isLive)
    .map((pod) => analyzed(pod, namespaceLabels(pod.metadata.namespace ?? '')));
  const index = new LabelIndex<AnalyzedPod>();
  const byNamespace = new Map<string, AnalyzedPod[]>();
  for (const pod of pods) {
    index.add(pod);
    getOrAdd(byNamespace, pod.namespace, () => []).push(pod);
  }
  return {
    model,
    config: model.config,
    all: keyed.map(([, object]) => object),
    pods,
    podsSelected: (namespace, selector) => index.selected(namespace, selector),
    podsIn: (namespace) => byNamespace.get(namespace) ?? [],
    objects,
    find,
    namespaceLabels,
    isAmbient: (namespace) => namespaceLabels(namespace)[DATAPLANE_MODE] === 'ambient',
    flows,
  };
}

/** `group/Kind`, whatever the version. */
export function kindOf({ apiVersion, kind }: Pick<KubeObject, 'apiVersion' | 'kind'>): string {
  return `${groupOf(apiVersion)}/${kind}`;
}

function keyOf(object: KubeObject): string {
  return `${kindOf(object)} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

function isLive(pod: KubeObject): boolean {
  const phase = ((pod['status'] ?? {}) as { readonly phase?: unknown }).phase;
  return phase !== 'Succeeded' && phase !== 'Failed';
}

function analyzed(object: KubeObject, namespaceLabels: Labels): AnalyzedPod {
  const facts = readPod(object);
  return {
    object,
    facts,
    namespace: facts.namespace,
    labels: facts.labels,
    enrolment: enrolled(object, namespaceLabels),
    owner: ownerOf(object),
  };
}

/** A ReplicaSet stands for its Deployment, a Job of a schedule for its CronJob. */
function ownerOf(pod: KubeObject): ObjectRef {
  const { name, namespace = '' } = pod.metadata;
  const owner = pod.metadata.ownerReferences?.find((reference) => reference.controller === true);
  if (owner === undefined || !pod.metadata.generateName) return { kind: 'Pod', namespace, name };
  const named = workloadName(pod);
  if (owner.kind === 'ReplicaSet') return { kind: 'Deployment', namespace, name: named };
  return { kind: owner.kind === 'Job' && named !== owner.name ? 'CronJob' : owner.kind, namespace, name: named };
}
