/**
 * A waypoint and what is around it, on real sockets of loopback: objects as people write them are derived, and what comes out
 * is what the waypoint is told; callers come through tunnels with certificates, endpoints take tunnels as their node's proxy would.
 */

import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { parseAllDocuments } from 'yaml';
import {
  type ConnectRequest,
  createHboneClient,
  createHboneServer,
  type HboneClient,
  type HboneServer,
  relay,
  type TlsMaterial,
  tcpLeg,
} from '../../core/hbone/index.ts';
import { connectTcp, listenTcp, localAddress, type TcpConnection, TcpListener } from '../../core/net/index.ts';
import { createLogger, Registry } from '../../core/telemetry/index.ts';
import { ADDRESS_TYPE, encodeAddress, encodeWaypoint, type Update, WAYPOINT_TYPE } from '../../core/xds/index.ts';
import {
  type Address,
  addressKey,
  type ConditionChange,
  DEFAULT_MESH_CONFIG,
  type Delta,
  Deriver,
  gatewayOfResource,
  type KubeObject,
  type MeshConfig,
  mustParseIp,
  parseAuthority,
  parseSpiffeId,
  type SpiffeId,
  spiffeId,
} from '../../mesh/index.ts';
import { parseConfig } from '../../waypoint/config.ts';
import { type Plane, startPlane } from '../../waypoint/plane.ts';
import { refusal } from '../../waypoint/refused-addresses.ts';
import { TestCa } from '../support/certificates.ts';
import { eventually } from '../support/netns.ts';

export type WorldOptions = {
  /** Documents; `10.0.0.N` stands for an address of loopback that only this process uses. */
  readonly yaml: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: Partial<MeshConfig>;
  /** `namespace/name`; default `shop/waypoint`. */
  readonly gateway?: string;
  /** What names mean; all others are not there. */
  readonly names?: Readonly<Record<string, string>>;
  /** Of the certificates of pods; default: that of the mesh. */
  readonly podTrustDomain?: string;
};

/** A stream as it arrived at an endpoint's node. */
export type Arrival = {
  readonly pod: string;
  readonly peer: SpiffeId;
  readonly headers: ReadonlyMap<string, string>;
  readonly authority: string;
};

export class WaypointWorld implements AsyncDisposable {
  readonly ca: TestCa;
  readonly logs: string[] = [];
  readonly registry = new Registry();
  readonly arrivals: Arrival[] = [];
  /** What nodes answer to tunnels of whom their policies deny, by pod; absent: they let them in. */
  readonly denials = new Map<string, { readonly status: 401 | 503; readonly receipt?: string }>();
  readonly conditions = new Map<string, ConditionChange>();
  /** Whether an endpoint's node lets a stream through; until a test says otherwise, each does. */
  admits: (arrival: Arrival) => boolean = () => true;
  readonly deriver: Deriver;
  readonly plane: Plane;
  readonly #gateway: string;
  readonly #podTrustDomain: string;
  #servedBy: number | undefined;
  readonly #resources = new AsyncDisposableStack();
  readonly #clients = new Map<string, { readonly client: HboneClient; readonly material: TlsMaterial }>();
  readonly #objects = new Map<string, KubeObject>();
  readonly #nodes = new Map<string, HboneServer>();

  private constructor(ca: TestCa, material: TlsMaterial, o: WorldOptions) {
    this.ca = ca;
    this.#gateway = o.gateway ?? 'shop/waypoint';
    this.#podTrustDomain = o.podTrustDomain ?? ca.trustDomain;
    this.deriver = new Deriver({ ...DEFAULT_MESH_CONFIG, ...o.config });
    const [namespace = '', name = ''] = this.#gateway.split('/');
    const env = {
      POD_NAME: 'waypoint-1',
      POD_NAMESPACE: namespace,
      SERVICE_ACCOUNT: name,
      INSTANCE_IP: '127.0.0.1',
      AMBIT_WAYPOINT_PORT: '0',
      AMBIT_WAYPOINT_DETECTION_TIMEOUT: '300ms',
      AMBIT_WAYPOINT_ACCESS_LOG: 'json',
      ...o.env,
    };
    this.plane = startPlane({
      config: parseConfig({ env, readFile: () => undefined }),
      log: createLogger({ format: 'plain', level: 'debug', root: 'waypoint', write: (line) => this.logs.push(line) }),
      registry: this.registry,
      accessLog: (line) => this.logs.push(line),
      material: async () => material,
      demand: async (name) => this.#send(this.#addressesOf(name)),
      release: () => {},
      lookUp: async (name, family) => {
        const address = o.names?.[name];
        if (address === undefined || family === 6) throw Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' });
        return [{ address: here(address), ttl: 60 }];
      },
      // What is outside is on loopback, too.
      refusal: (ip) => (ip.startsWith(PREFIX) ? undefined : refusal(ip)),
    });
  }

  static async start(t: Pick<TestContext, 'after'>, o: WorldOptions): Promise<WaypointWorld> {
    const ca = await TestCa.create();
    const [namespace = '', name = ''] = (o.gateway ?? 'shop/waypoint').split('/');
    const world = new WaypointWorld(ca, await ca.material(ca.id(namespace, name)), o);
    t.after(() => world[Symbol.asyncDispose]());
    await world.apply(o.yaml);
    world.plane.open();
    return world;
  }

  /** Creates and replaces objects, as `kubectl apply` does. */
  async apply(yaml: string): Promise<void> {
    const documents = parseAllDocuments(here(yaml)).map((document) => {
      if (document.errors[0] !== undefined) throw document.errors[0];
      return document.toJS() as KubeObject | null;
    });
    const objects = documents.filter((object) => object !== null);
    for (const object of objects) this.#objects.set(nameOf(object), object);
    this.#tell(this.deriver.applyAll(objects));
    await this.#serveNodes();
  }

  /** The mesh configuration changes. */
  async reconfigure(config: Partial<MeshConfig>): Promise<void> {
    this.#tell(this.deriver.reconfigure({ ...DEFAULT_MESH_CONFIG, ...config }));
    await this.#serveNodes();
  }

  remove(kind: string, path: string): void {
    const object = this.#objects.get(`${kind} ${path}`);
    if (object === undefined) throw new Error(`no ${kind} ${path}`);
    this.#tell(this.deriver.remove(object));
  }

  /** What `10.0.0.N` stands for. */
  ip(n: number): string {
    return `${PREFIX}${n}`;
  }

  /** An HTTP/1.1 server of a pod; `n` is the last number of its address. */
  async http(n: number, port: number, handler: Parameters<typeof createServer>[1]): Promise<Server> {
    const server = createServer({ keepAlive: true }, handler);
    await this.#listen(server, n, port);
    this.#resources.defer(() => server.closeAllConnections());
    return server;
  }

  /** An HTTP/2 server of a pod, without TLS. */
  async http2(n: number, port: number, handler: Parameters<typeof createHttp2Server>[1]): Promise<Http2Server> {
    const server = createHttp2Server(handler);
    const sockets = new Set<{ destroy(): void }>();
    server.on('session', (session) => {
      sockets.add(session);
      session.on('error', () => {});
      session.on('close', () => sockets.delete(session));
    });
    await this.#listen(server, n, port);
    this.#resources.defer(() => {
      for (const socket of sockets) socket.destroy();
    });
    return server;
  }

  /** Whatever speaks TCP. */
  async tcp(n: number, port: number, handler: (socket: Socket) => void): Promise<void> {
    await this.serve(n, port, createNetServer({ allowHalfOpen: true }, handler));
  }

  /** Any server of connections, which are cut at the end. */
  async serve(n: number, port: number, server: NetServer): Promise<void> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    });
    await this.#listen(server, n, port);
    this.#resources.defer(() => {
      for (const socket of sockets) socket.destroy();
    });
  }

  /**
   * A port of loopback: what connects to it comes through a tunnel to the waypoint as `caller` (`namespace/account`, with the
   * address `10.0.0.N`) and means `authority`.
   */
  async through(caller: string, authority: string, n = 200): Promise<number> {
    const fd = listenTcp({ ip: '127.0.0.1', port: 0 });
    const port = localAddress(fd)?.port ?? 0;
    const open = new Set<TcpConnection>();
    const take = (connection: TcpConnection) => {
      open.add(connection);
      void this.#carry(connection, caller, authority, n).finally(() => open.delete(connection));
    };
    const listener = new TcpListener(fd, take, ACCEPT);
    this.#resources.defer(() => {
      listener[Symbol.dispose]();
      for (const connection of open) connection.reset();
    });
    return port;
  }

  /** One CONNECT of a caller (`namespace/account`, or a whole identity); rejects as the tunnel's client does. */
  async open(caller: string, authority: string, n = 200, headers: Readonly<Record<string, string>> = {}) {
    const { client, material } = await this.#client(caller);
    const [namespace = '', name = ''] = this.#gateway.split('/');
    const to = { ip: mustParseIp('127.0.0.1'), port: this.#servedBy ?? this.plane.port };
    return client.open({
      dial: to,
      source: material,
      expected: [this.ca.id(namespace, name)],
      authority: here(authority),
      headers: {
        baggage: `k8s.namespace.name=${caller.split('/')[0]},service.name=${caller.split('/')[1]}`,
        ...headers,
      },
      connect: () => connectTcp({ to, bindSource: this.ip(n) }),
      poolKey: `${caller}|${n}`,
    });
  }

  /** From now on callers go to another waypoint, on that port, which must have been given `everything`. */
  serveBy(port: number): void {
    this.#servedBy = port;
  }

  /** The waypoint's own key and certificate. */
  material(): Promise<TlsMaterial> {
    const [namespace = '', name = ''] = this.#gateway.split('/');
    return this.ca.material(this.ca.id(namespace, name));
  }

  /** All that the waypoint was told, in the order in which discovery brings it. */
  everything(): readonly (readonly [typeUrl: string, update: Update])[] {
    const told = [...this.deriver.waypoints.values()].filter(({ name }) => gatewayOfResource(name) === this.#gateway);
    const upserted = told.map((resource) => ({ name: resource.name, version: '', bytes: encodeWaypoint(resource) }));
    const addresses = [...this.deriver.addresses.values()].map((address) => ({
      name: addressKey(address),
      version: '',
      bytes: encodeAddress(address),
    }));
    return [
      [WAYPOINT_TYPE, { upserted, removed: [] }],
      [ADDRESS_TYPE, { upserted: addresses, removed: [] }],
    ];
  }

  /** Resolves once a line was logged that matches. */
  async logged(pattern: RegExp): Promise<string> {
    await eventually(`the log says ${pattern}`, () => this.logs.some((line) => pattern.test(line)));
    return this.logs.find((line) => pattern.test(line)) ?? '';
  }

  metrics(): string {
    return this.registry.render().body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane.drain(0);
    for (const { client } of this.#clients.values()) await client[Symbol.asyncDispose]();
    for (const server of this.#nodes.values()) await server[Symbol.asyncDispose]();
    await this.#resources.disposeAsync();
  }

  #tell(delta: Delta): void {
    for (const change of delta.conditions)
      this.conditions.set(
        `${change.object.kind} ${change.object.namespace}/${change.object.name} ${change.type}`,
        change,
      );
    const mine = (name: string) => gatewayOfResource(name) === this.#gateway;
    this.#send(delta.addresses.upserted, delta.addresses.removed);
    const upserted = delta.waypoints.upserted
      .filter(({ name }) => mine(name))
      .map((resource) => ({ name: resource.name, version: '', bytes: encodeWaypoint(resource) }));
    const rejected = this.plane.told.onUpdate(WAYPOINT_TYPE, {
      upserted,
      removed: delta.waypoints.removed.filter(mine),
    });
    if (rejected.length > 0) throw new Error(`the waypoint refused: ${JSON.stringify(rejected)}`);
  }

  #send(addresses: readonly Address[], removed: readonly string[] = []): void {
    const upserted = addresses.map((address) => ({
      name: addressKey(address),
      version: '',
      bytes: encodeAddress(address),
    }));
    this.plane.told.onUpdate(ADDRESS_TYPE, { upserted, removed });
  }

  #addressesOf(name: string): readonly Address[] {
    const all = [...this.deriver.addresses.values()];
    return all.filter((a) => addressKey(a) === name || (a.kind === 'workload' && a.workload.services.has(name)));
  }

  async #client(caller: string) {
    let known = this.#clients.get(caller);
    if (known === undefined) {
      const [namespace = '', account = ''] = caller.split('/');
      const identity = caller.startsWith('spiffe://') ? parseSpiffeId(caller) : this.ca.id(namespace, account);
      const material = await this.ca.material(identity);
      known = { client: createHboneClient({ implementation: 'plane' }), material };
      this.#clients.set(caller, known);
    }
    return known;
  }

  async #carry(connection: TcpConnection, caller: string, authority: string, n: number): Promise<void> {
    try {
      const { leg } = await this.open(caller, authority, n);
      await relay(tcpLeg(connection), leg);
    } catch {
      connection.reset(); // as a ztunnel does when its CONNECT is refused
    }
  }

  async #listen(server: Server | Http2Server | NetServer, n: number, port: number) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, this.ip(n), resolve);
    });
    this.#resources.defer(() => void server.close());
  }

  /** Each pod in the mesh has its node's proxy on port 15008 of its address. */
  async #serveNodes(): Promise<void> {
    for (const address of this.deriver.addresses.values()) {
      if (address.kind !== 'workload' || address.workload.tunnelProtocol !== 'HBONE') continue;
      const { workload } = address;
      const [ip] = workload.addresses;
      if (ip === undefined || this.#nodes.has(ip)) continue;
      const identity = spiffeId(this.#podTrustDomain, workload.namespace, workload.serviceAccount);
      const material = await this.ca.material(identity);
      const server = createHboneServer({
        implementation: 'plane',
        material: async () => material,
        trustDomains: () => [this.ca.trustDomain, this.#podTrustDomain],
        onHandshakeError: () => {},
        onConnect: (request) => this.#arrive(`${workload.namespace}/${workload.name}`, request),
      });
      this.#nodes.set(ip, server);
      const listener = new TcpListener(
        listenTcp({ ip, port: 15_008 }),
        (connection) => server.accept(connection),
        ACCEPT,
      );
      this.#resources.defer(() => listener[Symbol.dispose]());
    }
  }

  async #arrive(pod: string, request: ConnectRequest): Promise<void> {
    const { peer, headers, authority } = request;
    const arrival = { pod, peer, headers, authority };
    this.arrivals.push(arrival);
    if (!this.admits(arrival)) return request.refuse(401, { 'ambit-receipt': 'r-1' });
    const asked = parseAuthority(authority);
    if (asked?.kind !== 'address') return request.refuse(400);
    const denial = this.denials.get(pod);
    if (denial !== undefined) {
      const { status, receipt } = denial;
      return request.refuse(status, receipt === undefined ? {} : { 'ambit-receipt': receipt });
    }
    try {
      const up = await connectTcp({ to: { ip: request.to.ip, port: asked.address.port } });
      await relay(request.respond(200), tcpLeg(up));
    } catch {
      request.refuse(503);
    }
  }
}

const ACCEPT = { perTurn: 64, onError: () => {} };

const PREFIX = `127.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}.`;

function here(text: string): string {
  return text.replaceAll('10.0.0.', PREFIX);
}

function nameOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
}

/** A waypoint of namespace shop, its service cart (VIP 10.0.0.100, port 80 for 8080) and two pods, 10.0.0.1 and 10.0.0.2. */
export const SHOP = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/use-waypoint: waypoint } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: Hostname, value: waypoint.shop.svc.cluster.local }] }
---
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: shop }
spec:
  clusterIP: 10.0.0.100
  selector: { app: cart }
  ports:
    - { name: http, port: 80, targetPort: 8080 }
    - { name: tcp-raw, port: 90, targetPort: 9090 }
    - { name: unnamed, port: 95, targetPort: 8080 }
    - { name: http2-h2, port: 82, targetPort: 8082 }
---
${podYaml('shop', 'cart-1', 1, 'cart')}
---
${podYaml('shop', 'cart-2', 2, 'cart')}
`;

/** A ready pod in the mesh at 10.0.0.N, labelled `app`, with an account of the same name. */
export function podYaml(namespace: string, name: string, n: number, app: string, labels = ''): string {
  return `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: ${namespace}
  labels: { app: ${app}${labels && `, ${labels}`} }
  annotations: { ambient.istio.io/redirection: enabled }
spec: { nodeName: node-1, serviceAccountName: ${app}, containers: [{ name: c }] }
status: { phase: Running, podIPs: [{ ip: 10.0.0.${n} }], conditions: [{ type: Ready, status: "True" }] }`;
}
