/** Whether a node is alive, by its Lease. Pure. */
import type { Condition, Lease, Node, Pod, Taint } from '../types.ts';
import { timestamp, withCondition } from '../workloads/index.ts';

/** A kubelet renews every 10 s; four missed renewals mean trouble (node lifecycle controller of Kubernetes). */
const GRACE_MS = 40_000;

const UNREACHABLE = 'node.kubernetes.io/unreachable';
const NOT_READY = 'node.kubernetes.io/not-ready';

export type NodeVerdict = {
  /** New conditions, when they must change. */
  readonly conditions: readonly Condition[] | undefined;
  /** New taints, when they must change. */
  readonly taints: readonly Taint[] | undefined;
  readonly isAlive: boolean;
  /** When the lease will be too old if nothing renews it. */
  readonly againMs: number;
};

/** `lease` is undefined while the kubelet has made none: then its last word is when the node was made. */
export function judgeNode(node: Node, lease: Lease | undefined, now: Date): NodeVerdict {
  const renewed = Date.parse(lease?.spec?.renewTime ?? node.metadata.creationTimestamp ?? '');
  const leftMs = (Number.isNaN(renewed) ? now.getTime() : renewed) + GRACE_MS - now.getTime();
  const isAlive = leftMs > 0;
  const known = node.status?.conditions ?? [];
  const ready = known.find(({ type }) => type === 'Ready');
  const status = isAlive ? (ready?.status ?? 'Unknown') : 'Unknown';
  const mustChange = !isAlive && ready?.status !== 'Unknown';
  const unknown: Condition = {
    type: 'Ready',
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  };
  return {
    conditions: mustChange ? withCondition(known, unknown, now) : undefined,
    taints: taintsFor(node.spec?.taints ?? [], status, now),
    isAlive,
    againMs: Math.max(1, isAlive ? leftMs : GRACE_MS),
  };
}

/** The node's taints with the two that tell its health set or taken away; undefined when they are right. */
function taintsFor(taints: readonly Taint[], ready: string, now: Date): readonly Taint[] | undefined {
  const key = ready === 'True' ? undefined : ready === 'False' ? NOT_READY : UNREACHABLE;
  const isOurs = (taint: Taint) => taint.key === UNREACHABLE || taint.key === NOT_READY;
  const others = taints.filter((taint) => !isOurs(taint));
  const present = taints.filter(isOurs);
  const effects = ['NoSchedule', 'NoExecute'];
  const isRight =
    key === undefined
      ? present.length === 0
      : present.length === effects.length &&
        effects.every((effect) => present.some((taint) => taint.key === key && taint.effect === effect));
  if (isRight) return undefined;
  if (key === undefined) return others;
  return [...others, ...effects.map((effect) => ({ key, effect, timeAdded: timestamp(now) }))];
}

/** The conditions of a pod whose node went silent, or undefined when it is not ready anyway: services must stop using it. */
export function conditionsOnDeadNode(pod: Pod, now: Date): readonly Condition[] | undefined {
  const conditions = pod.status?.conditions ?? [];
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return undefined;
  return withCondition(conditions, { ...ready, status: 'False', reason: 'NodeNotReady' }, now);
}
