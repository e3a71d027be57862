/** Keeps enrolment as labels say: compares, for each pod of this node, what should be with what is. */
import type { Informer } from '../../core/kube/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { type EnablementSelector, enrolled, type KubeObject, MeshError } from '../../mesh/index.ts';
import type { DataPlane } from './data-plane.ts';
import { type Pod, podKey, podOf } from './pod.ts';
import { WorkQueue } from './work-queue.ts';

export type EnrolmentRules = {
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
  /** Where the ztunnel lives; its own pods are never captured, whatever their labels. */
  readonly systemNamespace: string;
};

export type ReconcilerOptions = {
  readonly pods: Pick<Informer<KubeObject>, 'get' | 'list' | 'on'>;
  readonly namespaces: Pick<Informer<KubeObject>, 'get' | 'on'>;
  readonly dataPlane: Pick<DataPlane, 'add' | 'remove' | 'isComplete' | 'isStale' | 'knows' | 'refreshAddresses'>;
  readonly rules: EnrolmentRules;
  readonly onEvent: (type: 'add' | 'update' | 'delete') => void;
  readonly log: Logger;
};

const CONCURRENCY = 4;
/** From this try on a failure is an error: the pod should be in the mesh, or out of it, and is not. */
const LOUD_AFTER_ATTEMPTS = 5;

/** The pods of the node proxy itself. */
export function isZtunnel(pod: Pod, systemNamespace: string): boolean {
  return pod.namespace === systemNamespace && pod.labels['app'] === 'ztunnel';
}

export class Reconciler implements AsyncDisposable {
  readonly #o: ReconcilerOptions;
  readonly #queue: WorkQueue;
  readonly #leave: (() => void)[] = [];
  /** Pods that are gone and whose removal is still due, by uid. Their last state is kept here: the informer has forgotten it. */
  readonly #gone = new Map<string, Pod>();

  constructor(options: ReconcilerOptions) {
    this.#o = options;
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#work(key),
      onFailure: (key, error, attempt, retryInMs) => {
        const level = attempt >= LOUD_AFTER_ATTEMPTS ? 'error' : 'warn';
        options.log.log(level, 'enrolment is not as it should be', {
          key,
          error: messageOf(error),
          attempt,
          retryInMs,
        });
      },
    });
    const { pods, namespaces } = options;
    this.#leave.push(
      pods.on('set', (object, old) => this.#podSet(podOf(object), old && podOf(old))),
      pods.on('delete', (object) => this.#podGone(podOf(object))),
      namespaces.on('set', (object, old) => this.#namespaceSet(object, old)),
    );
  }

  /** Begins to act; changes that came before are waiting. */
  start(): void {
    for (const object of this.#o.pods.list()) this.#queue.add(podKey(podOf(object)));
    this.#queue.start();
  }

  /** A ztunnel has come: what waited for one need not wait any longer. */
  retryIncomplete(): void {
    for (const object of this.#o.pods.list()) {
      const pod = podOf(object);
      if (
        pod.redirection === 'pending' ||
        (this.#o.dataPlane.knows(pod.uid) && !this.#o.dataPlane.isComplete(pod.uid))
      ) {
        this.#queue.add(podKey(pod));
      }
    }
  }

  /** Keys that are still to be brought in order. */
  get pending(): number {
    return this.#queue.size;
  }

  /** Pods whose enrolment is not as it should be, and why the last try failed. */
  failing(): readonly { readonly key: string; readonly error: string }[] {
    return this.#queue.failing().map(({ key, error }) => ({ key, error: messageOf(error) }));
  }

  /** Whether a pod should be in the mesh. Undefined while its namespace is not known: then nothing is changed. */
  verdict(pod: Pod): ReturnType<typeof enrolled> | undefined {
    const { selectors, excludedNamespaces, systemNamespace } = this.#o.rules;
    if (isZtunnel(pod, systemNamespace)) return { enrolled: false, because: 'it is the ztunnel' };
    const namespace = this.#o.namespaces.get(pod.namespace);
    if (namespace === undefined) return undefined;
    return enrolled(pod.object, namespace.metadata.labels ?? {}, { selectors, excludedNamespaces });
  }

  #podSet(pod: Pod, old: Pod | undefined): void {
    this.#o.onEvent(old === undefined ? 'add' : 'update');
    // A pod of the same name took its place, and we never saw the old one go.
    if (old !== undefined && old.uid !== pod.uid) this.#podGone(old);
    this.#queue.add(podKey(pod));
  }

  #podGone(pod: Pod): void {
    this.#o.onEvent('delete');
    // Whether its namespace is still known does not matter: whatever we hold of it has to go.
    this.#gone.set(pod.uid, pod);
    this.#queue.add(`gone:${pod.uid}`);
  }

  #namespaceSet(object: KubeObject, old: KubeObject | undefined): void {
    const labels = JSON.stringify(object.metadata.labels ?? {});
    if (old !== undefined && labels === JSON.stringify(old.metadata.labels ?? {})) return;
    for (const pod of this.#o.pods.list()) {
      if (pod.metadata.namespace === object.metadata.name) this.#queue.add(podKey(podOf(pod)));
    }
  }

  async #work(key: string): Promise<void> {
    if (key.startsWith('gone:')) return this.#removeGone(key.slice('gone:'.length));
    const object = this.#o.pods.get(key);
    if (object !== undefined) await this.#reconcile(podOf(object));
  }

  async #removeGone(uid: string): Promise<void> {
    const pod = this.#gone.get(uid);
    if (pod === undefined) return;
    const wasOurs =
      pod.redirection !== undefined || this.#o.dataPlane.knows(uid) || this.verdict(pod)?.enrolled === true;
    if (wasOurs) await this.#o.dataPlane.remove(pod, true);
    this.#gone.delete(uid);
  }

  async #reconcile(pod: Pod): Promise<void> {
    const { dataPlane } = this.#o;
    const isOurs = pod.redirection !== undefined || dataPlane.knows(pod.uid);
    if (pod.terminal) {
      if (isOurs) await dataPlane.remove(pod, true);
      return;
    }
    const verdict = this.verdict(pod);
    if (verdict === undefined) throw new MeshError('NAMESPACE_UNKNOWN', `namespace ${pod.namespace} is not known`);
    if (!verdict.enrolled) {
      // In the host's own namespace there is nothing of ours, whatever the annotation says.
      if (isOurs) await dataPlane.remove(pod, pod.hostNetwork);
      return;
    }
    const saysSo = pod.redirection === 'enabled' || dataPlane.isStale(pod);
    if (saysSo && dataPlane.isComplete(pod.uid)) {
      await dataPlane.refreshAddresses(pod);
      return;
    }
    // No address yet: the plugin is at work, or a later change of the pod brings us back.
    if (pod.ips.length > 0) await dataPlane.add(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const leave of this.#leave) leave();
    await this.#queue[Symbol.asyncDispose]();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
