/** What the conformance tests of Gateway API for meshes run in, for real: a lab with Ambit, a waypoint, echoes on two nodes and callers. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import { type KubeClient, kubeClient } from '../../core/kube/index.ts';
import { ensureKubectl } from '../../lab/api/kubectl.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { Answer, Asked, GrpcAnswer } from '../conformance/echo.ts';
import { meshYaml } from '../conformance/objects.ts';
import type { Echoes } from '../conformance/scenario.ts';
import { eventually } from '../support/shell.ts';
import { World } from '../support/world.ts';
import { AgentPod } from './agent-pod.ts';

const NODE = '/opt/ambit/scripts/node.sh';
const AMBIENT = 'istio.io/dataplane-mode: ambient';

const podYaml = (
  namespace: string,
  name: string,
  node: string,
  o: { readonly labels: string; readonly program: string; readonly port?: number },
) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { ${o.labels} } }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 2
  containers:
    - name: main
      image: ambit/samples:test
      command: [${NODE}, /opt/ambit/${o.program}]
      env: [{ name: NAME, value: ${name} }]
      ${o.port === undefined ? '' : `readinessProbe: { tcpSocket: { port: ${o.port} }, periodSeconds: 1 }`}
---`;
const echoYaml = (version: string, node: string) =>
  podYaml('mesh', `echo-${version}`, node, {
    labels: `app: echo, version: ${version}`,
    program: 'test/conformance/echo-pod.ts',
    port: 8080,
  });
const clientYaml = (namespace: string) =>
  podYaml(namespace, 'client', 'node-1', { labels: 'app: client', program: 'samples/idle.ts' });

/** Both nodes have an echo, so what is asked crosses the link and stays on a node. */
const OBJECTS = `
${meshYaml({ labels: AMBIENT })}
apiVersion: v1
kind: Namespace
metadata: { name: consumer, labels: { ${AMBIENT} } }
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: access, namespace: mesh }
spec: { accessLogging: [{ providers: [{ name: envoy }] }] }
---
${echoYaml('v1', 'node-1')}
${echoYaml('v2', 'node-2')}
${clientYaml('mesh')}
${clientYaml('consumer')}
`;

type Condition = { readonly type: string; readonly status: string; readonly observedGeneration?: number };
type Route = KubeObject & {
  readonly spec: { readonly parentRefs: readonly unknown[] };
  readonly status?: { readonly parents?: readonly { readonly conditions: readonly Condition[] }[] };
};

export class EchoLab implements Echoes, AsyncDisposable {
  readonly world: World;
  readonly #resources = new AsyncDisposableStack();
  readonly #agents = new Map<string, AgentPod>();
  #client: KubeClient | undefined;

  private constructor(world: World) {
    this.world = world;
    this.#resources.use(world);
  }

  /** Takes the lab down again when it can not be had. */
  static async start(name: string): Promise<EchoLab> {
    const lab = new EchoLab(new World(name, await ensureKubectl({ env: process.env })));
    try {
      await lab.#start();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  get(path: string, asked: Asked = {}): Promise<Answer> {
    return this.getAt(`${asked.service ?? 'echo'}.mesh`, path, asked);
  }

  /** As `get`, from a host by any name or address; `asked.service` is then only the Host header. */
  getAt(host: string, path: string, asked: Asked = {}): Promise<Answer> {
    const to = { host, port: asked.port ?? 80 };
    return this.#agent(asked.from ?? 'mesh').ask({ to, path, asked, isGrpc: false });
  }

  grpc(method: string, headers: Readonly<Record<string, string>> = {}): Promise<GrpcAnswer> {
    const to = { host: 'echo.mesh', port: 7070 };
    return this.#agent('mesh').ask({ to, path: method, asked: { headers }, isGrpc: true });
  }

  logged(pattern: RegExp): Promise<unknown> {
    return eventually(`the waypoint's log says ${pattern}`, async () => {
      const log = await this.world.kubectl(['logs', '-n', 'mesh', 'deploy/waypoint', '--tail=100']);
      return pattern.test(log) ? true : undefined;
    });
  }

  async podIp(name: string): Promise<string> {
    const pod = await this.#api.get<KubeObject & { readonly status: { readonly podIP: string } }>(
      await this.#api.typeOf('v1', 'Pod'),
      name,
      'mesh',
    );
    return pod.status.podIP;
  }

  /** Applies routes, which are gone again when what is returned is disposed, and waits until each is accepted for its parents. */
  async routes(yaml: string): Promise<AsyncDisposable> {
    const routes = parseAllDocuments(yaml)
      .map((document) => document.toJS() as Route | null)
      .filter((route) => route !== null);
    const remove = async () => {
      for (const { apiVersion, kind, metadata } of routes)
        await this.#api.delete(await this.#api.typeOf(apiVersion, kind), metadata.name, metadata.namespace);
    };
    try {
      if (routes.length > 0) await this.world.apply(yaml);
      for (const route of routes) await this.#accepted(route);
      return { [Symbol.asyncDispose]: remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }

  async #start(): Promise<void> {
    const { world } = this;
    this.#resources.defer(async () => void (await world.ambit(['lab', 'down', '--name', world.lab])));
    await world.ambit(['lab', 'up', '--name', world.lab, '--nodes', '2']);
    const kubeconfig = (await world.ambit(['lab', 'kubeconfig', '--name', world.lab])).trim();
    world.useKubeconfig(kubeconfig);
    this.#client = this.#resources.use(kubeClient({ kubeconfig, env: {} }));
    await world.ambit(['install']);
    await world.apply(OBJECTS);
    const wait = (...args: string[]) => world.kubectl(['wait', ...args, '--timeout=60s'], { deadlineMs: 70_000 });
    await Promise.all([
      wait('-n', 'mesh', 'gtw/waypoint', '--for=condition=Programmed'),
      ...['mesh', 'consumer'].map(async (namespace) => {
        await wait('-n', namespace, 'pod', '--all', '--for=condition=Ready');
        this.#agents.set(namespace, this.#resources.use(await AgentPod.start(this.#api, namespace, 'client')));
      }),
    ]);
  }

  async #accepted({ apiVersion, kind, metadata, spec }: Route): Promise<void> {
    const type = await this.#api.typeOf(apiVersion, kind);
    await eventually(`${kind} ${metadata.name} is accepted for each parent`, async () => {
      const { metadata: now, status } = await this.#api.get<Route>(type, metadata.name, metadata.namespace);
      const parents = status?.parents ?? [];
      assert.equal(parents.length, spec.parentRefs.length, JSON.stringify(parents));
      for (const { conditions } of parents)
        for (const wanted of ['Accepted', 'ResolvedRefs']) {
          const found = conditions.find(({ type }) => type === wanted);
          assert.deepEqual(
            [found?.status, found?.observedGeneration],
            ['True', now['generation']],
            JSON.stringify(conditions),
          );
        }
      return true;
    });
  }

  get #api(): KubeClient {
    if (this.#client === undefined) throw new Error('the lab is not up');
    return this.#client;
  }

  #agent(namespace: string): AgentPod {
    const agent = this.#agents.get(namespace);
    if (agent === undefined) throw new Error(`no client in namespace ${namespace}`);
    return agent;
  }
}
