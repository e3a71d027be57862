/** The gRPC port: discovery and certificates over TLS, nothing else and never in plaintext. */
import {
  Server,
  type ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { MeshError } from '../../mesh/index.ts';

export type GrpcService = {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
};

export interface GrpcEndpoint extends AsyncDisposable {
  readonly port: number;
  /** Tells clients to go elsewhere (they reconnect), waits for calls to end, and cuts what is left at the deadline. */
  drain(deadlineMs: number): Promise<void>;
}

/** controller.md section 6.3. */
const OPTIONS = {
  'grpc.max_receive_message_length': 4 << 20,
  'grpc.max_concurrent_streams': 100_000,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_connection_age_ms': 30 * 60_000,
  'grpc.max_connection_age_grace_ms': 10_000,
} as const;

/** Resolves once it listens on all addresses of both families. Throws LISTEN_FAILED. */
export async function serveGrpc(o: {
  readonly port: number;
  readonly host?: string;
  readonly credentials: ServerCredentials;
  readonly services: readonly GrpcService[];
}): Promise<GrpcEndpoint> {
  const server = new Server(OPTIONS);
  for (const { definition, implementation } of o.services) server.addService(definition, implementation);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`${o.host ?? '[::]'}:${o.port}`, o.credentials, (error, port) => {
    if (error === null) resolve(port);
    else reject(new MeshError('LISTEN_FAILED', `gRPC port ${o.port}: ${error.message}`, { cause: error }));
  });
  const port = await promise;
  return {
    port,
    async drain(deadlineMs) {
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const cut = setTimeout(() => server.forceShutdown(), deadlineMs);
      server.tryShutdown(() => end());
      await ended;
      clearTimeout(cut);
    },
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}
