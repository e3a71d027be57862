/** Compares the pods that are assigned to this node with those that it runs. */
import { Informer, RESOURCES } from '../../core/kube/index.ts';
import type { NodeContext } from './node-context.ts';
import { type Pod, podKey } from './pod.ts';
import { PodWorker } from './pod-worker.ts';

export class Kubelet implements AsyncDisposable {
  readonly #context: NodeContext;
  readonly #informer: Informer<Pod>;
  /** By UID: a name may be used again before the old pod is gone. */
  readonly #workers = new Map<string, PodWorker>();

  constructor(context: NodeContext) {
    this.#context = context;
    this.#informer = new Informer<Pod>({
      client: context.client,
      type: RESOURCES.Pod,
      fieldSelector: `spec.nodeName=${context.config.node.name}`,
      onProblem: (error) => context.log.warn('the watch of pods has a problem', { error: String(error) }),
    });
    this.#informer.on('set', (pod) => this.#assigned(pod));
    this.#informer.on('delete', (pod) => this.#workers.get(pod.metadata.uid)?.objectDeleted());
  }

  async start(): Promise<void> {
    this.#informer.start();
    await this.#informer.synced;
  }

  /** The pod of this name that runs, or the newest that did. */
  find(namespace: string, name: string): PodWorker | undefined {
    let found: PodWorker | undefined;
    for (const worker of this.#workers.values()) if (podKey(worker.pod) === `${namespace}/${name}`) found = worker;
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#informer.stop();
  }

  #assigned(pod: Pod): void {
    const worker = this.#workers.get(pod.metadata.uid);
    if (worker) {
      worker.update(pod);
      return;
    }
    for (const other of this.#workers.values()) {
      if (podKey(other.pod) === podKey(pod)) other.objectDeleted(); // one of the same name came between two lists
    }
    const made = new PodWorker(pod, this.#context);
    this.#workers.set(pod.metadata.uid, made);
    made.done
      .catch((error: unknown) =>
        this.#context.log.error('a pod could not be removed', { pod: podKey(pod), error: String(error) }),
      )
      .finally(() => this.#workers.delete(pod.metadata.uid));
  }
}
