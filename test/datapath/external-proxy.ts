/**
 * A ztunnel as a program of its own, whoever made it: in a namespace that stands for its node, fed by our discovery service
 * and authority, and told of its pods over ZDS with their namespaces, as a CNI agent would.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type SeqpacketConnection, SeqpacketServer, spawnInNetns } from '../../core/net/index.ts';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  certificateServiceDefinition,
  createCertificateService,
  createDiscoveryService,
  ResourceStore,
  setAddress,
  setAuthorization,
} from '../../core/xds/index.ts';
import { decodeHello, decodeResponse, encodeRequest, type ZdsRequest } from '../../core/zds/index.ts';
import type { Address, Authorization } from '../../mesh/index.ts';
import type { TestCa } from '../support/certificates.ts';
import { endWithUs, ScratchDir } from '../support/leftovers.ts';
import type { TestHost } from '../support/netns.ts';

const START_MS = 15_000;

/** What is given to the program, kept current by whoever changes the mesh. */
export class TestControlPlane implements AsyncDisposable {
  readonly #addresses = new ResourceStore(ADDRESS_TYPE);
  readonly #authorizations = new ResourceStore(AUTHORIZATION_TYPE);
  readonly #server = new Server();
  readonly rootPem: string;
  port = 0;

  private constructor(ca: TestCa) {
    this.rootPem = ca.authority.rootPem;
    const discovery = createDiscoveryService({
      stores: [this.#authorizations, this.#addresses],
      authenticate: async () => 'the proxy under test',
      authorize: () => ({ kind: 'all' }),
    });
    this.#server.addService(discovery.definition, discovery.implementation);
    const certificates = createCertificateService(async ({ csrPem, ttlSeconds, impersonatedIdentity = '' }) => {
      const identities = [impersonatedIdentity];
      return (await ca.authority.sign({ csrPem, identities, ttlSeconds, now: new Date() })).chainPem;
    });
    this.#server.addService(certificateServiceDefinition, certificates);
  }

  static async start(ca: TestCa): Promise<TestControlPlane> {
    const plane = new TestControlPlane(ca);
    const serving = await ca.authority.issueServing({ dnsNames: ['localhost'], ttlSeconds: 3600, now: new Date() });
    const pair = { private_key: Buffer.from(serving.keyPem), cert_chain: Buffer.from(serving.certPem) };
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    plane.#server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(null, [pair]), (error, port) =>
      error ? reject(error) : resolve(port),
    );
    plane.port = await promise;
    return plane;
  }

  address(address: Address): void {
    setAddress(this.#addresses, address);
  }

  policy(authorization: Authorization): void {
    setAuthorization(this.#authorizations, authorization);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

export class ExternalProxy implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #zds: SeqpacketServer;
  readonly #relay: TcpServer;
  readonly #dir: ScratchDir;
  /** What the program printed, for when something goes wrong. */
  output = '';

  private constructor(child: ChildProcess, zds: SeqpacketServer, relay: TcpServer, dir: ScratchDir) {
    this.#child = child;
    this.#zds = zds;
    this.#relay = relay;
    this.#dir = dir;
    endWithUs(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output = (this.output + text).slice(-20_000);
      });
    }
  }

  /** Resolves once every pod was acknowledged, which is when its ports listen. */
  static async start(o: {
    /** Command and arguments, to which `proxy` is added. */
    readonly program: readonly string[];
    readonly node: TestHost;
    readonly plane: TestControlPlane;
    readonly pods: readonly { readonly uid: string; readonly name: string; readonly host: TestHost }[];
  }): Promise<ExternalProxy> {
    const dir = new ScratchDir('ambit-external');
    const root = join(dir.path, 'root.pem');
    const token = join(dir.path, 'token');
    writeFileSync(root, o.plane.rootPem);
    writeFileSync(token, 'a token');
    const socket = join(dir.path, 'ztunnel.sock');
    const zds = SeqpacketServer.listen(socket);
    const agent = serveZds(zds, o.pods);
    // The control plane lives in our own namespace; the program reaches it over its own loopback.
    const relay = await o.node.listen(15012, (near) => {
      const far = connect({ port: o.plane.port, host: '127.0.0.1' });
      for (const [from, to] of [[near, far] as const, [far, near] as const]) {
        from.on('error', () => to.destroy()).pipe(to);
      }
    });
    const env = {
      PATH: process.env['PATH'] ?? '',
      PROXY_MODE: 'shared',
      XDS_ADDRESS: 'https://localhost:15012',
      CA_ADDRESS: 'https://localhost:15012',
      XDS_ROOT_CA: root,
      CA_ROOT_CA: root,
      AUTH_TOKEN: token,
      INPOD_UDS: socket,
      CLUSTER_ID: 'c1',
      ISTIO_META_DNS_CAPTURE: 'false',
      RUST_LOG: 'info',
    };
    const [command = '', ...args] = o.program;
    const child = spawnInNetns(o.node.netns, command, [...args, 'proxy'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const proxy = new ExternalProxy(child, zds, relay, dir);
    const failed = new Promise<never>((_, reject) => {
      const give = (why: string) => reject(new Error(`${o.program.join(' ')}: ${why}\n${proxy.output}`));
      child.once('error', (error) => give(error.message));
      child.once('exit', (code, signal) => give(`ended early (${code ?? signal})`));
      setTimeout(() => give(`did not serve its pods in ${START_MS} ms`), START_MS).unref();
    });
    try {
      await Promise.race([agent, failed]);
      failed.catch(() => {}); // from now on its end is our doing
      return proxy;
    } catch (error) {
      await proxy[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
    this.#relay.close();
    await this.#zds[Symbol.asyncDispose]();
    this.#dir[Symbol.dispose]();
  }
}

type ServedPod = { readonly uid: string; readonly name: string; readonly host: TestHost };

/** Answers the program's hello with all pods; resolves when it has taken them. */
function serveZds(server: SeqpacketServer, pods: readonly ServedPod[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.onConnection((connection) => {
    announce(connection, pods).then(resolve, reject);
  }, reject);
  return promise;
}

async function announce(connection: SeqpacketConnection, pods: readonly ServedPod[]): Promise<void> {
  const next = async (): Promise<Uint8Array> => {
    const received = await connection.receive();
    if (received === undefined) throw new Error('the proxy closed its ZDS connection');
    return received.packet;
  };
  const ask = async (request: ZdsRequest, fds: readonly number[] = []) => {
    await connection.send(encodeRequest(request), fds);
    const { error } = decodeResponse(await next());
    if (error !== '') throw new Error(`the proxy refused ${request.kind}: ${error}`);
  };
  decodeHello(await next());
  for (const { uid, name, host } of pods) {
    await ask({ kind: 'add', uid, info: { name, namespace: 'shop', serviceAccount: name } }, [host.netns.fd]);
  }
  await ask({ kind: 'snapshotSent' });
}
