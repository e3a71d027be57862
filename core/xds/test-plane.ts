/** A control plane for tests: a real gRPC server with TLS on loopback, and what a client needs to reach it. */
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { CertificateAuthority } from '../identity/index.ts';
import type { ControlPlane } from './rpc.ts';

export type TestPlane = AsyncDisposable & {
  readonly port: number;
  readonly authority: CertificateAuthority;
  /** Settings of a client that trusts this plane and sends the token `t0`. */
  readonly client: ControlPlane;
  /** Breaks every connection and stops listening. */
  kill(): void;
};

export type TestService = {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
};

/** `port` and `authority` bring a plane back that was killed. */
export async function startTestPlane(
  services: readonly TestService[],
  again: { readonly port?: number; readonly authority?: CertificateAuthority } = {},
): Promise<TestPlane> {
  const authority =
    again.authority ?? (await CertificateAuthority.selfSigned({ trustDomain: 'cluster.local', now: new Date() }));
  const serving = await authority.issueServing({ dnsNames: ['localhost'], ttlSeconds: 3_600, now: new Date() });
  const server = new Server();
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(serving.keyPem), cert_chain: Buffer.from(serving.certPem) },
  ]);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`127.0.0.1:${again.port ?? 0}`, credentials, (error, port) => {
    if (error === null) resolve(port);
    else reject(error);
  });
  const port = await promise;
  const kill = () => server.forceShutdown();
  return {
    port,
    authority,
    client: {
      address: `https://127.0.0.1:${port}`,
      altHostname: 'localhost',
      rootCertificate: async () => Buffer.from(authority.rootPem),
      token: async () => 't0',
      clusterId: 'c1',
    },
    kill,
    [Symbol.asyncDispose]: async () => kill(),
  };
}

/** Resolves once `holds` is true, looking again after every turn of the loop and a little later; rejects after 5 s. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`did not happen within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
