/**
 * The client of the discovery service. It keeps its state across streams: an outage of the control plane takes nothing
 * away, and after it only differences travel.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { type Client, type ClientDuplexStream, connectivityState } from '@grpc/grpc-js';
import { MeshError } from '../../mesh/index.ts';
import { Backoff, type TerminationReason } from './backoff.ts';
import { discoveryServiceDefinition } from './discovery.ts';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { type ControlPlane, callMetadata, dialTarget, openChannel } from './rpc.ts';
import { type DeltaRequest, type Rejection, Subscription, type TypeSubscription, type Update } from './subscription.ts';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE } from './type-urls.ts';

/** Who we say we are; the server believes the token, not this. */
export type NodeInfo = { readonly id: string; readonly metadata: JsonObject };

export type DeltaHandlers = {
  /**
   * Applies an update and says which resources could not be used; throws only on a bug. Updates come one after the other: a
   * large one may take its time, nothing is read meanwhile.
   */
  onUpdate(typeUrl: string, update: Update): readonly Rejection[] | Promise<readonly Rejection[]>;
};

export type DeltaEvent =
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'connected'; readonly attempt: number }
  | {
      readonly kind: 'received';
      readonly typeUrl: string;
      readonly bytes: number;
      readonly upserted: number;
      readonly removed: number;
      readonly rejected: readonly Rejection[];
    }
  | { readonly kind: 'unknown-type'; readonly typeUrl: string }
  | {
      readonly kind: 'terminated';
      readonly reason: TerminationReason;
      readonly error: unknown;
      readonly retryInMs: number;
    };

export type DeltaClientOptions = ControlPlane & {
  readonly node: NodeInfo;
  /** In the order in which they are requested; default: all addresses, then all authorizations. */
  readonly types?: readonly TypeSubscription[];
  readonly handlers: DeltaHandlers;
  readonly onEvent?: (event: DeltaEvent) => void;
  /** Waits; rejects when the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
};

const CONNECT_TIMEOUT_MS = 5_000;
const ALL: readonly TypeSubscription[] = [{ typeUrl: ADDRESS_TYPE }, { typeUrl: AUTHORIZATION_TYPE }];

type Stream = ClientDuplexStream<DeltaRequest, DeltaDiscoveryResponse>;

export class DeltaClient implements AsyncDisposable {
  readonly #options: DeltaClientOptions;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  readonly #stop = new AbortController();
  readonly #synced = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #stream: Stream | undefined;
  #attempt = 0;

  /** Throws `CONTROL_PLANE_ADDRESS_INVALID`. */
  constructor(options: DeltaClientOptions) {
    this.#options = options;
    dialTarget(options.address); // a bad address is found at start, not at the first attempt
    this.#subscriptions = new Map((options.types ?? ALL).map((type) => [type.typeUrl, new Subscription(type)]));
    this.#synced.promise.catch(() => {}); // whoever awaits it is told; nobody has to
  }

  /** Resolves once a response of every wildcard type was accepted; rejects when the client is closed before. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Connects and stays connected until disposed. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Asks for one resource by name; resolves when the server has answered. Without a deadline: pass a signal. */
  async demand(typeUrl: string, name: string, signal?: AbortSignal): Promise<void> {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) throw new MeshError('XDS_TYPE_UNKNOWN', `nothing subscribes to ${typeUrl}`);
    const { request, answered } = subscription.demand(name);
    if (request !== undefined) this.#stream?.write(request); // without a stream the next one's first request has it
    if (signal === undefined) return answered;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([answered, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Names that were demanded and are not wanted any more. */
  release(typeUrl: string, names: Iterable<string>): void {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) return;
    for (const name of names) this.#stream?.write(subscription.release(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new MeshError('XDS_CLIENT_CLOSED', 'the discovery client was closed');
    this.#stop.abort(closed);
    this.#synced.reject(closed);
    this.#stream?.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff();
    const { signal } = this.#stop;
    const wait = this.#options.sleep ?? ((ms, s) => sleep(ms, undefined, { signal: s }));
    while (!signal.aborted) {
      this.#attempt += 1;
      this.#options.onEvent?.({ kind: 'connecting', attempt: this.#attempt });
      const { error, connected } = await this.#session();
      if (signal.aborted) return;
      const { reason, waitMs } = backoff.after(error, connected);
      this.#options.onEvent?.({ kind: 'terminated', reason, error, retryInMs: waitMs });
      if (waitMs > 0) await wait(waitMs, signal).catch(() => {}); // aborted: the loop's condition sees it
    }
  }

  /** One stream from its opening to its end, whatever ends it. */
  async #session(): Promise<{ readonly error: unknown; readonly connected: boolean }> {
    let client: Client | undefined;
    let connected = false;
    try {
      const metadata = await callMetadata(this.#options);
      const roots = await this.#options.rootCertificate();
      this.#stop.signal.throwIfAborted();
      client = openChannel(this.#options, roots);
      const { path, requestSerialize, responseDeserialize } = discoveryServiceDefinition.DeltaAggregatedResources;
      const stream: Stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
      using deadline = connectDeadline(client, stream);
      this.#stream = stream;
      const node = { id: this.#options.node.id, metadata: this.#options.node.metadata };
      for (const subscription of this.#subscriptions.values()) stream.write(subscription.open(node));
      try {
        for await (const response of stream as AsyncIterable<DeltaDiscoveryResponse>) {
          if (!connected) this.#options.onEvent?.({ kind: 'connected', attempt: this.#attempt });
          connected = true;
          await this.#receive(stream, response); // a bug in a handler ends this stream; the next one starts clean
        }
      } catch (error) {
        throw deadline.expired ?? error;
      } finally {
        stream.on('error', () => {}).cancel(); // its end was told above; a cancelled stream says so once more
      }
      return { error: undefined, connected };
    } catch (error) {
      return { error, connected };
    } finally {
      this.#stream = undefined;
      client?.close();
    }
  }

  async #receive(stream: Stream, response: DeltaDiscoveryResponse): Promise<void> {
    const { typeUrl, nonce } = response;
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) {
      this.#options.onEvent?.({ kind: 'unknown-type', typeUrl });
      stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce: nonce }));
      return;
    }
    const { update, rejected: unreadable } = subscription.receive(response);
    const rejected = [...unreadable, ...(await this.#options.handlers.onUpdate(typeUrl, update))];
    stream.write(subscription.settle(response, update, rejected));
    this.#options.onEvent?.({
      kind: 'received',
      typeUrl,
      bytes: update.upserted.reduce((sum, resource) => sum + resource.bytes.byteLength, 0),
      upserted: update.upserted.length,
      removed: update.removed.length,
      rejected,
    });
    if ([...this.#subscriptions.values()].every((s) => s.isSynced)) this.#synced.resolve();
  }
}

/** Cancels a stream whose connection does not come up in time; gRPC's own patience is longer than ours. */
function connectDeadline(client: Client, stream: Stream): Disposable & { readonly expired: Error | undefined } {
  let expired: Error | undefined;
  const channel = client.getChannel();
  const timer = setTimeout(() => {
    if (channel.getConnectivityState(false) === connectivityState.READY) return;
    expired = new MeshError('CONTROL_PLANE_UNREACHABLE', `no connection within ${CONNECT_TIMEOUT_MS} ms`);
    stream.cancel();
  }, CONNECT_TIMEOUT_MS);
  return {
    get expired() {
      return expired;
    },
    [Symbol.dispose]: () => clearTimeout(timer),
  };
}
