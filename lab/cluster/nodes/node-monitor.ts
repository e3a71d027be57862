/** Watches the Leases of kubelets, and cleans up after nodes that are gone. */
import { type Cache, type EventRecorder, WorkQueue } from '../machinery/index.ts';
import type { Lease, Node, Pod } from '../types.ts';
import { conditionsOnDeadNode, judgeNode } from './node-health.ts';

export type NodeMonitorDeps = {
  readonly nodes: Cache<Node>;
  readonly leases: Cache<Lease>;
  readonly pods: Cache<Pod>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

const LEASE_NAMESPACE = 'kube-node-lease';

export class NodeMonitor implements AsyncDisposable {
  readonly #deps: NodeMonitorDeps;
  readonly #queue: WorkQueue;

  constructor(deps: NodeMonitorDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((name) => this.#reconcile(name), deps.onProblem);
    deps.nodes.onChange((node) => this.#queue.add(node.metadata.name));
    deps.leases.onChange((lease) => {
      if (lease.metadata.namespace === LEASE_NAMESPACE) this.#queue.add(lease.metadata.name);
    });
    deps.pods.onChange((pod, _old, kind) => {
      const node = pod.spec.nodeName ?? '';
      if (kind === 'set' && node !== '' && deps.nodes.get(node) === undefined) this.#queue.add(node);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #reconcile(name: string): Promise<number | undefined> {
    const { nodes, leases, pods, events, now } = this.#deps;
    const node = nodes.get(name);
    const onNode = pods.list().filter((pod) => pod.spec.nodeName === name);
    if (node === undefined) {
      await this.#collect(name, onNode);
      return undefined;
    }
    const verdict = judgeNode(node, leases.get(`${LEASE_NAMESPACE}/${name}`), now());
    if (verdict.conditions !== undefined) {
      await nodes.patch(node, { status: { conditions: verdict.conditions } }, 'status');
      events.record(node, 'Normal', 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    }
    if (verdict.taints !== undefined) {
      const { resourceVersion } = nodes.get(name)?.metadata ?? node.metadata;
      await nodes.patch(node, { metadata: { resourceVersion }, spec: { taints: verdict.taints } });
    }
    if (!verdict.isAlive) {
      for (const pod of onNode) {
        const conditions = conditionsOnDeadNode(pod, now());
        if (conditions !== undefined) await pods.patch(pod, { status: { conditions } }, 'status');
      }
    }
    return verdict.againMs;
  }

  /** Pods of a node that is no more have nobody to end them. Asked of the server first: the caches may be out of step. */
  async #collect(name: string, onNode: readonly Pod[]): Promise<void> {
    const { nodes, pods } = this.#deps;
    if (onNode.length === 0) return;
    const named: Node = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
    if ((await nodes.refresh(named)) !== undefined) return;
    for (const pod of onNode) await pods.remove(pod);
  }
}
