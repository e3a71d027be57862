/** What a node's file system and process look like at its start. */

import { join } from 'node:path';
import { NODE_CONFIG_FILE, type NodeConfig } from '../node/config.ts';
import type { InitPlan, Step } from '../node/init/plan.ts';
import { NODE } from '../node/layout.ts';
import { machineEtc, machinePrograms } from '../node/machine-steps.ts';

/**
 * What outlives the end of a node, as a machine's disk does. A node that came back with a fresh CNI chain would start pods
 * outside the mesh until the agent has put its plugin into the chain again.
 */
export const ON_DISK: readonly string[] = [NODE.cniConfig, NODE.cniBin];

export type NodePlace = {
  /** An empty directory for the node's root. */
  readonly root: string;
  readonly machine: string;
  readonly checkout: string;
  /** Where this node's container logs go. */
  readonly logs: string;
  /** Where the paths `ON_DISK` are. */
  readonly disk: string;
};

export function nodePlan(config: NodeConfig, place: NodePlace, cgroups: readonly string[]): InitPlan {
  const bind = (source: string, target: string, rec: boolean): Step => ({
    do: 'mount',
    mount: { source, target, flags: rec ? ['bind', 'rec'] : ['bind'] },
    point: 'directory',
  });
  const steps: Step[] = [
    { do: 'mount', mount: { source: 'node', target: '/', type: 'tmpfs', data: 'mode=755' } },
    ...machinePrograms(place.machine),
    ...machineEtc(place.machine),
    { do: 'write', path: '/etc/hostname', text: `${config.node.name}\n` },
    { do: 'write', path: '/etc/hosts', text: hostsFile(config) },
    { do: 'write', path: '/etc/resolv.conf', text: `nameserver ${config.dns}\n` },
    { do: 'mkdir', path: '/run', mode: 0o755 },
    { do: 'mkdir', path: '/var' },
    { do: 'symlink', path: '/var/run', to: '/run' },
    { do: 'mkdir', path: NODE.netns },
    { do: 'mkdir', path: '/var/tmp' },
    { do: 'mkdir', path: '/root', mode: 0o700 },
    { do: 'mkdir', path: '/tmp' },
    {
      do: 'mount',
      mount: { source: 'tmpfs', target: '/tmp', type: 'tmpfs', flags: ['nosuid', 'nodev'], data: 'mode=1777' },
    },
    ...ON_DISK.map((path) => bind(join(place.disk, path), path, false)),
    { do: 'mkdir', path: NODE.pods, mode: 0o750 },
    { do: 'mkdir', path: NODE.ipam },
    { do: 'mkdir', path: NODE.compileCache },
    {
      do: 'mount',
      mount: { source: 'proc', target: '/proc', type: 'proc', flags: ['nosuid', 'nodev', 'noexec'] },
      point: 'directory',
    },
    {
      do: 'mount',
      mount: { source: 'sysfs', target: '/sys', type: 'sysfs', flags: ['nosuid', 'nodev', 'noexec'] },
      point: 'directory',
    },
    bind('/sys/fs/cgroup', '/sys/fs/cgroup', true),
    bind('/dev', '/dev', true),
    // Terminals of the lab are no terminals of the machine.
    {
      do: 'mount',
      mount: {
        source: 'devpts',
        target: '/dev/pts',
        type: 'devpts',
        flags: ['nosuid', 'noexec'],
        data: 'newinstance,ptmxmode=0666,mode=0620',
      },
    },
    bind(place.machine, NODE.machine, true),
    {
      do: 'mount',
      mount: { source: place.checkout, target: NODE.checkout, flags: ['bind', 'rec', 'ro'] },
      point: 'directory',
    },
    bind(place.logs, NODE.logs, false),
    { do: 'mkdir', path: '/etc/ambit-lab', mode: 0o700 },
    { do: 'write', path: NODE_CONFIG_FILE, text: JSON.stringify(config) },
  ];
  return {
    cgroups,
    place: { kind: 'new', root: place.root, hostname: config.node.name, steps, shared: true },
    cwd: '/',
    credentials: { uid: 0, gid: 0, groups: [], noNewPrivileges: false },
    command: ['/bin/sh', `${NODE.checkout}/scripts/node.sh`, `${NODE.checkout}/lab/node/main.ts`, NODE_CONFIG_FILE],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/root',
      NODE_COMPILE_CACHE: NODE.compileCache,
    },
  };
}

const hostsFile = ({ node }: NodeConfig): string =>
  `127.0.0.1 localhost\n::1 localhost ip6-localhost\n${node.ip4} ${node.name}\n${node.ip6} ${node.name}\n`;
