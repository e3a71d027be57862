/**
 * The supervisor of a lab: first process of the lab's PID namespace, owner of its mounts and of the underlay network.
 * `lab/up.ts` starts it with descriptor 3 on the machine's own network namespace. When it ends, everything ends.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kubeClient, RESOURCES } from '../core/kube/index.ts';
import { listenTcp, NetnsRef } from '../core/net/index.ts';
import { createLogger, describeError } from '../core/telemetry/index.ts';
import { nodesOf, SERVICES, UNDERLAY } from './addresses.ts';
import { ApiServer } from './api/index.ts';
import { Cgroup, labGroup } from './cgroups.ts';
import { startCluster } from './cluster/index.ts';
import { type LabInfo, writeLabInfo } from './lab-info.ts';
import { startReaper } from './node/reaper.ts';
import { labPaths } from './paths.ts';
import { startTimeOf } from './process-id.ts';
import { keepNode } from './supervisor/node-process.ts';
import { machinePid, privateMounts } from './supervisor/private-mounts.ts';
import { createUnderlay, setNetworkSettings } from './supervisor/underlay.ts';
import { waitUntilReady } from './supervisor/wait-until-ready.ts';

const MACHINE_NETNS_FD = 3;

const { values } = parseArgs({
  options: {
    labs: { type: 'string', default: '' },
    name: { type: 'string', default: '' },
    nodes: { type: 'string', default: '' },
    'api-port': { type: 'string', default: '0' },
    'log-level': { type: 'string', default: 'info' },
  },
});
process.title = `ambit-lab ${values.name}`;
process.on('SIGTERM', () => process.exit(0)); // the kernel ends everything else with us
startReaper();
const paths = labPaths(values.labs, values.name);
const log = createLogger({ format: 'plain', level: values['log-level'], root: 'lab' });
let info: LabInfo = {
  name: paths.name,
  pid: machinePid(),
  startTime: startTimeOf('self') ?? '',
  phase: 'starting',
  progress: 'network',
  apiPort: 0,
  nodes: Number(values.nodes),
  startedAt: new Date().toISOString(),
};
const say = (change: Partial<LabInfo>) => {
  info = { ...info, ...change };
  writeLabInfo(paths, info);
  log.info('progress', { phase: info.phase, progress: info.progress });
};

try {
  await startLab();
} catch (error) {
  say({ phase: 'failed', progress: describeError(error) });
  log.error('the lab does not start', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  process.exit(1);
}

async function startLab(): Promise<void> {
  say({});
  using machine = NetnsRef.fromFd(MACHINE_NETNS_FD);
  const group = new Cgroup(labGroup(paths.name));
  group.child('supervisor').create().join();
  mkdirSync(paths.scratch, { recursive: true });
  privateMounts(paths);
  await createUnderlay();
  setNetworkSettings({ 'ipv6/conf/all/forwarding': '1', 'ipv4/ip_forward': '1' });

  say({ progress: 'API server' });
  const kubeletSecret = randomBytes(24).toString('hex');
  const api = await ApiServer.start({
    stateDir: paths.state,
    listeners: [
      { fd: listenTcp({ netns: machine, ip: '127.0.0.1', port: Number(values['api-port']) }) },
      { fd: listenTcp({ ip: UNDERLAY.ip4, port: UNDERLAY.apiPort }) },
      { fd: listenTcp({ ip: UNDERLAY.ip6, port: UNDERLAY.apiPort }) },
    ],
    advertise: [{ ip: UNDERLAY.ip4, port: UNDERLAY.apiPort }],
    kubeletSecret,
    onError: (what, error) => log.warn('the API server has a problem', { what, error: describeError(error) }),
  });
  const apiPort = api.ports[0] ?? 0;
  writeFileSync(paths.kubeconfig, api.adminKubeconfig(`https://127.0.0.1:${apiPort}`), { mode: 0o600 });
  const inside = `https://${UNDERLAY.ip4}:${UNDERLAY.apiPort}`;

  say({ progress: 'nodes', apiPort });
  const all = nodesOf(info.nodes);
  const never = new AbortController().signal;
  for (const node of all) {
    const token = await api.tokenFor(`system:node:${node.name}`, ['system:nodes']);
    const config = {
      lab: paths.name,
      node,
      cgroup: group.child(node.name).path,
      kubeconfig: api.kubeconfigFor(inside, token),
      kubeletSecret,
      dns: SERVICES.dns,
      labs: paths.labs,
      checkout: join(import.meta.dirname, '..'),
      logLevel: values['log-level'],
    };
    void keepNode({ paths, node, all, config, cgroup: group.child(node.name), log: log.scope('nodes') }, never);
  }

  const manager = join(paths.scratch, 'controllers.kubeconfig');
  const token = await api.tokenFor('system:kube-controller-manager', ['system:masters']);
  writeFileSync(manager, api.kubeconfigFor(inside, token));
  chmodSync(manager, 0o600);
  const client = kubeClient({ kubeconfig: manager, env: {}, userAgent: 'lab-controllers' });
  await startCluster({
    client,
    log: log.scope('cluster'),
    dns: [
      { ip: UNDERLAY.ip4, port: 53 },
      { ip: UNDERLAY.ip6, port: 53 },
    ],
  });

  await waitUntilReady(
    client,
    RESOURCES.Node,
    all.map((node) => node.name),
    (progress) => say({ progress }),
  );
  say({ phase: 'ready', progress: 'ready' });
}
