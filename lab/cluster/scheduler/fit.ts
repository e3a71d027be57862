/** Which node a pod may run on, and which of these it gets. Pure; every refusal says why. */
import type { Node, NodeRequirement, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration } from '../types.ts';

export type Placement =
  | { readonly kind: 'node'; readonly node: Node }
  /** Counts of nodes by reason, as `kubectl describe` shows them. */
  | { readonly kind: 'none'; readonly message: string };

/** The fitting node with the fewest pods; the name decides between equals. */
export function placePod(pod: Pod, nodes: readonly Node[], podsOn: (node: string) => number): Placement {
  const reasons = new Map<string, number>();
  const fitting: Node[] = [];
  for (const node of nodes) {
    const reason = whyNot(pod, node);
    if (reason === undefined) fitting.push(node);
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const rank = (node: Node) => podsOn(node.metadata.name);
  const [best] = fitting.toSorted((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
  if (best !== undefined) return { kind: 'node', node: best };
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return { kind: 'none', message: `0/${nodes.length} nodes are available: ${list.join(', ') || 'no nodes'}.` };
}

/** Why the pod cannot be put on the node, or undefined when it can. */
export function whyNot(pod: Pod, node: Node): string | undefined {
  const { spec } = pod;
  if (!selectsNode(spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  const taints = [...(node.spec?.taints ?? [])];
  if (node.spec?.unschedulable === true) taints.push(UNSCHEDULABLE);
  if (!isReady(node)) taints.push(NOT_READY);
  const untolerated = taints.find(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(spec.tolerations, taint),
  );
  if (untolerated === undefined) return undefined;
  if (untolerated === NOT_READY) return 'node(s) were not ready';
  if (untolerated.key === UNSCHEDULABLE.key) return 'node(s) were unschedulable';
  return `node(s) had untolerated taint {${untolerated.key}: ${untolerated.value ?? ''}}`;
}

/** `spec.unschedulable` and a missing Ready condition weigh as the taints that stand for them. */
export const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
export const NOT_READY: Taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };

export const isReady = (node: Node): boolean =>
  (node.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True');

/** nodeSelector and the required part of node affinity; terms are alternatives, requirements in a term all hold. */
export function selectsNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (!Object.entries(spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value)) return false;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms === undefined || terms.some((term) => matchesTerm(term, node));
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  return (
    matchExpressions.every((requirement) => meets(requirement, labels[requirement.key])) &&
    matchFields.every((requirement) => requirement.key === 'metadata.name' && meets(requirement, node.metadata.name))
  );
}

function meets({ operator, values = [] }: NodeRequirement, actual: string | undefined): boolean {
  const [first = ''] = values;
  switch (operator) {
    case 'In':
      return actual !== undefined && values.includes(actual);
    case 'NotIn':
      return actual === undefined || !values.includes(actual);
    case 'Exists':
      return actual !== undefined;
    case 'DoesNotExist':
      return actual === undefined;
    case 'Gt':
      return Number(actual) > Number(first);
    case 'Lt':
      return Number(actual) < Number(first);
    default:
      return false; // an operator that is not known selects nothing
  }
}

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return (tolerations ?? []).some((toleration) => {
    if (toleration.effect !== undefined && toleration.effect !== '' && toleration.effect !== taint.effect) return false;
    if (toleration.operator === 'Exists') return (toleration.key ?? '') === '' || toleration.key === taint.key;
    return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
  });
}
