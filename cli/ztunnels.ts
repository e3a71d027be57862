/** The ztunnels of a mesh, asked at their admin ports. */
import { RESOURCES } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';
import type { Cluster } from './cluster.ts';
import { isLive } from './enrolment.ts';
import { CliError, UsageError } from './errors.ts';
import { HttpStatusError } from './http-over.ts';

export type Ztunnels = {
  readonly cluster: Cluster;
  /** Namespace of the mesh. */
  readonly namespace: string;
  readonly adminPort: number;
};

/** Nodes with the reason why they did not answer. */
export type Silent = { readonly node: string; readonly reason: string };

export type Answers<T> = {
  /** Nodes with a ztunnel. */
  readonly asked: readonly string[];
  readonly answers: readonly { readonly node: string; readonly value: T }[];
  readonly silent: readonly Silent[];
};

export const DEFAULT_ADMIN_PORT = 15_000;

/** A port as it is written on the command line. Throws UsageError. */
export function adminPort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new UsageError(`--proxy-admin-port ${text}: not a port`);
  return port;
}

export type Asking<T> = {
  readonly path: string;
  /** Throws for what it can not read. */
  readonly read: (text: string, place: string) => T;
  /** Stands for HTTP 404; without it, that is no answer either. */
  readonly notFound?: () => T;
  /** All when absent. */
  readonly nodes?: readonly string[];
};

/** Port-forwards at a time; a mesh may have a thousand nodes. */
const AT_ONCE = 16;

/** Asks them, some at a time; without any there is no answer. One that does not answer is named, never an error. */
export async function askZtunnels<T>(
  { cluster, namespace, adminPort: port }: Ztunnels,
  { nodes, ...asking }: Asking<T>,
): Promise<Answers<T>> {
  const all = (await cluster.list(RESOURCES.Pod, { namespace, labelSelector: 'app=ztunnel' })).filter(isLive);
  const pods = nodes === undefined ? all : all.filter((pod) => nodes.includes(nodeOf(pod)));
  const { answers, silent } = await askPods(cluster, port, pods, asking, nodeOf);
  const absent = (nodes ?? [])
    .filter((node) => !pods.some((pod) => nodeOf(pod) === node))
    .map((node) => ({ node, reason: 'no ztunnel runs there' }));
  return { asked: all.map(nodeOf), answers, silent: [...absent, ...silent].sort(byNode) };
}

/** Asks pods at their admin ports. `node` of an answer is what `placeOf` calls the pod. */
export async function askPods<T>(
  cluster: Cluster,
  port: number,
  pods: readonly KubeObject[],
  { path, read, notFound }: Omit<Asking<T>, 'nodes'>,
  placeOf: (pod: KubeObject) => string,
): Promise<Omit<Answers<T>, 'asked'>> {
  const answers: { node: string; value: T }[] = [];
  const silent: Silent[] = [];
  const ask = async (pod: KubeObject) => {
    const { name, namespace = '' } = pod.metadata;
    try {
      const value = read(await cluster.podHttp({ namespace, name }, port, path), name);
      answers.push({ node: placeOf(pod), value });
    } catch (error) {
      const absent = error instanceof HttpStatusError && error.status === 404 ? notFound : undefined;
      if (absent !== undefined) answers.push({ node: placeOf(pod), value: absent() });
      else silent.push({ node: placeOf(pod), reason: error instanceof Error ? error.message : String(error) });
    }
  };
  for (let first = 0; first < pods.length; first += AT_ONCE) {
    await Promise.all(pods.slice(first, first + AT_ONCE).map(ask));
  }
  return { answers: answers.sort(byNode), silent: silent.sort(byNode) };
}

const byNode = (a: { readonly node: string }, b: { readonly node: string }) => (a.node < b.node ? -1 : 1);

/** The same where without any ztunnel there is nothing to say. Throws CliError when none runs. */
export async function mustAskZtunnels<T>(ztunnels: Ztunnels, asking: Asking<T>): Promise<Answers<T>> {
  const answers = await askZtunnels(ztunnels, asking);
  if (answers.asked.length === 0) {
    throw new CliError(
      `no ztunnel runs in namespace ${ztunnels.namespace}: is the mesh installed? Try \`ambit status\``,
    );
  }
  return answers;
}

function nodeOf(pod: KubeObject): string {
  return (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? pod.metadata.name;
}
