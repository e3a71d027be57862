/**
 * One client's stream: its requests are answered one after the other, changes of the stores follow as pushes. Nothing is sent
 * while the client does not read; what changes meanwhile coalesces to its latest state.
 */
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type Answer, ClientView, type Part } from './client-view.ts';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.ts';
import { ResourceStore } from './resource-store.ts';
import { RpcError } from './rpc.ts';

export type DiscoveryStream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

/** The client as its first request describes it. */
export type ClientNode = { readonly id: string; readonly metadata: Readonly<Record<string, unknown>> };

/** What a caller may have of a type. */
export type Access =
  | { readonly kind: 'all' }
  | { readonly kind: 'only'; readonly allows: (name: string) => boolean }
  | { readonly kind: 'denied'; readonly reason: string };

/** Where a client stands with one type. */
export type TypeStatus = {
  readonly sentNonce: string;
  readonly ackedNonce: string;
  /** The text of the last refusal, until something newer was accepted. */
  readonly refusal: string | undefined;
};

export type SessionOptions = {
  /** In push order: a type's new resources go out before those of the types after it, its removals after theirs. */
  readonly stores: readonly ResourceStore[];
  readonly access: (typeUrl: string, node: ClientNode) => Access;
  readonly baseline: (typeUrl: string, node: ClientNode) => Iterable<string>;
  readonly onNack: (typeUrl: string, message: string, node: ClientNode) => void;
  /** How long the first request of a later type waits for those of earlier ones. */
  readonly orderWaitMs: number;
};

type Watched = {
  readonly view: ClientView;
  sentNonce: string;
  ackedNonce: string;
  refusal: string | undefined;
  /** Set until the first request was answered. */
  waiting: DeltaDiscoveryRequest | undefined;
};

export class DiscoverySession {
  readonly #stream: DiscoveryStream;
  readonly #options: SessionOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #watches: Disposable[] = [];
  #node: ClientNode | undefined;
  #blocked = false;
  #scheduled = false;
  #orderTimer: NodeJS.Timeout | undefined;
  /** The wait is over for this stream: from now on a first request is answered as it comes. */
  #orderWaited = false;
  #pushes = 0;
  #closed = false;

  constructor(stream: DiscoveryStream, options: SessionOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.on('drain', () => {
      this.#blocked = false;
      this.#schedule();
    });
  }

  get node(): ClientNode | undefined {
    return this.#node;
  }

  statuses(): ReadonlyMap<string, TypeStatus> {
    return this.#watched;
  }

  /** Reads requests until the client is done. Throws `RpcError` for what ends the stream. */
  async serve(): Promise<void> {
    try {
      // not destroyed on the way out: what ends the stream, also an error of ours, is still to be told to the client
      const requests: AsyncIterable<DeltaDiscoveryRequest> = this.#stream.iterator({ destroyOnReturn: false });
      for await (const request of requests) this.#handle(request);
    } finally {
      this.#closed = true;
      clearTimeout(this.#orderTimer);
      for (const watch of this.#watches) watch[Symbol.dispose]();
    }
  }

  #handle(request: DeltaDiscoveryRequest): void {
    this.#node ??= nodeOf(request);
    const watched = this.#watched.get(request.typeUrl);
    if (watched === undefined) {
      this.#begin(request, this.#node);
      return;
    }
    const { responseNonce: nonce, errorDetail } = request;
    if (nonce !== '' && nonce === watched.sentNonce) {
      if (errorDetail === undefined) {
        watched.ackedNonce = nonce;
        watched.refusal = undefined;
      } else {
        watched.refusal = errorDetail.message;
        this.#options.onNack(request.typeUrl, errorDetail.message, this.#node);
      }
    }
    // names count even when they come with an old nonce: what a client wants does not depend on what it has seen
    const answer = watched.view.change(request);
    if (answer !== undefined) this.#send(watched, answer);
  }

  #begin(request: DeltaDiscoveryRequest, node: ClientNode): void {
    const { typeUrl } = request;
    const access = this.#options.access(typeUrl, node);
    if (access.kind === 'denied') throw new RpcError(status.PERMISSION_DENIED, access.reason);
    const store = this.#options.stores.find((s) => s.typeUrl === typeUrl);
    const view = new ClientView(
      store ?? new ResourceStore(typeUrl),
      request,
      access.kind === 'only' ? access.allows : undefined,
    );
    const watched: Watched = { view, sentNonce: '', ackedNonce: '', refusal: undefined, waiting: request };
    this.#watched.set(typeUrl, watched);
    if (store === undefined) {
      watched.waiting = undefined;
      this.#send(watched, view.begin(request)); // a type we have nothing of: said at once, not left open
      return;
    }
    this.#watches.push(
      store.watch((name) => {
        if (watched.waiting !== undefined) return; // the first answer will have it
        view.touch(name);
        this.#schedule();
      }),
    );
    this.#answerFirsts();
  }

  /**
   * Answers first requests in push order. Clients ask for addresses first; those that also want policies get them before the
   * addresses that name them, if their request comes soon.
   */
  #answerFirsts(): void {
    for (const store of this.#options.stores) {
      const watched = this.#watched.get(store.typeUrl);
      if (watched === undefined) {
        if (this.#orderWaited) continue;
        this.#orderTimer ??= setTimeout(() => {
          this.#orderWaited = true;
          this.#answerFirsts();
        }, this.#options.orderWaitMs);
        return;
      }
      const first = watched.waiting;
      if (first === undefined || this.#node === undefined) continue;
      watched.waiting = undefined;
      this.#send(watched, watched.view.begin(first, this.#options.baseline(store.typeUrl, this.#node)));
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#blocked || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#push();
    });
  }

  /** New and changed resources in push order, then removals in the reverse: nobody names what is not there. */
  #push(): void {
    const types = this.#options.stores.flatMap((store) => this.#watched.get(store.typeUrl) ?? []);
    for (const watched of types) if (!this.#pushPart(watched, 'upserts')) return;
    for (const watched of types.reverse()) if (!this.#pushPart(watched, 'removals')) return;
  }

  /** False: the client does not keep up; the rest follows when it has read. */
  #pushPart(watched: Watched, part: Part): boolean {
    if (this.#blocked) return false;
    if (!watched.view.hasChanges) return true;
    const answer = watched.view.take(part);
    if (answer.resources.length > 0 || answer.removed.length > 0) this.#send(watched, answer);
    return true;
  }

  #send(watched: Watched, answer: Answer): void {
    watched.sentNonce = this.#write(watched.view.store.typeUrl, answer, !watched.view.wildcard);
  }

  #write(typeUrl: string, { resources, removed }: Answer, withAliases = false): string {
    this.#pushes += 1;
    const nonce = `${this.#pushes}-${randomUUID()}`;
    const response = create(DeltaDiscoveryResponseSchema, {
      systemVersionInfo: `${new Date().toISOString()}/${this.#pushes}`,
      resources: resources.map(({ name, version, bytes, aliases }) => ({
        name,
        version,
        resource: { typeUrl, value: bytes },
        aliases: withAliases ? [...aliases] : [],
      })),
      typeUrl,
      nonce,
      removedResources: [...removed],
    });
    if (!this.#stream.write(response)) this.#blocked = true;
    return nonce;
  }
}

/** `type~ip~name.namespace~domain`. Throws INVALID_ARGUMENT. */
function nodeOf(request: DeltaDiscoveryRequest): ClientNode {
  const { node } = request;
  if (node === undefined) throw new RpcError(status.INVALID_ARGUMENT, 'the first request carries no node');
  if (node.id.split('~').length !== 4) {
    throw new RpcError(status.INVALID_ARGUMENT, `node id "${node.id}" is not type~ip~name.namespace~domain`);
  }
  return { id: node.id, metadata: node.metadata ?? {} };
}
