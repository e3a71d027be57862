/** Keeps `status.addresses` of ServiceEntries as the allocator wants them: by the leader only, and only what differs. */
import { type Informer, isNotFound, type KubeClient, objectKey, RESOURCES } from '../../core/kube/index.ts';
import { AddressAllocator, type Cidr, isOfRevision, type KubeObject } from '../../mesh/index.ts';
import type { Clock } from '../clock.ts';
import { WorkQueue } from './work-queue.ts';

export type AddressWriterOptions = {
  readonly client: KubeClient;
  readonly serviceEntries: Informer<KubeObject>;
  /** One address of each for each host. */
  readonly pools: readonly Cidr[];
  readonly revision: string;
  readonly leads: () => boolean;
  readonly clock: Clock;
  readonly onProblem: (what: string, error: unknown) => void;
};

const FIELD_MANAGER = 'istio-ip-autoallocate';

export class AddressWriter implements AsyncDisposable {
  readonly #options: AddressWriterOptions;
  readonly #allocator: AddressAllocator;
  readonly #queue: WorkQueue;
  #started = false;

  /** Throws MESH_CONFIG_INVALID for a pool that is too small. */
  constructor(options: AddressWriterOptions) {
    this.#options = options;
    this.#allocator = new AddressAllocator(options.pools);
    this.#queue = new WorkQueue({
      work: (key) => this.#write(key),
      onProblem: (key, error) => options.onProblem(`addresses of ServiceEntry ${key}`, error),
      clock: options.clock,
    });
    const note = (object: KubeObject, isGone: boolean): void => {
      const isOurs = !isGone && isOfRevision(object, options.revision);
      const concerned = this.#allocator.set(objectKey(object), isOurs ? object : undefined);
      if (this.#started) for (const key of concerned) this.#queue.add(key);
    };
    options.serviceEntries.on('set', (object) => note(object, false));
    options.serviceEntries.on('delete', (object) => note(object, true));
  }

  /** All entries are known: from now on addresses are given. Before, one might be given that an entry yet to come has. */
  start(): void {
    this.#started = true;
    this.lookAtAll();
  }

  /** We lead now, or everything may have changed. */
  lookAtAll(): void {
    if (!this.#started) return;
    for (const object of this.#options.serviceEntries.list()) this.#queue.add(objectKey(object));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }

  async #write(key: string): Promise<void> {
    const { client, leads, serviceEntries } = this.#options;
    const object = serviceEntries.get(key);
    if (!leads() || object === undefined || !serviceEntries.isSynced) return;
    const addresses = this.#allocator.wanted(key);
    if (addresses === undefined) return;
    const { name, namespace, resourceVersion } = object.metadata;
    // Written for another state of the object it is a conflict: the queue tries again with what the informer brought.
    const body = { metadata: { resourceVersion }, status: { addresses } };
    try {
      await client.patch(RESOURCES.ServiceEntry, { name, namespace }, 'merge', body, {
        subresource: 'status',
        fieldManager: FIELD_MANAGER,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
