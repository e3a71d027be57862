/** The discovery service: who may connect, and a session for each who does. */
import { type Metadata, status } from '@grpc/grpc-js';
import { discoveryServiceDefinition } from './discovery.ts';
import {
  type Access,
  type ClientNode,
  DiscoverySession,
  type DiscoveryStream,
  type TypeStatus,
} from './discovery-session.ts';
import type { ResourceStore } from './resource-store.ts';
import { RpcError, rpcStatus } from './rpc.ts';

export type DiscoveryServiceOptions<Caller> = {
  /** In push order: policies before the addresses that name them. Types that are not here are answered with nothing. */
  readonly stores: readonly ResourceStore[];
  /** Proves who calls; rejects with `RpcError` (anything else is UNAUTHENTICATED). `peer` is the client's address. */
  readonly authenticate: (metadata: Metadata, peer: string) => Promise<Caller>;
  /** What the caller may have of a type. Asked once for each type of a stream. */
  readonly authorize: (caller: Caller, typeUrl: string, node: ClientNode) => Access;
  /** Names that an on-demand client gets unasked: the workloads of its own node. */
  readonly baseline?: (caller: Caller, typeUrl: string, node: ClientNode) => Iterable<string>;
  readonly onNack?: (caller: Caller, typeUrl: string, message: string, node: ClientNode) => void;
  /** Told once about every stream that was refused or broke. */
  readonly onEnd?: (peer: string, error: RpcError | undefined) => void;
  /** How long a first answer waits for the requests of types that go before it; default 100 ms. */
  readonly orderWaitMs?: number;
};

/** A client that is connected now. */
export type ConnectedClient<Caller> = {
  readonly caller: Caller;
  readonly peer: string;
  readonly node: ClientNode | undefined;
  /** By type URL. */
  readonly types: ReadonlyMap<string, TypeStatus>;
};

export type DiscoveryService<Caller> = {
  readonly definition: typeof discoveryServiceDefinition;
  /** For `server.addService(definition, implementation)`. */
  readonly implementation: { readonly DeltaAggregatedResources: (stream: DiscoveryStream) => void };
  clients(): readonly ConnectedClient<Caller>[];
};

export function createDiscoveryService<Caller>(options: DiscoveryServiceOptions<Caller>): DiscoveryService<Caller> {
  const live = new Map<DiscoverySession, { readonly caller: Caller; readonly peer: string }>();

  const serve = async (stream: DiscoveryStream): Promise<void> => {
    const peer = stream.getPeer();
    const caller = await authenticated(options, stream.metadata, peer);
    const session = new DiscoverySession(stream, {
      stores: options.stores,
      access: (typeUrl, node) => options.authorize(caller, typeUrl, node),
      baseline: (typeUrl, node) => options.baseline?.(caller, typeUrl, node) ?? [],
      onNack: (typeUrl, message, node) => options.onNack?.(caller, typeUrl, message, node),
      orderWaitMs: options.orderWaitMs ?? 100,
    });
    live.set(session, { caller, peer });
    try {
      await session.serve();
    } finally {
      live.delete(session);
    }
  };

  return {
    definition: discoveryServiceDefinition,
    implementation: {
      DeltaAggregatedResources: (stream) => {
        const peer = stream.getPeer();
        stream.on('error', () => {}); // its end reaches serve() through the iteration
        serve(stream).then(
          () => {
            stream.end();
            options.onEnd?.(peer, undefined);
          },
          (error) => {
            const failure = asRpcError(error);
            stream.emit('error', failure); // how gRPC's server takes a status; it ends the stream, too
            options.onEnd?.(peer, failure);
          },
        );
      },
    },
    clients: () =>
      [...live].map(([session, { caller, peer }]) => ({
        caller,
        peer,
        node: session.node,
        types: session.statuses(),
      })),
  };
}

async function authenticated<Caller>(
  options: DiscoveryServiceOptions<Caller>,
  metadata: Metadata,
  peer: string,
): Promise<Caller> {
  try {
    return await options.authenticate(metadata, peer);
  } catch (cause) {
    if (cause instanceof RpcError) throw cause;
    throw new RpcError(status.UNAUTHENTICATED, 'request authenticate failure', { cause });
  }
}

function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const known = rpcStatus(error);
  if (known !== undefined) return new RpcError(known.code, known.details, { cause: error });
  return new RpcError(status.INTERNAL, 'internal error', { cause: error });
}
