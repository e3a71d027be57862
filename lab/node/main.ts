/** PID 1 of a node: the kubelet, the service rules, and the duties of an init process. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeClient, RESOURCES } from '../../core/kube/index.ts';
import { createLogger } from '../../core/telemetry/index.ts';
import { KUBELET_PORT } from '../addresses.ts';
import { Cgroup } from '../cgroups.ts';
import { setNetworkSettings } from '../supervisor/underlay.ts';
import { CniChain } from './cni-chain.ts';
import { type NodeConfig, readNodeConfig } from './config.ts';
import { EventRecorder } from './events.ts';
import { Kubelet } from './kubelet.ts';
import { NODE } from './layout.ts';
import { keepLease, nodeCapacity, registerNode } from './node-object.ts';
import { Objects } from './objects.ts';
import type { Pod } from './pod.ts';
import { startReaper } from './reaper.ts';
import { KubeletServer } from './server/kubelet-server.ts';
import { NodeServices } from './services.ts';

const KUBECONFIG = '/etc/ambit-lab/kubeconfig';
/** The lab's own chain; the mesh's agent adds itself to this file. */
const CONFLIST = '10-lab.conflist';

process.title = 'kubelet';
startReaper();
const config = readNodeConfig(process.argv[2] ?? '');
const log = createLogger({ format: 'plain', level: config.logLevel, root: config.node.name });
const onProblem = (error: unknown) =>
  log.warn('something failed', { error: error instanceof Error ? error.message : String(error) });
process.on('SIGTERM', () => process.exit(0)); // PID 1 has no default action; what runs here ends with it

setNetworkSettings({
  'ipv4/ip_forward': '1',
  'ipv4/conf/all/rp_filter': '0',
  'ipv4/conf/default/rp_filter': '0',
  'ipv6/conf/all/forwarding': '1',
  'ipv6/conf/default/forwarding': '1',
  'ipv6/conf/default/accept_dad': '0', // addresses are given out by us: no second of waiting for doubles
});
installCni(config);
writeFileSync(KUBECONFIG, config.kubeconfig, { mode: 0o600 });
const client = kubeClient({ kubeconfig: KUBECONFIG, env: {}, userAgent: 'kubelet' });
const stopped = new AbortController().signal; // a node does not stop; it is killed
const services = new NodeServices(client, config.node, log.scope('services'));
const kubelet = new Kubelet({
  config,
  client,
  objects: new Objects(client, onProblem),
  events: new EventRecorder(client, config.node.name, onProblem),
  cni: new CniChain({ config: NODE.cniConfig, bin: NODE.cniBin }),
  pods: new Cgroup(config.cgroup).child('kubepods').create(),
  log: log.scope('pods'),
  capacity: nodeCapacity(),
  serviceEnv: (namespace) => services.environment(namespace),
  writeStatus: (pod, status) => {
    const { name, namespace, uid } = pod.metadata;
    const body = { metadata: { uid }, status };
    return client.patch<Pod>(RESOURCES.Pod, { name, namespace }, 'merge', body, { subresource: 'status' });
  },
});
await KubeletServer.start({
  kubelet,
  addresses: [config.node.ip4, config.node.ip6],
  port: KUBELET_PORT,
  secret: config.kubeletSecret,
  log: log.scope('server'),
});
await services.start();
await kubelet.start();
await registerNode(client, config.node, readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim());
keepLease(client, config.node.name, onProblem, stopped);
log.info('node is ready', { port: KUBELET_PORT });

function installCni({ node }: NodeConfig): void {
  mkdirSync(NODE.cniBin, { recursive: true });
  const plugin = join(NODE.cniBin, 'lab-veth');
  copyFileSync(join(import.meta.dirname, 'cni-plugin/lab-veth'), plugin);
  chmodSync(plugin, 0o755);
  const conflist = {
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      {
        type: 'lab-veth',
        dataDir: NODE.ipam,
        prefix4: node.podCidr4.replace('0/24', ''),
        prefix6: node.podCidr6.replace('/64', ''),
      },
    ],
  };
  const file = join(NODE.cniConfig, CONFLIST);
  // After a restart it is there, with what others have put into the chain.
  if (!existsSync(file)) writeFileSync(file, `${JSON.stringify(conflist, undefined, 2)}\n`, { mode: 0o644 });
}
