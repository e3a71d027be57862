/** From a pod's description to a running container: what its cgroup, its files and its process are made of. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetnsRef } from '../../core/net/index.ts';
import type { Cgroup } from '../cgroups.ts';
import { findImage } from '../images/image.ts';
import type { NodeConfig } from './config.ts';
import { ContainerLog } from './container-log.ts';
import { containerPlan } from './container-plan.ts';
import { ContainerProcess, makeLayers } from './container-process.ts';
import { logPath, type Started } from './container-runner.ts';
import { buildEnv } from './env-vars.ts';
import type { PodFacts } from './field-ref.ts';
import type { InitPlan } from './init/plan.ts';
import { NODE } from './layout.ts';
import type { NodeContext } from './node-context.ts';
import type { Container, Pod } from './pod.ts';
import { hostsFile, podHostname, resolvConf } from './pod-files.ts';
import { parseQuantity } from './quantity.ts';

/** Of a container's termination message; upstream's limit. */
const MAX_LAST_WORDS = 4096;

/** A cgroup for each container, with its limits; `missed` is told of those that this machine cannot enforce. */
export function limitContainers(pod: Pod, cgroup: Cgroup, missed: (message: string) => void): void {
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const group = cgroup.child(container.name).create();
    const { memory, cpu } = container.resources?.limits ?? {};
    const left = group.limit({
      ...(memory !== undefined && { memoryBytes: Math.round(parseQuantity(memory)) }),
      ...(cpu !== undefined && { cpuMillis: Math.round(parseQuantity(cpu) * 1000) }),
    });
    if (left.length === 0) continue;
    missed(`this machine has no cgroup controller for limits of container ${container.name} on: ${left.join(', ')}`);
  }
}

/** Files that all containers of a pod see. */
export function writePodFiles(directory: string, pod: Pod, facts: PodFacts, config: NodeConfig): void {
  const hostname = podHostname(pod, config.node.name);
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
  write('hostname', `${hostname}\n`);
  write('hosts', hostsFile(pod, hostname, facts.podIps));
  write('resolv.conf', resolvConf(pod, config.dns, readFileSync('/etc/resolv.conf', 'utf8')));
}

export type ContainerStart = {
  readonly pod: Pod;
  readonly container: Container;
  /** Number of this run. */
  readonly attempt: number;
  readonly facts: PodFacts;
  /** The pod's own, on the node. */
  readonly directory: string;
  readonly cgroup: Cgroup;
  readonly netns: NetnsRef | undefined;
  readonly volumePath: (name: string) => string;
  readonly context: Pick<NodeContext, 'config' | 'objects' | 'serviceEnv'>;
};

/** @throws MeshError that says what is missing or why the program cannot be run. */
export async function startContainer(o: ContainerStart): Promise<Started & { readonly plan: InitPlan }> {
  const { pod, container, attempt, directory, cgroup, context } = o;
  const { namespace, name, uid } = pod.metadata;
  const image = findImage(container.image, context.config.labs, NODE.machine);
  const hostname = podHostname(pod, context.config.node.name);
  const env = await buildEnv({
    pod,
    container,
    facts: o.facts,
    image: image.env,
    services: context.serviceEnv(namespace),
    hostname,
    read: (kind, object) => context.objects.read(kind, namespace, object),
  });
  const lastWords = join(directory, `last-words-${container.name}`);
  writeFileSync(lastWords, '');
  chmodSync(lastWords, 0o666); // whoever the container runs as
  const layersPath = join(directory, 'containers', container.name, String(attempt));
  const plan = containerPlan({
    pod,
    container,
    image,
    env,
    hostname,
    cgroups: cgroup.directories,
    layers: makeLayers(layersPath),
    files: {
      '/etc/hosts': join(directory, 'hosts'),
      '/etc/resolv.conf': join(directory, 'resolv.conf'),
      '/etc/hostname': join(directory, 'hostname'),
      [container.terminationMessagePath ?? '/dev/termination-log']: lastWords,
    },
    volumePath: o.volumePath,
  });
  const log = new ContainerLog(logPath(join(NODE.logs, `${namespace}_${name}_${uid}`), container.name, attempt));
  try {
    const process = await ContainerProcess.start({
      plan,
      netns: o.netns,
      cgroup,
      log,
      layersPath,
      stdin: container.stdin === true,
      tty: container.tty === true,
    });
    return {
      process,
      log,
      plan,
      id: `${uid.replaceAll('-', '').slice(0, 12)}-${container.name}-${attempt}`,
      lastWords: () => readFileSync(lastWords, 'utf8').slice(0, MAX_LAST_WORDS),
    };
  } catch (error) {
    log[Symbol.dispose]();
    throw error;
  }
}
