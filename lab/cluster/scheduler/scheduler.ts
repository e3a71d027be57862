/** Gives every pod without a node one, by posting a Binding. */
import { resourcePath } from '../../../core/kube/index.ts';
import { type Cache, type EventRecorder, splitKey, WorkQueue } from '../machinery/index.ts';
import { type Client, type Node, type Pod, TYPES } from '../types.ts';
import { placePod } from './fit.ts';

export type SchedulerDeps = {
  readonly client: Client;
  readonly pods: Cache<Pod>;
  readonly nodes: Cache<Node>;
  readonly events: EventRecorder;
  readonly now: () => Date;
  readonly onProblem: (key: string, error: unknown) => void;
};

/** Pods that name another scheduler are left to it. */
const OUR_NAMES: ReadonlySet<string> = new Set(['', 'default-scheduler']);

export class Scheduler implements AsyncDisposable {
  readonly #deps: SchedulerDeps;
  readonly #queue: WorkQueue;
  /** Pods bound by us that the cache does not show bound yet, by uid: they count for spreading. */
  readonly #bound = new Map<string, string>();

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
    this.#queue = new WorkQueue((key) => this.#schedule(key), deps.onProblem);
    deps.pods.onChange((pod, _old, kind) => {
      if (kind === 'delete' || (pod.spec.nodeName ?? '') !== '') this.#bound.delete(pod.metadata.uid ?? '');
      if (kind === 'set' && waits(pod)) this.#queue.add(keyOf(pod));
    });
    // A node that came, or changed for the better, may fit those that wait.
    deps.nodes.onChange(() => {
      for (const pod of deps.pods.list()) if (waits(pod)) this.#queue.add(keyOf(pod));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #schedule(key: string): Promise<undefined> {
    const { client, pods, nodes, events, now } = this.#deps;
    const pod = pods.get(key);
    if (pod === undefined || !waits(pod) || this.#bound.has(pod.metadata.uid ?? '')) return;
    const placement = placePod(pod, nodes.list(), (node) => this.#podsOn(node));
    if (placement.kind === 'none') {
      events.record(pod, 'Warning', 'FailedScheduling', placement.message);
      await this.#say(pod, placement.message, now());
      return;
    }
    const { namespace, name } = splitKey(key);
    const node = placement.node.metadata.name;
    this.#bound.set(pod.metadata.uid ?? '', node);
    try {
      await client.raw({
        method: 'POST',
        path: resourcePath(TYPES.Pod, { namespace, name, subresource: 'binding' }),
        body: {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name, namespace, uid: pod.metadata.uid },
          target: { apiVersion: 'v1', kind: 'Node', name: node },
        },
      });
    } catch (error) {
      this.#bound.delete(pod.metadata.uid ?? '');
      await pods.refresh(pod);
      throw error;
    }
    events.record(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${node}`);
  }

  #podsOn(node: string): number {
    const known = this.#deps.pods.list().filter((pod) => pod.spec.nodeName === node && !isFinished(pod)).length;
    return known + [...this.#bound.values()].filter((bound) => bound === node).length;
  }

  /** The condition that `kubectl get pod -o wide` and autoscalers read; written once per message. */
  async #say(pod: Pod, message: string, at: Date): Promise<void> {
    const conditions = pod.status?.conditions ?? [];
    const known = conditions.find(({ type }) => type === 'PodScheduled');
    if (known?.message === message) return;
    const said = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: `${at.toISOString().slice(0, 19)}Z`,
    };
    const others = conditions.filter(({ type }) => type !== 'PodScheduled');
    await this.#deps.pods.patch(pod, { status: { conditions: [...others, said] } }, 'status');
  }
}

const keyOf = (pod: Pod) => `${pod.metadata.namespace}/${pod.metadata.name}`;

const isFinished = (pod: Pod) => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

function waits(pod: Pod): boolean {
  const isGated = (pod.spec.schedulingGates ?? []).length > 0;
  const isFree = (pod.spec.nodeName ?? '') === '' && pod.metadata.deletionTimestamp === undefined;
  return isFree && !isGated && !isFinished(pod) && OUR_NAMES.has(pod.spec.schedulerName ?? '');
}
