/** What a DaemonSet needs next: pods to make on which nodes, and pods to remove. Pure. */
import { isReady, NOT_READY, selectsNode, tolerates, UNSCHEDULABLE } from '../scheduler/index.ts';
import type { DaemonSet, Node, Pod, PodSpec, PodTemplate, Taint, Toleration } from '../types.ts';
import { isAvailable, isFinished, isGoing, isPodReady, nextAvailableMs, resolveCount } from './pods.ts';

export const REVISION_HASH = 'controller-revision-hash';

export type DaemonSetPlan = {
  /** Names of nodes that get a pod of the present template. */
  readonly create: readonly string[];
  readonly remove: readonly Pod[];
  readonly status: DaemonSetStatus;
  readonly againMs: number | undefined;
};

export type DaemonSetStatus = {
  readonly currentNumberScheduled: number;
  readonly desiredNumberScheduled: number;
  readonly numberMisscheduled: number;
  readonly numberReady: number;
  readonly updatedNumberScheduled: number;
  readonly numberAvailable: number;
  readonly numberUnavailable: number;
  readonly observedGeneration: number;
};

/** Daemon pods stay on nodes in trouble (k8s.io/kubernetes, daemon controller). */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
  ...['not-ready', 'unreachable'].map((name) => tolerationOf(name, 'NoExecute')),
  ...['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable'].map((name) =>
    tolerationOf(name, 'NoSchedule'),
  ),
];

function tolerationOf(name: string, effect: string): Toleration {
  return { key: `node.kubernetes.io/${name}`, operator: 'Exists', effect };
}

const tolerationsOf = (spec: PodSpec): readonly Toleration[] => [
  ...(spec.tolerations ?? []),
  ...DAEMON_TOLERATIONS,
  tolerationOf('not-ready', 'NoSchedule'),
  tolerationOf('unreachable', 'NoSchedule'),
  ...(spec.hostNetwork === true ? [tolerationOf('network-unavailable', 'NoSchedule')] : []),
];

/** The spec of the pod for one node: bound to it by affinity, tolerating what daemons tolerate. */
export function podSpecFor(template: PodTemplate, node: string): PodSpec {
  const required = template.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const here = { key: 'metadata.name', operator: 'In', values: [node] };
  const terms = (required?.nodeSelectorTerms ?? [{}]).map((term) => ({ ...term, matchFields: [here] }));
  return {
    ...template.spec,
    affinity: {
      ...template.spec.affinity,
      nodeAffinity: {
        ...template.spec.affinity?.nodeAffinity,
        requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms },
      },
    },
    tolerations: tolerationsOf(template.spec),
  };
}

/** The node that a daemon pod is on, or was made for. */
function nodeOf(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName;
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms?.flatMap((term) => term.matchFields ?? []).find(({ key }) => key === 'metadata.name')?.values?.[0];
}

function taintsOf(node: Node): readonly Taint[] {
  const taints = [...(node.spec?.taints ?? [])];
  if (node.spec?.unschedulable === true) taints.push(UNSCHEDULABLE);
  if (!isReady(node)) taints.push(NOT_READY);
  return taints;
}

type Place = {
  readonly node: string;
  readonly shouldRun: boolean;
  readonly shouldStay: boolean;
  /** Neither going nor finished. */
  readonly live: readonly Pod[];
  readonly going: readonly Pod[];
  readonly finished: readonly Pod[];
};

function placeOf(template: PodTemplate, node: Node, pods: readonly Pod[]): Place {
  const tolerations = tolerationsOf(template.spec);
  const against = taintsOf(node).filter((taint) => !tolerates(tolerations, taint));
  const isSelected = selectsNode(template.spec, node);
  const rest = pods.filter((pod) => !isGoing(pod));
  return {
    node: node.metadata.name,
    shouldRun: isSelected && against.every((taint) => taint.effect === 'PreferNoSchedule'),
    shouldStay: isSelected && against.every((taint) => taint.effect !== 'NoExecute'),
    live: rest.filter((pod) => !isFinished(pod)),
    going: pods.filter(isGoing),
    finished: rest.filter(isFinished),
  };
}

/** `pods` are those that the set controls, `hash` stands for its present template. */
export function planDaemonSet(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: Date,
): DaemonSetPlan {
  const { template, minReadySeconds = 0 } = set.spec;
  const byNode = Map.groupBy(pods, (pod) => nodeOf(pod) ?? '');
  const places = nodes
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
    .map((node) => placeOf(template, node, byNode.get(node.metadata.name) ?? []));
  const view: View = {
    isNew: (pod) => pod.metadata.labels?.[REVISION_HASH] === hash,
    isAvailable: (pod) => isAvailable(pod, minReadySeconds, now),
  };
  const status = statusOf(set, places, view);
  const againMs = nextAvailableMs(pods, minReadySeconds, now);
  if (set.metadata.deletionTimestamp !== undefined) return { create: [], remove: [], status, againMs };
  const known = new Set(nodes.map((node) => node.metadata.name));
  const stray = pods.filter((pod) => !isGoing(pod) && !known.has(nodeOf(pod) ?? ''));
  const manage = managePlaces(places, view);
  const roll = set.spec.updateStrategy?.type === 'OnDelete' ? NOTHING : rollPlaces(set, places, view);
  return {
    create: [...new Set([...manage.create, ...roll.create])],
    remove: [...new Set([...stray, ...manage.remove, ...roll.remove])],
    status,
    againMs,
  };
}

type View = { readonly isNew: (pod: Pod) => boolean; readonly isAvailable: (pod: Pod) => boolean };
type Moves = { readonly create: readonly string[]; readonly remove: readonly Pod[] };
const NOTHING: Moves = { create: [], remove: [] };

/** One pod where one should be, none where none may be; during a surge an old and a new one side by side. */
function managePlaces(places: readonly Place[], view: View): Moves {
  const create: string[] = [];
  const remove: Pod[] = [];
  for (const place of places) {
    if (!place.shouldStay) {
      remove.push(...place.live, ...place.finished);
      continue;
    }
    remove.push(...place.finished);
    const youngestLast = place.live.toSorted(byAge);
    remove.push(
      ...youngestLast.filter(view.isNew).slice(1),
      ...youngestLast.filter((pod) => !view.isNew(pod)).slice(1),
    );
    const isEmpty = place.live.length + place.going.length + place.finished.length === 0;
    if (place.shouldRun && isEmpty) create.push(place.node);
  }
  return { create, remove };
}

function byAge(a: Pod, b: Pod): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return x.localeCompare(y) || a.metadata.name.localeCompare(b.metadata.name);
}

function rollPlaces(set: DaemonSet, places: readonly Place[], view: View): Moves {
  const running = places.filter(({ shouldRun, live, going }) => shouldRun && (live.length > 0 || going.length > 0));
  const desired = places.filter(({ shouldRun }) => shouldRun).length;
  const rolling = set.spec.updateStrategy?.rollingUpdate;
  const maxSurge = resolveCount(rolling?.maxSurge, desired, 'up', 0);
  const maxUnavailable = resolveCount(rolling?.maxUnavailable, desired, 'up', 1);
  if (maxSurge > 0) return surge(running, view, maxSurge);
  return replace(running, view, Math.max(1, maxUnavailable) - (desired - running.length));
}

const pairOf = ({ live }: Place, { isNew }: View) => ({
  fresh: live.find(isNew),
  stale: live.find((pod) => !isNew(pod)),
});

/** Removes old pods and lets `managePlaces` make new ones; what serves nobody may always go. */
function replace(places: readonly Place[], view: View, mayBeUnavailable: number): Moves {
  const remove: Pod[] = [];
  const candidates: Pod[] = [];
  let unavailable = 0;
  for (const place of places) {
    const { fresh, stale } = pairOf(place, view);
    const serving = [fresh, stale].find((pod) => pod !== undefined && view.isAvailable(pod));
    if (serving === undefined) unavailable++;
    if (stale === undefined) continue;
    if (fresh !== undefined || serving === undefined) remove.push(stale);
    else candidates.push(stale);
  }
  return { create: [], remove: [...remove, ...candidates.slice(0, Math.max(0, mayBeUnavailable - unavailable))] };
}

/** Makes new pods beside the old ones, which go once the new ones serve. */
function surge(places: readonly Place[], view: View, maxSurge: number): Moves {
  const create: string[] = [];
  const remove: Pod[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const place of places) {
    const { fresh, stale } = pairOf(place, view);
    if (stale === undefined) continue;
    if (fresh !== undefined) {
      if (view.isAvailable(fresh)) remove.push(stale);
      else surging++;
    } else if (view.isAvailable(stale)) {
      candidates.push(place.node);
    } else {
      create.push(place.node);
    }
  }
  return { create: [...create, ...candidates.slice(0, Math.max(0, maxSurge - surging))], remove };
}

function statusOf(set: DaemonSet, places: readonly Place[], view: View): DaemonSetStatus {
  const wanted = places.filter(({ shouldRun }) => shouldRun);
  // During a surge the old pod stands for its node, so that nobody takes the rollout for done before it is gone.
  const oldest = wanted.flatMap(({ live }) => live.toSorted(byAge).slice(0, 1));
  const count = (matches: (pod: Pod) => boolean) => oldest.filter(matches).length;
  const available = count(view.isAvailable);
  return {
    currentNumberScheduled: count(() => true),
    desiredNumberScheduled: wanted.length,
    numberMisscheduled: places.filter(({ shouldRun, live }) => !shouldRun && live.length > 0).length,
    numberReady: count(isPodReady),
    updatedNumberScheduled: count(view.isNew),
    numberAvailable: available,
    numberUnavailable: wanted.length - available,
    observedGeneration: set.metadata.generation ?? 0,
  };
}
