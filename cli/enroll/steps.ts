/** Bringing the pods of a namespace in and out, and waiting until they are. */
import { RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Cluster } from '../cluster.ts';
import { DATAPLANE_LABEL, isLive, type PodEnrolment, podEnrolment, REDIRECTION } from '../enrolment.ts';
import { CliError } from '../errors.ts';
import { waitUntil } from '../wait.ts';

export type Waiting = { readonly deadlineMs: number; readonly progress: (line: string) => void };
export type PodCounts = Readonly<Record<PodEnrolment, number>>;

/** Throws CliError naming the namespace when it does not exist. */
export async function namespaceLabels(cluster: Cluster, name: string): Promise<Readonly<Record<string, string>>> {
  const namespace = await cluster.get(RESOURCES.Namespace, name);
  if (namespace === undefined) throw new CliError(`namespace ${name} does not exist: kubectl create namespace ${name}`);
  return namespace.metadata.labels ?? {};
}

/** Sets the label, or with null takes it away. */
export async function labelNamespace(cluster: Cluster, name: string, value: 'ambient' | null): Promise<void> {
  await cluster.patch(RESOURCES.Namespace, name, undefined, { metadata: { labels: { [DATAPLANE_LABEL]: value } } });
}

/**
 * Waits until every pod of the namespace stands where its labels say: in the mesh or out of it. Pods that nobody has placed
 * on a node yet are not waited for. Throws CliError at the deadline, naming one that is missing and its node.
 */
export async function waitForPods(cluster: Cluster, name: string, waiting: Waiting): Promise<PodCounts> {
  let counts = count([], {});
  await waitUntil(
    `namespace ${name}`,
    async () => {
      const labels = await namespaceLabels(cluster, name);
      const pods = (await cluster.list(RESOURCES.Pod, { namespace: name })).filter(
        (pod) => isLive(pod) && hasNetwork(pod),
      );
      counts = count(pods, labels);
      const late = pods.filter((pod) => ['missing', 'pending', 'leaving'].includes(podEnrolment(pod, labels)));
      const [first] = late;
      if (first === undefined) return [];
      const done = pods.length - late.length;
      return [
        `${done} of ${pods.length} pods are done; ${first.metadata.name} is not (${podEnrolment(first, labels)}, node ${nodeOf(first)})`,
      ];
    },
    waiting,
  );
  return counts;
}

function count(pods: readonly KubeObject[], labels: Readonly<Record<string, string>>): PodCounts {
  const counts = { enrolled: 0, pending: 0, missing: 0, leaving: 0, outside: 0 };
  for (const pod of pods) counts[podEnrolment(pod, labels)] += 1;
  return counts;
}

const nodeOf = (pod: KubeObject) => (pod['spec'] as { readonly nodeName?: string } | undefined)?.nodeName;

/** There is nothing to capture before. The plugin captures a new pod a moment before its address is told. */
function hasNetwork(pod: KubeObject): boolean {
  const { podIP, podIPs } = (pod['status'] ?? {}) as { readonly podIP?: string; readonly podIPs?: readonly unknown[] };
  const isCaptured = pod.metadata.annotations?.[REDIRECTION] !== undefined;
  return isCaptured || (nodeOf(pod) !== undefined && (podIP !== undefined || (podIPs ?? []).length > 0));
}

/** Makes the namespace refuse plaintext: by the object that it has for all of its pods, or a new one. */
export async function refusePlaintext(cluster: Cluster, namespace: string): Promise<string> {
  const spec = { mtls: { mode: 'STRICT' } };
  const all = await cluster.list(RESOURCES.PeerAuthentication, { namespace });
  const [held] = all.filter(isWide).sort(olderFirst);
  const name = held?.metadata.name ?? 'default';
  if (held !== undefined) await cluster.patch(RESOURCES.PeerAuthentication, name, namespace, { spec });
  else {
    const { apiVersion, kind } = RESOURCES.PeerAuthentication;
    await cluster.apply({ apiVersion, kind, metadata: { namespace, name }, spec });
  }
  return name;
}

function isWide(object: KubeObject): boolean {
  const { selector } = (object['spec'] ?? {}) as { readonly selector?: { readonly matchLabels?: object } };
  return Object.keys(selector?.matchLabels ?? {}).length === 0;
}

/** The oldest counts. */
function olderFirst(a: KubeObject, b: KubeObject): number {
  const [first, second] = [a, b].map(({ metadata }) => `${metadata.creationTimestamp ?? '9999'} ${metadata.name}`);
  return (first ?? '') < (second ?? '') ? -1 : 1;
}
