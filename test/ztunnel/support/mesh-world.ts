/**
 * Two nodes, each with a ztunnel process, and pods, on one link:
 *
 *     node a: client, near        node b: server, other        outside: no mesh        plane: control plane
 *
 * Everything is gone when it is disposed, also when making it failed half-way.
 */
import { join } from 'node:path';
import { applyRules, planRules } from '../../../cni/redirect/index.ts';
import type { Workload } from '../../../mesh/index.ts';
import { ScratchDir } from '../../support/leftovers.ts';
import { type TestHost, TestNet } from '../../support/netns.ts';
import { ControlPlane } from './control-plane.ts';
import type { Implementation, Pair } from './implementation.ts';
import { NAMESPACE, workload } from './resources.ts';
import { type AgentLink, type AgentPod, ZdsAgent } from './zds-agent.ts';
import { ZtunnelProcess } from './ztunnel-process.ts';

export type NodeName = 'a' | 'b';
const PODS = { client: 'a', near: 'a', server: 'b', other: 'b' } as const;
export type PodName = keyof typeof PODS;
const RULES = planRules({ ipv6: true, dnsCapture: false, bypassInbound: false, virtualInterfaces: [] });
/** Where services have their addresses: nobody answers there, so it matters only that there is a route. */
const SERVICE_ROUTES = 'ip route add 10.96.0.0/16 dev eth0; ip -6 route add fd00:96::/112 dev eth0';

export type WorldOptions = Pair & { readonly env?: Readonly<Record<string, string>> };

export type Node = {
  readonly host: TestHost;
  readonly agent: ZdsAgent;
  readonly ztunnel: ZtunnelProcess;
  readonly link: AgentLink;
};

export class MeshWorld implements AsyncDisposable {
  readonly net: TestNet;
  readonly plane: ControlPlane;
  readonly #nodes: ReadonlyMap<NodeName, Node>;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    net: TestNet,
    plane: ControlPlane,
    nodes: ReadonlyMap<NodeName, Node>,
    stack: AsyncDisposableStack,
  ) {
    this.net = net;
    this.plane = plane;
    this.#nodes = nodes;
    this.#stack = stack;
  }

  static async create(o: WorldOptions): Promise<MeshWorld> {
    await using stack = new AsyncDisposableStack();
    const scratch = stack.use(new ScratchDir('ambit-ztunnel')).path;
    const hosts = {
      plane: {},
      'node-a': {},
      'node-b': {},
      spare: {},
      client: {},
      near: {},
      server: {},
      other: {},
      outside: {},
    };
    const net = stack.use(await TestNet.create({ hosts }));
    const plane = stack.use(await ControlPlane.start({ host: net.host('plane'), scratch }));
    for (const name of podNames) plane.setWorkload(workloadOf(net, name));
    const starting = (['a', 'b'] as const).map((name) => {
      const host = net.host(`node-${name}`);
      const agent = stack.use(new ZdsAgent(join(scratch, `${name}.sock`)));
      const ztunnel = stack.use(
        new ZtunnelProcess({ implementation: o[name], host, node: name, plane, zdsPath: agent.path, env: o.env ?? {} }),
      );
      return { name, host, agent, ztunnel };
    });
    await Promise.all(
      podNames.map(async (name) => {
        await net.host(name).exec(SERVICE_ROUTES);
        await applyRules(net.host(name).netns, RULES);
      }),
    );
    const nodes = new Map<NodeName, Node>();
    for (const { name, ...node } of starting) {
      const link = await node.ztunnel.orItsEnd(node.agent.link());
      await link.snapshot(podNames.filter((pod) => PODS[pod] === name).map((pod) => agentPod(net, pod)));
      await node.ztunnel.ready();
      nodes.set(name, { ...node, link });
    }
    return new MeshWorld(net, plane, nodes, stack.move());
  }

  /** A second ztunnel for a node, which knows the node's pods and is ready; to be disposed by who asked for it. */
  async successor(name: NodeName, implementation: Implementation): Promise<ZtunnelProcess> {
    const { agent } = this.node(name);
    await using stack = new AsyncDisposableStack();
    const host = this.net.host('spare');
    const ztunnel = stack.use(
      new ZtunnelProcess({ implementation, host, node: name, plane: this.plane, zdsPath: agent.path }),
    );
    const link = await ztunnel.orItsEnd(agent.link());
    await link.snapshot(podNames.filter((pod) => PODS[pod] === name).map((pod) => this.agentPod(pod)));
    await ztunnel.ready();
    stack.move();
    return ztunnel;
  }

  node(name: NodeName): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  get a(): ZtunnelProcess {
    return this.node('a').ztunnel;
  }

  get b(): ZtunnelProcess {
    return this.node('b').ztunnel;
  }

  host(name: PodName | 'outside'): TestHost {
    return this.net.host(name);
  }

  /** The pod's workload as the control plane knows it at first. */
  workload(name: PodName): Workload {
    return workloadOf(this.net, name);
  }

  agentPod(name: PodName): AgentPod {
    return agentPod(this.net, name);
  }

  /** Both ztunnels have what the control plane has. */
  applied(): Promise<void> {
    return this.plane.applied(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const podNames = Object.keys(PODS) as PodName[];

function workloadOf(net: TestNet, name: PodName): Workload {
  const { ip4, ip6 } = net.host(name);
  return workload({ name, node: PODS[name], ips: [ip4, ip6] });
}

function agentPod(net: TestNet, name: PodName): AgentPod {
  return {
    uid: `pod-${name}`,
    info: { name, namespace: NAMESPACE, serviceAccount: name },
    netns: net.host(name).netns,
  };
}
