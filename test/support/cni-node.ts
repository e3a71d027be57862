/**
 * A node for tests of the agent: real namespaces for the host and its pods, a /proc of our own making that leads to them, an
 * API server in memory, and a node proxy that answers ZDS.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, startAgent } from '../../cni/agent/agent.ts';
import { type AgentConfig, parseAgentConfig } from '../../cni/agent/config.ts';
import { REDIRECTION } from '../../cni/agent/pod.ts';
import { FakeApi } from '../../core/kube/fake/index.ts';
import { type KubeClient, kubeClient, RESOURCES } from '../../core/kube/index.ts';
import { closeFds, NetnsRef, SeqpacketConnection } from '../../core/net/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { decodeRequest, encodeHello, encodeResponse, type ZdsRequest } from '../../core/zds/index.ts';
import { TestNet } from './netns.ts';

/** A ztunnel that says what it was told and answers as it is asked to. */
export class FakeZtunnel implements Disposable {
  readonly heard: { readonly request: ZdsRequest; readonly netns: bigint | undefined }[] = [];
  /** The answer to the next messages; undefined stays silent. */
  reply: (request: ZdsRequest) => string | undefined = () => '';
  readonly connection: SeqpacketConnection;

  private constructor(connection: SeqpacketConnection) {
    this.connection = connection;
  }

  static async connect(path: string, reply?: FakeZtunnel['reply']): Promise<FakeZtunnel> {
    const ztunnel = new FakeZtunnel(await SeqpacketConnection.connect(path));
    if (reply) ztunnel.reply = reply;
    await ztunnel.connection.send(encodeHello());
    ztunnel.#serve().catch(() => {}); // the connection has ended, which is what a test looks at
    return ztunnel;
  }

  get kinds(): readonly string[] {
    return this.heard.map(({ request }) => ('uid' in request ? `${request.kind} ${request.uid}` : request.kind));
  }

  async #serve(): Promise<void> {
    for (;;) {
      const got = await this.connection.receive();
      if (got === undefined) return;
      const [fd] = got.fds;
      let netns: bigint | undefined;
      if (fd !== undefined) {
        using ref = NetnsRef.fromFd(fd);
        netns = ref.inode;
      }
      closeFds(got.fds.slice(1));
      const request = decodeRequest(got.packet);
      this.heard.push({ request, netns });
      const error = this.reply(request);
      if (error !== undefined) await this.connection.send(encodeResponse({ error }));
    }
  }

  [Symbol.dispose](): void {
    this.connection[Symbol.dispose]();
  }
}

export const uidOf = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

export type PodSpec = {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly phase?: string;
  readonly namespace?: string;
  readonly ips?: readonly string[];
  readonly hostNetwork?: boolean;
};

export class TestNode implements AsyncDisposable {
  readonly net: TestNet;
  readonly api: FakeApi;
  readonly dir: string;
  readonly config: AgentConfig;
  readonly logs: string[] = [];
  readonly kube: KubeClient;
  readonly #agents: Agent[] = [];

  private constructor(net: TestNet, api: FakeApi, dir: string, env: Readonly<Record<string, string>>) {
    this.net = net;
    this.api = api;
    this.dir = dir;
    this.config = parseAgentConfig({
      NODE_NAME: 'node-1',
      AMBIT_HOST_ROOT: '/',
      AMBIT_PROC_DIR: join(dir, 'proc'),
      AMBIT_CNI_CONF_DIR: join(dir, 'net.d'),
      AMBIT_CNI_BIN_DIR: join(dir, 'bin'),
      AMBIT_CNI_RUN_DIR: join(dir, 'run'),
      AMBIT_SERVICE_ACCOUNT_DIR: join(dir, 'sa'),
      AMBIT_CNI_PLUGIN: join(dir, 'plugin.js'),
      AMBIT_CNI_NODE: join(dir, 'node'),
      ZTUNNEL_UDS_ADDRESS: join(dir, 'ztunnel', 'z.sock'),
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      MONITORING_PORT: '0',
      AMBIT_HEALTH_PORT: '0',
      ...env,
    });
    writeFileSync(join(dir, 'kubeconfig'), api.kubeconfig());
    this.kube = kubeClient({ kubeconfig: join(dir, 'kubeconfig'), env: {} });
  }

  /** Hosts are `host` and `pod1`, `pod2`, ...; every pod has one process. The namespace `shop` is labelled as asked. */
  static async create(o: {
    pods: number;
    ambient?: boolean;
    env?: Readonly<Record<string, string>>;
  }): Promise<TestNode> {
    const names = ['host', ...Array.from({ length: o.pods }, (_, i) => `pod${i + 1}`)];
    const net = await TestNet.create({ hosts: Object.fromEntries(names.map((name) => [name, {}])) });
    const dir = mkdtempSync(join(tmpdir(), 'amb-node-'));
    for (const name of ['proc', 'net.d', 'sa', 'bin']) mkdirSync(join(dir, name));
    for (const [name, text] of [
      ['sa/token', 't'],
      ['sa/ca.crt', 'ca'],
      ['plugin.js', '//'],
      ['node', 'binary'],
    ] as const) {
      writeFileSync(join(dir, name), text);
    }
    writeFileSync(
      join(dir, 'net.d', '10-lab.conflist'),
      '{"name":"lab","cniVersion":"1.0.0","plugins":[{"type":"lab"}]}',
    );
    const api = await FakeApi.start();
    const node = new TestNode(net, api, dir, o.env ?? {});
    node.process(1, net.host('host').path, '0::/', 'kubelet');
    for (let n = 1; n <= o.pods; n++) node.process(100 + n, net.host(`pod${n}`).path, cgroupOf(n), 'app');
    node.labelNamespace(o.ambient === true);
    api.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node-1' } });
    return node;
  }

  /** A process as /proc shows it, in a namespace. */
  process(pid: number, netnsPath: string, cgroup: string, name: string, startedAt = pid): void {
    const dir = join(this.dir, 'proc', `${pid}`);
    mkdirSync(join(dir, 'ns'), { recursive: true });
    symlinkSync(netnsPath, join(dir, 'ns', 'net'));
    writeFileSync(join(dir, 'cgroup'), `${cgroup}\n`);
    writeFileSync(join(dir, 'comm'), `${name}\n`);
    writeFileSync(join(dir, 'cmdline'), `/usr/bin/${name}\0`);
    writeFileSync(join(dir, 'stat'), `${pid} (${name}) S ${'0 '.repeat(18)}${startedAt} 0 0\n`);
  }

  labelNamespace(ambient: boolean, name = 'shop'): void {
    const labels: Record<string, string> = ambient ? { 'istio.io/dataplane-mode': 'ambient' } : {};
    this.api.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  }

  /** Creates or replaces pod n, with the addresses of its namespace unless told otherwise. */
  pod(n: number, spec: PodSpec = {}): void {
    const host = this.net.host(`pod${n}`);
    const ips = spec.ips ?? [host.ip4, host.ip6];
    this.api.put({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `pod${n}`,
        namespace: spec.namespace ?? 'shop',
        uid: uidOf(n),
        labels: spec.labels ?? {},
        annotations: spec.annotations ?? {},
      },
      spec: { nodeName: 'node-1', serviceAccountName: 'web', hostNetwork: spec.hostNetwork ?? false },
      status: { phase: spec.phase ?? 'Running', podIP: ips[0] ?? '', podIPs: ips.map((ip) => ({ ip })) },
    });
  }

  annotation(n: number): string | undefined {
    return this.api.get(RESOURCES.Pod, `shop/pod${n}`)?.metadata.annotations?.[REDIRECTION];
  }

  async agent(): Promise<Agent> {
    const log = createLogger({
      format: 'plain',
      level: 'debug',
      root: 'cni',
      write: (line) => void this.logs.push(line),
    });
    const agent = await startAgent({ config: this.config, kube: this.kube, log });
    this.#agents.push(agent);
    return agent;
  }

  ztunnel(reply?: FakeZtunnel['reply']): Promise<FakeZtunnel> {
    return FakeZtunnel.connect(this.config.zdsPath, reply);
  }

  tables(host: string): Promise<string> {
    return this.net.host(host).exec('nft list tables; ip rule show pref 32764; ip -6 rule show pref 32764');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent.stop();
    await this.kube[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
    await this.net[Symbol.asyncDispose]();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const cgroupOf = (n: number) => `0::/kubepods/besteffort/pod${uidOf(n)}/app`;
