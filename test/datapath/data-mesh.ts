/** Pods on their own hosts with our data path in each: real namespaces, redirection, certificates; a view fed by the test. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { applyRules, planRules } from '../../cni/redirect/index.ts';
import { Hostnames, type LookUp } from '../../core/hostnames/index.ts';
import {
  type Authorization,
  EMPTY_MATCH,
  type Match,
  mustParseIp,
  type Service,
  View,
  type Workload,
} from '../../mesh/index.ts';
import {
  type ConnectionContext,
  type ConnectionObserver,
  type ConnectionResult,
  type DataConfig,
  defaultDataConfig,
  type EarlyDeny,
  type LiveCounters,
  NodePods,
  type PodProxy,
  type PodProxyDeps,
  type PolicyEvent,
  startPodProxy,
} from '../../ztunnel/data/index.ts';
import { TestCa } from '../support/certificates.ts';
import { eventually, type TestHost, TestNet } from '../support/netns.ts';

export type Seen = {
  readonly context: ConnectionContext;
  readonly counters: LiveCounters;
  result: ConnectionResult | undefined;
};

/** Remembers all that the data path tells. */
class RecordingObserver implements ConnectionObserver {
  readonly connections: Seen[] = [];
  readonly denials: PolicyEvent[] = [];
  readonly dryRuns: PolicyEvent[] = [];
  readonly early: EarlyDeny[] = [];
  readonly handshakes: (EarlyDeny & { readonly code: string })[] = [];
  readonly warnings: string[] = [];
  readonly tunnelFaults: string[] = [];
  readonly sourcesDropped: string[] = [];
  readonly hostnames: string[] = [];
  sockets = 0;

  opened(context: ConnectionContext) {
    const seen: Seen = { context, counters: { sent: 0, received: 0 }, result: undefined };
    this.connections.push(seen);
    return {
      counters: seen.counters,
      closed: (result: ConnectionResult) => {
        assert.equal(seen.result, undefined, 'a connection closes once');
        seen.result = result;
      },
    };
  }

  denied(event: PolicyEvent): string {
    this.denials.push(event);
    return `receipt-${this.denials.length}`;
  }

  dryRun(event: PolicyEvent): void {
    this.dryRuns.push(event);
  }

  allowed(): void {}

  earlyDeny(event: EarlyDeny): void {
    this.early.push(event);
  }

  handshakeFailed(event: EarlyDeny & { readonly code: string }): void {
    this.handshakes.push(event);
  }

  sourceHeaderDropped(peer: string): void {
    this.sourcesDropped.push(peer);
  }

  tunnelFault(kind: string): void {
    this.tunnelFaults.push(kind);
  }

  hostnameAsked(_source: Workload, hostname: string): void {
    this.hostnames.push(hostname);
  }

  socketAccepted(): void {
    this.sockets += 1;
  }

  socketClosed(): void {
    this.sockets -= 1;
  }

  warn(message: string, fields: Readonly<Record<string, string | number | boolean>>): void {
    this.warnings.push(`${message} ${JSON.stringify(fields)}`);
  }

  /** The last connection, once it is over. */
  async over(): Promise<Seen & { readonly result: ConnectionResult }> {
    const last = await eventually('the connection is over', () => {
      const seen = this.connections.at(-1);
      return seen?.result && seen;
    });
    assert.ok(last.result);
    return { ...last, result: last.result };
  }
}

export type Pod = {
  readonly host: TestHost;
  readonly proxy: PodProxy;
  readonly observer: RecordingObserver;
};

const nobody: LookUp = async () => [];

const RULES = planRules({ ipv6: true, dnsCapture: false, bypassInbound: false, virtualInterfaces: [] });

export type MeshOptions = {
  /** Enrolled, each with a host and a proxy of its own. */
  readonly pods: readonly string[];
  /** Hosts that the mesh does not know. */
  readonly outside?: readonly string[];
  readonly config?: Partial<DataConfig>;
  /** All pods are served by one process. */
  readonly oneNode?: boolean;
  readonly revocations?: PodProxyDeps['revocations'];
  /** What DNS says; absent: nothing. */
  readonly lookUp?: LookUp;
  /** Other certificates than the right ones. */
  readonly material?: (pod: string, ca: TestCa) => ReturnType<TestCa['material']> | undefined;
};

export class DataMesh implements AsyncDisposable {
  readonly net: TestNet;
  readonly ca: TestCa;
  readonly view = new View({ network: '', localNode: '' });
  readonly pods = new Map<string, Pod>();
  readonly #nodePods = new NodePods();
  readonly #deps = new Map<string, PodProxyDeps>();

  private constructor(net: TestNet, ca: TestCa) {
    this.net = net;
    this.ca = ca;
  }

  static async create(options: MeshOptions): Promise<DataMesh> {
    const names = [...options.pods, ...(options.outside ?? [])];
    const net = await TestNet.create({ hosts: Object.fromEntries(names.map((name) => [name, {}])) });
    const mesh = new DataMesh(net, await TestCa.create());
    try {
      for (const name of options.pods) {
        mesh.view.upsertAddress({ kind: 'workload', workload: workloadOf(name, net.host(name)) });
      }
      for (const name of options.pods) await mesh.#enrol(name, options);
      return mesh;
    } catch (error) {
      await mesh[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #enrol(name: string, options: MeshOptions): Promise<void> {
    const host = this.net.host(name);
    const observer = new RecordingObserver();
    const workload = workloadOf(name, host);
    const material = options.material?.(name, this.ca) ?? this.ca.material(this.ca.id('shop', name));
    const info = { uid: workload.uid, name, namespace: 'shop', serviceAccount: name };
    const deps: PodProxyDeps = {
      view: this.view,
      netns: host.netns,
      info,
      workloadReady: async () => {
        const local = this.view.localWorkload(info);
        if (local === undefined) throw new Error('unknown workload');
        return local;
      },
      material: () => material,
      ...(options.oneNode && { nodePods: this.#nodePods }),
      ...(options.revocations && { revocations: options.revocations }),
      hostnames: new Hostnames({ lookUp: options.lookUp ?? nobody, families: [4, 6], now: () => performance.now() }),
      observe: observer,
      config: { ...defaultDataConfig(), ...options.config },
      random: () => 0,
      now: () => performance.now(),
      network: '',
    };
    const proxy = await startPodProxy(deps);
    this.#deps.set(name, deps);
    this.pods.set(name, { host, proxy, observer });
    await applyRules(host.netns, RULES);
  }

  pod(name: string): Pod {
    const pod = this.pods.get(name);
    assert.ok(pod, `no pod ${name}`);
    return pod;
  }

  workload(name: string): Workload {
    const workload = this.view.workloadByUid(uidOf(name));
    assert.ok(workload, `no workload ${name}`);
    return workload;
  }

  /** What the pod's proxy was started with. */
  depsOf(name: string): PodProxyDeps {
    const deps = this.#deps.get(name);
    assert.ok(deps, `no pod ${name}`);
    return deps;
  }

  host(name: string): TestHost {
    return this.net.host(name);
  }

  /** A connection of an application; captured where its host is enrolled. */
  dial(from: string, to: string, port: number, family: 4 | 6 = 4): Promise<Socket> {
    const { ip4, ip6 } = this.host(to);
    return this.dialIp(from, family === 4 ? ip4 : ip6, port);
  }

  async dialIp(from: string, ip: string, port: number): Promise<Socket> {
    const socket = await this.host(from).dial({ ip, port });
    socket.on('error', () => {});
    return socket;
  }

  policy(...policies: readonly Authorization[]): void {
    for (const policy of policies) this.view.upsertAuthorization(policy);
    this.reevaluate();
  }

  /** Changes a pod's record, as a push of the control plane would. */
  update(name: string, change: Partial<Workload>): void {
    this.view.upsertAddress({ kind: 'workload', workload: { ...this.workload(name), ...change } });
    this.reevaluate();
  }

  service(name: string, ip: string, ports: Readonly<Record<number, number>>, endpoints: readonly string[]): void {
    this.view.upsertAddress({ kind: 'service', service: serviceOf(name, ip, ports) });
    for (const endpoint of endpoints) {
      const services = new Map(this.workload(endpoint).services);
      services.set(`shop/${name}.shop.svc.cluster.local`, portList(ports));
      this.update(endpoint, { services });
    }
  }

  reevaluate(): void {
    for (const { proxy } of this.pods.values()) proxy.reevaluate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.pods.values()].map(({ proxy }) => proxy.stopNow()));
    await this.net[Symbol.asyncDispose]();
    for (const [name, { proxy, observer }] of this.pods) {
      assert.deepEqual(proxy.connections(), { inbound: [], outbound: [] }, `${name} still shows connections`);
      assert.equal(observer.sockets, 0, `${name} still counts sockets`);
      for (const seen of observer.connections) assert.ok(seen.result, `${name} never closed a connection`);
    }
  }
}

const uidOf = (name: string) => `c1//Pod/shop/${name}`;

function workloadOf(name: string, host: TestHost): Workload {
  return {
    uid: uidOf(name),
    name,
    namespace: 'shop',
    addresses: [mustParseIp(host.ip4), mustParseIp(host.ip6)],
    network: '',
    tunnelProtocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    node: `node-of-${name}`,
    canonicalName: name,
    canonicalRevision: 'v1',
    workloadType: 'DEPLOYMENT',
    workloadName: name,
    nativeTunnel: false,
    authorizationPolicies: [],
    status: 'HEALTHY',
    clusterId: 'c1',
    hostname: '',
    services: new Map(),
    networkMode: 'STANDARD',
    capacity: 1,
  };
}

function portList(ports: Readonly<Record<number, number>>) {
  return Object.entries(ports).map(
    ([servicePort, targetPort]) => ({ servicePort: Number(servicePort), targetPort, appProtocol: 'UNKNOWN' }) as const,
  );
}

function serviceOf(name: string, ip: string, ports: Readonly<Record<number, number>>): Service {
  return {
    name,
    namespace: 'shop',
    hostname: `${name}.shop.svc.cluster.local`,
    addresses: [{ network: '', address: mustParseIp(ip) }],
    ports: portList(ports),
    subjectAltNames: [],
    weightedWaypoints: [],
    ipFamilies: 'AUTOMATIC',
    canonical: true,
    ingressUseWaypoint: false,
    visibility: 'PUBLIC',
  };
}

export function policy(
  name: string,
  action: Authorization['action'],
  match: Partial<Match>,
  more: Partial<Authorization> = {},
): Authorization {
  const rules = [{ clauses: [{ matches: [{ ...EMPTY_MATCH, ...match }] }] }];
  return { name, namespace: 'shop', scope: 'NAMESPACE', action, rules, dryRun: false, ...more };
}

export const principal = (name: string) => ({ kind: 'exact', value: `cluster.local/ns/shop/sa/${name}` }) as const;

/** What PeerAuthentication STRICT becomes: nobody without an identity. */
export const STRICT = policy('strict', 'DENY', { notPrincipals: [{ kind: 'presence' }] });

/** Sends, half-closes, and gives everything that comes back. Rejects when the connection is reset. */
export async function exchange(socket: Socket, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.once('end', () => resolve(answer));
  socket.once('error', reject);
  socket.once('close', () => reject(new Error('closed without an end')));
  socket.end(text);
  socket.resume();
  return promise;
}

/** How a connection ends: `ECONNRESET`, or `end` where it ended in order. A reset may come while it is being dialled. */
export async function ending(dialled: Socket | Promise<Socket>): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let socket: Socket;
  try {
    socket = await dialled;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'error';
  }
  if (socket.destroyed) return (socket.errored as NodeJS.ErrnoException | null)?.code ?? 'close';
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
  socket.once('end', () => resolve('end'));
  socket.once('close', () => resolve('close'));
  socket.resume();
  return promise;
}
