/** A control plane on a host of the test's network: discovery and certificates on one TLS port, told what to say by the test. */
import { writeFileSync } from 'node:fs';
import type { Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { type Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  type DiscoveryService,
  ResourceStore,
  RpcError,
  setAddress,
  setAuthorization,
} from '../../../core/xds/index.ts';
import { type Authorization, authorizationKey, type Service, serviceKey, type Workload } from '../../../mesh/index.ts';
import { TestCa } from '../../support/certificates.ts';
import { eventually, type TestHost } from '../../support/netns.ts';

const PORT = 15012;
const TOKEN = 'token-of-the-node-proxy';
export const SERVER_NAME = 'istiod.istio-system.svc';

export type ControlPlaneOptions = {
  readonly host: TestHost;
  /** Where the token and root files go. */
  readonly scratch: string;
};

export type Issued = { readonly identity: string; readonly serial: string };

export class ControlPlane implements AsyncDisposable {
  readonly ca: TestCa;
  readonly address: string;
  readonly rootFile: string;
  readonly tokenFile: string;
  /** Every certificate that was signed, in order. */
  readonly issued: Issued[] = [];
  /** What clients refused, in their words. */
  readonly nacks: string[] = [];
  readonly #host: TestHost;
  readonly #addresses = new ResourceStore(ADDRESS_TYPE);
  readonly #authorizations = new ResourceStore(AUTHORIZATION_TYPE);
  readonly #discovery: DiscoveryService<string>;
  #running: { readonly grpc: Server; readonly listener: NetServer; readonly cut: () => void } | undefined;

  private constructor(o: ControlPlaneOptions, ca: TestCa) {
    this.ca = ca;
    this.#host = o.host;
    this.address = `https://${o.host.ip4}:${PORT}`;
    this.rootFile = join(o.scratch, 'root-cert.pem');
    this.tokenFile = join(o.scratch, 'token');
    writeFileSync(this.rootFile, ca.authority.rootPem);
    writeFileSync(this.tokenFile, TOKEN);
    this.#discovery = createDiscoveryService<string>({
      stores: [this.#authorizations, this.#addresses],
      authenticate: async (metadata) => checkToken(metadata),
      authorize: () => ({ kind: 'all' }),
      onNack: (_caller, typeUrl, message) => this.nacks.push(`${typeUrl}: ${message}`),
    });
  }

  static async start(o: ControlPlaneOptions): Promise<ControlPlane> {
    const plane = new ControlPlane(o, await TestCa.create());
    await plane.up();
    return plane;
  }

  async up(): Promise<void> {
    const serving = await this.ca.authority.issueServing({
      dnsNames: [SERVER_NAME],
      ttlSeconds: 3600,
      now: new Date(),
    });
    const grpc = new Server();
    grpc.addService(this.#discovery.definition, this.#discovery.implementation);
    grpc.addService(
      certificateServiceDefinition,
      createCertificateService(async (request, { metadata }) => {
        checkToken(metadata);
        const identity = request.impersonatedIdentity;
        if (identity === undefined)
          throw new RpcError(status.INVALID_ARGUMENT, 'a node proxy asks for the identity of a pod');
        const { csrPem, ttlSeconds } = request;
        const signed = await this.ca.authority.sign({ csrPem, identities: [identity], ttlSeconds, now: new Date() });
        this.issued.push({ identity, serial: signed.serial });
        return signed.chainPem;
      }),
    );
    const credentials = ServerCredentials.createSsl(null, [
      { private_key: Buffer.from(serving.keyPem), cert_chain: Buffer.from(serving.certPem) },
    ]);
    // gRPC cannot listen in another namespace, but it takes connections that were accepted there.
    const injector = grpc.createConnectionInjector(credentials);
    const sockets = new Set<Disposable>();
    const listener = await this.#host.listen(PORT, (socket) => {
      const one = { [Symbol.dispose]: () => void socket.destroy() };
      sockets.add(one);
      socket.once('close', () => sockets.delete(one));
      socket.on('error', () => {}); // a client that went away
      injector.injectConnection(socket);
    });
    this.#running = {
      grpc,
      listener,
      cut: () => {
        injector.destroy();
        for (const socket of sockets) socket[Symbol.dispose]();
      },
    };
  }

  /** Breaks every connection and stops listening; what was set stays for when it is up again. */
  async down(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined) return;
    const closed = new Promise((done) => running.listener.close(done));
    running.grpc.forceShutdown();
    running.cut();
    await closed;
  }

  setWorkload(workload: Workload): void {
    setAddress(this.#addresses, { kind: 'workload', workload });
  }

  setService(service: Service): void {
    setAddress(this.#addresses, { kind: 'service', service });
  }

  setAuthorization(authorization: Authorization): void {
    setAuthorization(this.#authorizations, authorization);
  }

  /** Whatever bytes, in place of an address. */
  setAddressBytes(name: string, bytes: Uint8Array): void {
    this.#addresses.set(name, bytes);
  }

  removeAddress(name: string): void {
    this.#addresses.delete(name);
  }

  removeWorkload(workload: Workload): void {
    this.#addresses.delete(workload.uid);
  }

  removeService(service: Service): void {
    this.#addresses.delete(serviceKey(service));
  }

  removeAuthorization(authorization: Authorization): void {
    this.#authorizations.delete(authorizationKey(authorization));
  }

  removeAllAuthorizations(): void {
    for (const { name } of [...this.#authorizations.all()]) this.#authorizations.delete(name);
  }

  /** How many ztunnels are connected. */
  get clients(): number {
    return this.#discovery.clients().length;
  }

  /** Resolves once every connected ztunnel has acknowledged all that was sent to it. */
  async applied(clients: number): Promise<void> {
    await new Promise((turn) => setImmediate(turn)); // changes go out a turn after they were made
    await new Promise((turn) => setImmediate(turn));
    await eventually(`${clients} ztunnels have applied the configuration`, () => {
      const connected = this.#discovery.clients();
      const types = connected.flatMap((client) => [...client.types.values()]);
      return (
        connected.length >= clients &&
        types.length === connected.length * 2 &&
        types.every((type) => type.sentNonce !== '' && type.sentNonce === type.ackedNonce)
      );
    });
    if (this.nacks.length > 0) throw new Error(`a ztunnel refused what it was sent: ${this.nacks.join('; ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

function checkToken(metadata: Metadata): string {
  if (metadata.get('authorization')[0] !== `Bearer ${TOKEN}`)
    throw new RpcError(status.UNAUTHENTICATED, 'no such token');
  return 'ztunnel';
}
