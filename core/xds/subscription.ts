/**
 * The client's memory of one resource type: what it holds at which version, what it asked for, and whether the server has
 * answered. Outlives streams; pure.
 *
 *     open() ---> request with node and versions
 *     receive(response) ---> update to apply ---> settle(rejected) ---> ACK or NACK
 */
import { create, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type NodeSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';

export type DeltaRequest = MessageShape<typeof DeltaDiscoveryRequestSchema>;

export type ReceivedResource = { readonly name: string; readonly version: string; readonly bytes: Uint8Array };
/** What one response changes: first what is there, then what is gone. A name in both is gone. */
export type Update = {
  readonly upserted: readonly ReceivedResource[];
  readonly removed: readonly string[];
  /** Resources that came without anything to decode; they are refused already. */
  readonly unreadable?: readonly Rejection[];
};
export type Rejection = { readonly name: string; readonly reason: string };

export type TypeSubscription = {
  readonly typeUrl: string;
  /** True: nothing is wanted until it is demanded by name. */
  readonly onDemand?: boolean;
};

export class Subscription {
  readonly typeUrl: string;
  readonly #onDemand: boolean;
  /** Name to version of what was applied. */
  readonly #held = new Map<string, string>();
  /** Asked for by name and not answered yet. */
  readonly #demands = new Map<string, PromiseWithResolvers<void>>();
  #synced = false;

  constructor(options: TypeSubscription) {
    this.typeUrl = options.typeUrl;
    this.#onDemand = options.onDemand ?? false;
  }

  /** Whether a first response was applied. Nothing is awaited of a type that is only used on demand. */
  get isSynced(): boolean {
    return this.#synced || this.#onDemand;
  }

  /** The first request of a stream: the only one that carries the node. */
  open(node: MessageInitShape<typeof NodeSchema>): DeltaRequest {
    const initialResourceVersions: Record<string, string> = {};
    for (const name of this.#demands.keys()) initialResourceVersions[name] = '';
    for (const [name, version] of this.#held) initialResourceVersions[name] = version;
    // Subscribing to and unsubscribing from everything in one message says: nothing yet, names will follow.
    const names = this.#onDemand ? { resourceNamesSubscribe: ['*'], resourceNamesUnsubscribe: ['*'] } : {};
    return create(DeltaDiscoveryRequestSchema, { node, typeUrl: this.typeUrl, initialResourceVersions, ...names });
  }

  /** Asks for one name; undefined when it was asked for already. `answered` resolves when the server said what it is, or that it is not. */
  demand(name: string): { readonly request: DeltaRequest | undefined; readonly answered: Promise<void> } {
    const pending = this.#demands.get(name);
    if (pending !== undefined) return { request: undefined, answered: pending.promise };
    const demand = Promise.withResolvers<void>();
    this.#demands.set(name, demand);
    const request = create(DeltaDiscoveryRequestSchema, { typeUrl: this.typeUrl, resourceNamesSubscribe: [name] });
    return { request, answered: demand.promise };
  }

  /** No longer wants a name that was demanded. What it stood for is kept until the caller drops it. */
  release(name: string): DeltaRequest {
    this.#answer(name);
    this.#held.delete(name);
    return create(DeltaDiscoveryRequestSchema, { typeUrl: this.typeUrl, resourceNamesUnsubscribe: [name] });
  }

  /** What a response says, and what is wrong with it before anybody has decoded its resources. */
  receive(response: DeltaDiscoveryResponse): { readonly update: Update; readonly rejected: readonly Rejection[] } {
    const upserted: ReceivedResource[] = [];
    const rejected: Rejection[] = [];
    for (const { name, version, resource } of response.resources) {
      if (resource === undefined) rejected.push({ name, reason: 'resource: missing' });
      else if (resource.typeUrl !== this.typeUrl) rejected.push({ name, reason: `resource: is a ${resource.typeUrl}` });
      else upserted.push({ name, version, bytes: resource.value });
    }
    return { update: { upserted, removed: response.removedResources, unreadable: rejected }, rejected };
  }

  /**
   * After the update was applied: records versions, releases who waited, and makes the answer. A rejected resource keeps the
   * version that is still in force (or none), so that the server sends it again after a reconnect.
   */
  settle(response: DeltaDiscoveryResponse, update: Update, rejected: readonly Rejection[]): DeltaRequest {
    const bad = new Set(rejected.map((r) => r.name));
    for (const { name, version } of update.upserted) if (!bad.has(name)) this.#held.set(name, version);
    for (const name of update.removed) this.#held.delete(name);
    for (const { name, aliases } of response.resources) for (const key of [name, ...aliases]) this.#answer(key);
    for (const name of update.removed) this.#answer(name);
    const { typeUrl } = this;
    const responseNonce = response.nonce;
    // One bad resource must not keep a node from serving all others: what could be read is applied, and what could not
    // denies as far as it reaches. (The reference waits for a response without any fault.)
    this.#synced = true;
    if (rejected.length === 0) {
      return create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce });
    }
    const message = rejected.map((r) => `${r.name}: ${r.reason}`).join('; ');
    return create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce, errorDetail: { message } });
  }

  #answer(name: string): void {
    this.#demands.get(name)?.resolve();
    this.#demands.delete(name);
  }
}
