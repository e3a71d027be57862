/** ConfigMap `istio-ca-root-cert` in every namespace: how workloads know whom to trust (controller.md section 5.5). */
import { Informer, isConflict, isNotFound, type KubeClient, KubeError, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { WorkQueue } from '../kube/work-queue.ts';

const ROOT_CONFIG_MAP = 'istio-ca-root-cert';
const KEY = 'root-cert.pem';
const LABEL = 'istio.io/config';
const IGNORED: ReadonlySet<string> = new Set(['kube-public', 'kube-node-lease', 'local-path-storage']);

export type RootDistributionOptions = {
  readonly client: KubeClient;
  readonly namespaces: Informer<KubeObject>;
  readonly rootPem: string;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly onProblem: (what: string, error: unknown) => void;
};

export class RootDistribution implements AsyncDisposable {
  readonly #options: RootDistributionOptions;
  readonly #configMaps: Informer<KubeObject>;
  readonly #queue: WorkQueue;

  constructor(options: RootDistributionOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      work: (namespace) => this.#ensure(namespace),
      onProblem: (namespace, error) => options.onProblem(`ConfigMap ${namespace}/${ROOT_CONFIG_MAP}`, error),
      clock: options.clock,
    });
    this.#configMaps = new Informer({
      client: options.client,
      type: RESOURCES.ConfigMap,
      fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}`,
      onProblem: (error) => options.onProblem('watch of root ConfigMaps', error),
    });
    const look = (object: KubeObject): void => this.#queue.add(object.metadata.namespace ?? '');
    this.#configMaps.on('set', look);
    this.#configMaps.on('delete', look);
    options.namespaces.on('set', (namespace) => this.#queue.add(namespace.metadata.name));
  }

  async start(): Promise<void> {
    this.#configMaps.start();
    await this.#configMaps.synced;
    this.lookAtAll();
  }

  /** We lead now, or everything may have changed. */
  lookAtAll(): void {
    for (const namespace of this.#options.namespaces.list()) this.#queue.add(namespace.metadata.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#configMaps.stop();
    await this.#queue[Symbol.asyncDispose]();
  }

  async #ensure(name: string): Promise<void> {
    const { client, leads, namespaces, rootPem } = this.#options;
    const namespace = namespaces.get(name);
    if (!leads() || !this.#configMaps.isSynced || namespace === undefined || IGNORED.has(name)) return;
    if (namespace.metadata.deletionTimestamp !== undefined) return;
    const held = this.#configMaps.get(`${name}/${ROOT_CONFIG_MAP}`);
    const wanted = { [LABEL]: 'true' };
    try {
      if (held === undefined) {
        await client.create({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: ROOT_CONFIG_MAP, namespace: name, labels: wanted },
          data: { [KEY]: rootPem },
        });
      } else if (!isRight(held, rootPem)) {
        const at = { name: ROOT_CONFIG_MAP, namespace: name };
        await client.patch(RESOURCES.ConfigMap, at, 'merge', {
          metadata: { labels: wanted },
          data: { [KEY]: rootPem },
        });
      }
    } catch (error) {
      // Made, or gone, since we looked: the informer brings it, and we look again. A namespace on its way out takes nothing in.
      if (isConflict(error) || isNotFound(error) || isTerminating(error)) return;
      throw error;
    }
  }
}

function isRight(held: KubeObject, rootPem: string): boolean {
  const data = (held['data'] ?? {}) as Readonly<Record<string, string>>;
  return data[KEY] === rootPem && held.metadata.labels?.[LABEL] === 'true';
}

function isTerminating(error: unknown): boolean {
  return error instanceof KubeError && error.code === 403 && /terminat/i.test(error.message);
}
