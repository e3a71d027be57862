/** One node as a process: started, and started again when it was killed. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NetnsRef } from '../../core/net/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import type { NodeAddresses } from '../addresses.ts';
import type { Cgroup } from '../cgroups.ts';
import type { NodeConfig } from '../node/config.ts';
import { start } from '../node/init/start.ts';
import type { LabPaths } from '../paths.ts';
import { ended } from '../run.ts';
import { nodePlan, ON_DISK } from './node-plan.ts';
import { machineTree } from './private-mounts.ts';
import { createNodeNetwork, netnsPath } from './underlay.ts';

export type NodeProcessOptions = {
  readonly paths: LabPaths;
  readonly node: NodeAddresses;
  readonly all: readonly NodeAddresses[];
  readonly config: NodeConfig;
  readonly cgroup: Cgroup;
  readonly log: Logger;
};

const RESTART_MS = 500;
const START_DEADLINE_MS = 30_000;

/**
 * Keeps the node running for the life of the lab. Killing a node's first process ends everything in it; here it comes back
 * with a fresh network and file system but for what is `ON_DISK`, and its kubelet starts its pods anew.
 */
export async function keepNode(options: NodeProcessOptions, signal: AbortSignal): Promise<void> {
  const { node, log } = options;
  while (!signal.aborted) {
    try {
      const child = await startNode(options);
      log.info('node runs', { node: node.name, pid: child.pid ?? 0 });
      if (child.exitCode === null && child.signalCode === null) await ended(child);
      log.warn('node has ended and is started again', { node: node.name });
    } catch (error) {
      log.error('node does not start', {
        node: node.name,
        error: error instanceof Error ? error.message : String(error),
      });
    }
    await clear(options.cgroup);
    await sleep(RESTART_MS);
  }
}

async function startNode({ paths, node, all, config, cgroup }: NodeProcessOptions): Promise<ChildProcess> {
  await createNodeNetwork(node, all);
  const root = join(paths.scratch, node.name);
  const logs = join(paths.logs, node.name);
  mkdirSync(root, { recursive: true });
  mkdirSync(join(logs, 'pods'), { recursive: true });
  const disk = join(paths.scratch, `${node.name}-disk`);
  for (const path of ON_DISK) mkdirSync(join(disk, path), { recursive: true });
  const group = cgroup.child('kubelet').create();
  const place = { root, machine: machineTree(paths), checkout: config.checkout, logs: join(logs, 'pods'), disk };
  const output = openSync(join(logs, 'kubelet.log'), 'a');
  try {
    using netns = NetnsRef.open(netnsPath(node));
    return await start(nodePlan(config, place, group.directories), {
      netns,
      stdio: ['ignore', output, output],
      // The PID namespace begins with a child of unshare, which dies with unshare, and so with us.
      wrapper: ['unshare', '--pid', '--fork', '--kill-child'],
      deadlineMs: START_DEADLINE_MS,
    });
  } finally {
    closeSync(output);
  }
}

/** What an ended node has left in its control groups. */
async function clear(cgroup: Cgroup): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    cgroup.kill();
    if (cgroup.remove()) return;
    await sleep(20);
  }
}
