/** What a lab is and does, for people and programs. */
import { kubeClient, RESOURCES } from '../core/kube/index.ts';
import type { KubeObject } from '../mesh/index.ts';
import { nodesOf } from './addresses.ts';
import { labRuns, readLabInfo } from './lab-info.ts';
import type { LabPaths } from './paths.ts';

export type LabStatus = {
  readonly name: string;
  readonly state: 'running' | 'starting' | 'dead' | 'absent';
  readonly pid?: number;
  readonly api?: string;
  readonly kubeconfig?: string;
  readonly startedAt?: string;
  readonly nodes?: readonly NodeStatus[];
  /** Why the nodes could not be asked for. */
  readonly problem?: string;
};

export type NodeStatus = {
  readonly name: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
  readonly pods: { readonly running: number; readonly total: number };
};

type NodeObject = KubeObject & {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
};
type PodObject = KubeObject & {
  readonly spec: { readonly nodeName?: string };
  readonly status?: { readonly phase?: string };
};

/** Never throws for a lab that is not well: that is what the status says. */
export async function status(paths: LabPaths): Promise<LabStatus> {
  const info = readLabInfo(paths);
  if (info === undefined) return { name: paths.name, state: 'absent' };
  const { name, pid, startedAt } = info;
  if (!labRuns(info)) return { name, state: 'dead', startedAt };
  const known = {
    name,
    pid,
    api: `https://127.0.0.1:${info.apiPort}`,
    kubeconfig: paths.kubeconfig,
    startedAt,
    state: info.phase === 'ready' ? ('running' as const) : ('starting' as const),
  };
  try {
    return { ...known, nodes: await nodes(paths, info.nodes) };
  } catch (error) {
    return { ...known, problem: error instanceof Error ? error.message : String(error) };
  }
}

async function nodes(paths: LabPaths, count: number): Promise<readonly NodeStatus[]> {
  await using client = kubeClient({ kubeconfig: paths.kubeconfig, env: {} });
  const [objects, pods] = await Promise.all([
    client.list<NodeObject>(RESOURCES.Node),
    client.list<PodObject>(RESOURCES.Pod),
  ]);
  return nodesOf(count).map(({ name, ip4, ip6, podCidr4, podCidr6 }) => {
    const conditions = objects.items.find(({ metadata }) => metadata.name === name)?.status?.conditions;
    const here = pods.items.filter(({ spec }) => spec.nodeName === name);
    return {
      name,
      ready: conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true,
      addresses: [ip4, ip6],
      podCidrs: [podCidr4, podCidr6],
      pods: { running: here.filter((pod) => pod.status?.phase === 'Running').length, total: here.length },
    };
  });
}
