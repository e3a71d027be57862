/** What a pod's containers share: a network namespace wired by CNI, and a process that holds it. */
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetnsRef, spawnInNetns } from '../../core/net/index.ts';
import type { Cgroup } from '../cgroups.ts';
import { run } from '../run.ts';
import type { CniChain, CniResult, ConfList } from './cni-chain.ts';
import { NODE } from './layout.ts';
import type { Pod } from './pod.ts';

export interface Sandbox extends AsyncDisposable {
  readonly ips: readonly string[];
  /** Undefined: the node's own. */
  readonly netns: NetnsRef | undefined;
}

/** A pod in the network of its node. */
export const hostSandbox = (nodeIps: readonly string[]): Sandbox => ({
  ips: nodeIps,
  netns: undefined,
  async [Symbol.asyncDispose]() {},
});

export type SandboxDeps = {
  readonly cni: CniChain;
  readonly cgroup: Cgroup;
  readonly onProblem: (error: unknown) => void;
};

/**
 * Makes namespace and holder, then runs the CNI chain. On failure nothing is left, so that the next try starts afresh.
 * @throws MeshError
 */
export async function createSandbox(pod: Pod, deps: SandboxDeps): Promise<Sandbox> {
  const conf = deps.cni.configuration();
  const sandbox = await NetSandbox.make(pod, conf, deps);
  try {
    await sandbox.connect();
    return sandbox;
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

class NetSandbox implements Sandbox {
  readonly netns: NetnsRef;
  readonly #name: string;
  readonly #pod: Pod;
  readonly #conf: ConfList;
  readonly #deps: SandboxDeps;
  readonly #holder: ChildProcess;
  #result: CniResult | undefined;

  private constructor(name: string, pod: Pod, conf: ConfList, deps: SandboxDeps) {
    this.#name = name;
    this.#pod = pod;
    this.#conf = conf;
    this.#deps = deps;
    this.netns = NetnsRef.open(join(NODE.netns, name));
    // Agents find a pod's namespace by scanning /proc for a process whose cgroup carries the pod's UID.
    this.#holder = spawnInNetns(this.netns, 'sleep', ['infinity'], { stdio: 'ignore', detached: true, env: {} });
    this.#holder.on('error', deps.onProblem);
    const group = deps.cgroup.child('pause').create();
    for (const directory of group.directories) writeFileSync(join(directory, 'cgroup.procs'), String(this.#holder.pid));
  }

  static async make(pod: Pod, conf: ConfList, deps: SandboxDeps): Promise<NetSandbox> {
    const name = `cni-${randomUUID()}`;
    await run('ip', ['netns', 'add', name]);
    for (const { name: key, value } of pod.spec.securityContext?.sysctls ?? []) {
      await run('ip', ['netns', 'exec', name, 'sysctl', '-qw', `${key}=${value}`]);
    }
    return new NetSandbox(name, pod, conf, deps);
  }

  get ips(): readonly string[] {
    return (this.#result?.ips ?? []).map(({ address }) => address.split('/')[0] ?? address);
  }

  get #target() {
    const { namespace, name, uid } = this.#pod.metadata;
    return { id: this.#name.replaceAll('-', ''), netns: join(NODE.netns, this.#name), pod: { namespace, name, uid } };
  }

  async connect(): Promise<void> {
    this.#result = await this.#deps.cni.add(this.#conf, this.#target);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A plugin's failure to clean up must not keep the pod from going: the namespace takes its interfaces along.
    await this.#deps.cni.delete(this.#conf, this.#target, this.#result).catch(this.#deps.onProblem);
    this.#holder.kill('SIGKILL');
    this.netns[Symbol.dispose]();
    await run('ip', ['netns', 'delete', this.#name]).catch(this.#deps.onProblem);
  }
}
