/** The Node object and its Lease: that the node is there, and that it lives. */
import { cpus, totalmem } from 'node:os';
import { isConflict, isNotFound, type KubeClient, RESOURCES } from '../../core/kube/index.ts';
import type { KubeObject } from '../../mesh/index.ts';
import type { NodeAddresses } from '../addresses.ts';
import { KUBELET_PORT } from '../addresses.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 40; // upstream's
const RENEW_MS = 10_000;
const MAX_PODS = 200;
/** Nodes alternate between two zones, so that routing by zone has something to choose from. */
const ZONES = ['zone-a', 'zone-b'];

export const nodeCapacity = (): { readonly cpu: number; readonly memory: number } => ({
  cpu: cpus().length,
  memory: totalmem(),
});

/** Creates or refreshes the Node object with a true Ready condition. */
export async function registerNode(client: KubeClient, node: NodeAddresses, kernel: string): Promise<void> {
  const labels = {
    'kubernetes.io/hostname': node.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
    'topology.kubernetes.io/region': 'lab',
    'topology.kubernetes.io/zone': ZONES[(node.index - 1) % ZONES.length] ?? 'zone-a',
  };
  const spec = { podCIDR: node.podCidr4, podCIDRs: [node.podCidr4, node.podCidr6] };
  try {
    await client.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: node.name, labels }, spec });
  } catch (error) {
    if (!isConflict(error)) throw error;
    await client.patch(RESOURCES.Node, { name: node.name }, 'merge', { metadata: { labels }, spec });
  }
  await client.patch(
    RESOURCES.Node,
    { name: node.name },
    'merge',
    { status: nodeStatus(node, kernel) },
    { subresource: 'status' },
  );
}

function nodeStatus(node: NodeAddresses, kernel: string) {
  const { cpu, memory } = nodeCapacity();
  const amounts = { cpu: String(cpu), memory: `${Math.floor(memory / 1024)}Ki`, pods: String(MAX_PODS) };
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const condition = (type: string, status: string, reason: string, message: string) => {
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: now };
  };
  return {
    addresses: [
      { type: 'InternalIP', address: node.ip4 },
      { type: 'InternalIP', address: node.ip6 },
      { type: 'Hostname', address: node.name },
    ],
    capacity: amounts,
    allocatable: amounts,
    daemonEndpoints: { kubeletEndpoint: { Port: KUBELET_PORT } },
    nodeInfo: {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      bootID: '',
      containerRuntimeVersion: 'ambit-lab://0.1.0',
      kernelVersion: kernel,
      kubeProxyVersion: '',
      kubeletVersion: 'v1.35.0-ambit-lab',
      machineID: '',
      operatingSystem: 'linux',
      osImage: 'Ambit lab node',
      systemUUID: '',
    },
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
  };
}

/** Renews the Lease until `signal` aborts. */
export function keepLease(
  client: KubeClient,
  node: string,
  onProblem: (error: unknown) => void,
  signal: AbortSignal,
): void {
  const renew = async () => {
    const renewTime = new Date().toISOString().replace('Z', '000Z'); // MicroTime
    const at = { name: node, namespace: LEASE_NAMESPACE };
    try {
      await client.patch(RESOURCES.Lease, at, 'merge', { spec: { renewTime } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const lease: KubeObject = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: at,
        spec: { holderIdentity: node, leaseDurationSeconds: LEASE_SECONDS, renewTime },
      };
      await client.create(lease);
    }
  };
  const timer = setInterval(() => renew().catch(onProblem), RENEW_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  renew().catch(onProblem);
}
