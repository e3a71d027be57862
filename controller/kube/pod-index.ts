/** What the authority needs to know about pods, from the informer: by name, and by node. */
import { type Informer, objectKey } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';

export type PodFacts = {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly serviceAccount: string;
  readonly node: string;
  /** Succeeded or Failed: its processes are gone. */
  readonly terminal: boolean;
  /** The CNI agent has redirected its traffic, or is about to. */
  readonly enrolled: boolean;
  /** The Gateway that it serves, by its label; '' for most. */
  readonly gateway: string;
};

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const REDIRECTION = 'ambient.istio.io/redirection';
const ENROLLED: ReadonlySet<string | undefined> = new Set(['enabled', 'pending']);

export class PodIndex {
  readonly #pods = new Map<string, PodFacts>();
  readonly #byNode = new Map<string, Set<string>>();
  readonly #waiters = new Set<() => void>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  follow(informer: Informer<KubeObject>): void {
    informer.on('set', (pod) => this.set(podFacts(pod)));
    informer.on('delete', (pod) => this.remove(objectKey(pod)));
  }

  get(namespace: string, name: string): PodFacts | undefined {
    return this.#pods.get(`${namespace}/${name}`);
  }

  *onNode(node: string): Generator<PodFacts> {
    for (const key of this.#byNode.get(node) ?? []) {
      const pod = this.#pods.get(key);
      if (pod !== undefined) yield pod;
    }
  }

  set(pod: PodFacts): void {
    this.#unlink(pod.key);
    this.#pods.set(pod.key, pod);
    const onNode = this.#byNode.get(pod.node) ?? new Set();
    onNode.add(pod.key);
    this.#byNode.set(pod.node, onNode);
    for (const wake of [...this.#waiters]) wake();
  }

  remove(key: string): void {
    this.#unlink(key);
    this.#pods.delete(key);
  }

  /**
   * Asks again with every change until the answer is final or `withinMs` have passed, then gives the last answer. A pod
   * that has just started is known to its node before it is known here.
   */
  async settle<T extends { readonly final: boolean }>(ask: () => T, withinMs: number): Promise<T> {
    let answer = ask();
    if (answer.final) return answer;
    const timeout = new AbortController();
    const deadline = this.#clock.delay(withinMs, timeout.signal).then(
      () => 'late' as const,
      () => 'late' as const,
    );
    try {
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<'changed'>();
        const wake = (): void => resolve('changed');
        this.#waiters.add(wake);
        const why = await Promise.race([promise, deadline]);
        this.#waiters.delete(wake);
        answer = ask();
        if (answer.final || why === 'late') return answer;
      }
    } finally {
      timeout.abort();
    }
  }

  #unlink(key: string): void {
    const node = this.#pods.get(key)?.node;
    if (node === undefined) return;
    const onNode = this.#byNode.get(node);
    onNode?.delete(key);
    if (onNode?.size === 0) this.#byNode.delete(node);
  }
}

function podFacts(pod: KubeObject): PodFacts {
  const spec = (pod['spec'] ?? {}) as { readonly serviceAccountName?: string; readonly nodeName?: string };
  const status = (pod['status'] ?? {}) as { readonly phase?: string };
  const { namespace = '', name, uid = '', annotations, labels } = pod.metadata;
  return {
    key: objectKey(pod),
    namespace,
    name,
    uid,
    serviceAccount: spec.serviceAccountName ?? 'default',
    node: spec.nodeName ?? '',
    terminal: status.phase === 'Succeeded' || status.phase === 'Failed',
    enrolled: ENROLLED.has(annotations?.[REDIRECTION]),
    gateway: labels?.[GATEWAY_NAME] ?? '',
  };
}
