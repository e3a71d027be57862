/** For tests: an API server on loopback, the controllers, and kubelets that say of every pod that it runs. */
import { join } from 'node:path';
import { Informer, isConflict, isNotFound, kubeClient } from '../../core/kube/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import { TestLab } from '../api/test-lab.ts';
import { type Cluster, startCluster } from './index.ts';
import { type Client, type Node, type Pod, TYPES } from './types.ts';

const DEADLINE_MS = 10_000;

export type TestClusterOptions = {
  readonly nodes?: readonly string[];
  /** Whether a pod becomes ready once it runs. Default: every one. */
  readonly isHealthy?: (pod: Pod) => boolean;
  readonly now?: () => Date;
};

export class TestCluster implements AsyncDisposable {
  readonly lab: TestLab;
  readonly client: Client;
  readonly cluster: Cluster;
  readonly pods: Informer<Pod>;
  readonly #stack: AsyncDisposableStack;
  readonly #options: TestClusterOptions;
  #nextIp = 1;

  private constructor(
    parts: { lab: TestLab; client: Client; cluster: Cluster },
    options: TestClusterOptions,
    stack: AsyncDisposableStack,
  ) {
    this.lab = parts.lab;
    this.client = parts.client;
    this.cluster = parts.cluster;
    this.#options = options;
    this.#stack = stack;
    this.pods = new Informer<Pod>({ client: this.client, type: TYPES.Pod });
    this.pods.on('set', (pod) => this.#kubelet(pod));
  }

  static async start(options: TestClusterOptions = {}): Promise<TestCluster> {
    await using stack = new AsyncDisposableStack();
    const lab = stack.use(await TestLab.start());
    const client = stack.use(kubeClient({ kubeconfig: join(lab.dir, 'kubeconfig'), env: {} }));
    const lines: string[] = [];
    const log = createLogger({ format: 'plain', level: 'warn', write: (line) => lines.push(line) });
    const { now } = options;
    const dns = [{ ip: '127.0.0.1', port: 0 }];
    const cluster = stack.use(await startCluster({ client, log, dns, ...(now === undefined ? {} : { now }) }));
    const test = new TestCluster({ lab, client, cluster }, options, stack.move());
    for (const name of options.nodes ?? ['node-1', 'node-2']) await test.addNode(name);
    test.pods.start();
    await test.pods.synced;
    return test;
  }

  /** A node that is ready and whose Lease is fresh. */
  async addNode(name: string, spec: Node['spec'] = {}): Promise<void> {
    const time = new Date().toISOString().replace('Z', '000Z');
    const labels = { 'kubernetes.io/hostname': name };
    await this.client.create({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec });
    await this.client.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: time },
    });
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastTransitionTime: time };
    await this.client.patch(
      TYPES.Node,
      { name },
      'merge',
      { status: { conditions: [ready] } },
      { subresource: 'status' },
    );
  }

  /** Resolves with what `look` gives once it is not undefined. Looks again on every change of a pod, and regularly. */
  async until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    const end = Date.now() + DEADLINE_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      if (Date.now() > end) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const leave = this.pods.on('set', () => resolve());
      const timer = setTimeout(resolve, 25);
      await promise;
      clearTimeout(timer);
      leave();
    }
  }

  async get<T extends KubeObject>(kind: keyof typeof TYPES, name: string, namespace?: string): Promise<T> {
    return await this.client.get<T>(TYPES[kind], name, namespace);
  }

  async list<T extends KubeObject>(kind: keyof typeof TYPES, namespace: string): Promise<readonly T[]> {
    return (await this.client.list<T>(TYPES[kind], { namespace })).items;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pods.stop();
    await this.#stack.disposeAsync();
  }

  /** What a kubelet does, without containers. */
  #kubelet(pod: Pod): void {
    const work = async () => {
      const { name, namespace } = pod.metadata;
      if (pod.metadata.deletionTimestamp !== undefined) {
        const { uid = '' } = pod.metadata;
        await this.client.delete(TYPES.Pod, name, namespace, { gracePeriodSeconds: 0, uid });
      } else if ((pod.spec.nodeName ?? '') !== '' && pod.status?.podIP === undefined) {
        const healthy = this.#options.isHealthy?.(pod) ?? true;
        await this.setStatus(pod, runningStatus(`10.244.1.${++this.#nextIp}`, healthy));
      }
    };
    work().catch((error: unknown) => {
      if (!isConflict(error) && !isNotFound(error) && !this.#stack.disposed) throw error;
    });
  }

  async setStatus(pod: Pod, status: unknown): Promise<void> {
    const at = { name: pod.metadata.name, namespace: pod.metadata.namespace };
    await this.client.patch(TYPES.Pod, at, 'merge', { status }, { subresource: 'status' });
  }
}

function runningStatus(ip: string, isReady: boolean): unknown {
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  return {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    startTime: now,
    conditions: [
      { type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime: now },
      { type: 'PodScheduled', status: 'True', lastTransitionTime: now },
    ],
  };
}
