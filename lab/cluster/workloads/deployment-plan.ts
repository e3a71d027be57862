/** What a Deployment needs next: which ReplicaSets to make, scale and forget. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { Deployment, PodTemplate, ReplicaSet } from '../types.ts';
import { resolveCount } from './pods.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const TEMPLATE_HASH = 'pod-template-hash';

export type DeploymentPlan = {
  /** The set of the present template; undefined when it has to be made. */
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  /** Number of the present template among all there were. */
  readonly revision: number;
  /** Make the set of the present template, with so many replicas. */
  readonly create: { readonly replicas: number } | undefined;
  readonly scale: readonly { readonly set: ReplicaSet; readonly replicas: number }[];
  /** Old, empty ones beyond the history that is kept. */
  readonly forget: readonly ReplicaSet[];
};

export type Bounds = { readonly maxSurge: number; readonly maxUnavailable: number };

/** Surge is rounded up, unavailability down; both zero would never move, so one pod may then be unavailable. */
export function rollingBounds(deployment: Deployment): Bounds {
  const { replicas = 1, strategy } = deployment.spec;
  if (strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: replicas };
  const maxSurge = resolveCount(strategy?.rollingUpdate?.maxSurge, replicas, 'up', 1);
  const maxUnavailable = Math.min(resolveCount(strategy?.rollingUpdate?.maxUnavailable, replicas, 'down', 0), replicas);
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge, maxUnavailable: 1 } : { maxSurge, maxUnavailable };
}

/** `sets` are those that the deployment controls; `oldPods` tells whether pods of old templates are still there. */
export function planDeployment(deployment: Deployment, sets: readonly ReplicaSet[], oldPods: boolean): DeploymentPlan {
  const { paused = false, strategy } = deployment.spec;
  const current = sets.toSorted(byAge).find((set) => hasTemplate(set, deployment.spec.template));
  const old = sets.filter((set) => set !== current).sort(byAge);
  const state: State = { deployment, current, old, ...rollingBounds(deployment) };
  const base = { current, old, revision: revisionOf(current, old), create: undefined, scale: [], forget: [] };
  if (deployment.metadata.deletionTimestamp !== undefined) return base;
  if (paused) return { ...base, scale: scaleWhilePaused(state) };
  const moves = strategy?.type === 'Recreate' ? recreate(state, oldPods) : roll(state);
  return { ...base, ...moves, forget: forgettable(state) };
}

type State = Bounds & {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
};
type Moves = Pick<DeploymentPlan, 'create' | 'scale'>;

const replicasOf = (set: ReplicaSet | undefined): number => (set === undefined ? 0 : (set.spec.replicas ?? 1));
const availableOf = (set: ReplicaSet | undefined): number => set?.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + count(set), 0);

function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return x.localeCompare(y) || a.metadata.name.localeCompare(b.metadata.name);
}

/** The hash label is the set's own and does not count. */
function hasTemplate(set: ReplicaSet, template: PodTemplate): boolean {
  const { [TEMPLATE_HASH]: _hash, ...labels } = set.spec.template.metadata?.labels ?? {};
  const metadata = { ...set.spec.template.metadata, labels };
  const wanted = { ...template.metadata, labels: template.metadata?.labels ?? {} };
  return isDeepStrictEqual(set.spec.template.spec, template.spec) && isDeepStrictEqual(metadata, wanted);
}

const revision = (set: ReplicaSet): number => Number(set.metadata.annotations?.[REVISION] ?? 0) || 0;

function revisionOf(current: ReplicaSet | undefined, old: readonly ReplicaSet[]): number {
  const highest = Math.max(0, ...old.map(revision));
  return Math.max(highest + 1, current === undefined ? 0 : revision(current));
}

function scaleWhilePaused({ deployment, current, old }: State): Moves['scale'] {
  const active = [...old, ...(current === undefined ? [] : [current])].filter((set) => replicasOf(set) > 0);
  const [only, ...others] = active.length > 0 ? active : current === undefined ? [] : [current];
  const wanted = deployment.spec.replicas ?? 1;
  if (only === undefined || others.length > 0 || replicasOf(only) === wanted) return [];
  return [{ set: only, replicas: wanted }];
}

/** First all of the old, then all of the new. */
function recreate({ deployment, current, old }: State, oldPods: boolean): Moves {
  const running = old.filter((set) => replicasOf(set) > 0);
  if (running.length > 0) return { create: undefined, scale: running.map((set) => ({ set, replicas: 0 })) };
  if (oldPods) return { create: undefined, scale: [] };
  const replicas = deployment.spec.replicas ?? 1;
  if (current === undefined) return { create: { replicas }, scale: [] };
  return { create: undefined, scale: replicasOf(current) === replicas ? [] : [{ set: current, replicas }] };
}

function roll(state: State): Moves {
  const { deployment, current, old } = state;
  const wanted = deployment.spec.replicas ?? 1;
  const oldTotal = sum(old, replicasOf);
  const room = wanted + state.maxSurge - oldTotal - replicasOf(current);
  const present = replicasOf(current);
  const next = present >= wanted ? wanted : present + Math.max(0, Math.min(room, wanted - present));
  const scale = scaleDownOld(state, wanted);
  if (current === undefined) return { create: { replicas: next }, scale };
  return { create: undefined, scale: next === present ? scale : [{ set: current, replicas: next }, ...scale] };
}

/** Old pods that are not available go first: they serve nobody. Then as many as availability allows. */
function scaleDownOld({ current, old, maxUnavailable }: State, wanted: number): Moves['scale'] {
  const minAvailable = wanted - maxUnavailable;
  const total = sum(old, replicasOf) + replicasOf(current);
  const newUnavailable = replicasOf(current) - availableOf(current);
  let spare = Math.max(0, total - minAvailable - newUnavailable);
  const target = new Map(old.map((set) => [set, replicasOf(set)]));
  const take = (set: ReplicaSet, most: number): number => {
    const count = Math.max(0, Math.min(target.get(set) ?? 0, most));
    target.set(set, (target.get(set) ?? 0) - count);
    return count;
  };
  for (const set of old) spare -= take(set, Math.min(spare, replicasOf(set) - availableOf(set)));
  let surplus = sum(old, availableOf) + availableOf(current) - minAvailable;
  for (const set of old) {
    const count = take(set, Math.min(spare, surplus));
    spare -= count;
    surplus -= count;
  }
  return old
    .filter((set) => target.get(set) !== replicasOf(set))
    .map((set) => ({ set, replicas: target.get(set) ?? 0 }));
}

function forgettable({ deployment, old }: State): readonly ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit ?? 10;
  const empty = old
    .filter((set) => replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0)
    .filter((set) => set.metadata.deletionTimestamp === undefined)
    .sort((a, b) => revision(a) - revision(b));
  return empty.slice(0, Math.max(0, empty.length - limit));
}
