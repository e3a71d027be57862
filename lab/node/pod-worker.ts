/**
 * One pod on its node, from its assignment to its last trace.
 *
 *     preparing (volumes, sandbox, init containers) --> running --> ended (nothing runs) --> removed
 *          \------------------ asked to go, at any time: stop what runs ----------/
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isNotFound, RESOURCES } from '../../core/kube/index.ts';
import type { Cgroup } from '../cgroups.ts';
import { ContainerRunner, type RunnerDeps } from './container-runner.ts';
import { limitContainers, startContainer, writePodFiles } from './container-start.ts';
import { type ExecTarget, execAndWait } from './exec.ts';
import type { PodFacts } from './field-ref.ts';
import type { InitPlan } from './init/plan.ts';
import { NODE } from './layout.ts';
import type { NodeContext } from './node-context.ts';
import { type Container, isSidecar, isTerminal, type Pod } from './pod.ts';
import { podStatus } from './pod-status.ts';
import { createSandbox, hostSandbox, type Sandbox } from './sandbox.ts';
import { PodVolumes } from './volumes/pod-volumes.ts';

const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;

export class PodWorker {
  readonly uid: string;
  readonly #context: NodeContext;
  readonly #cgroup: Cgroup;
  readonly #directory: string;
  readonly #stop = new AbortController();
  readonly #runners = new Map<string, ContainerRunner>();
  readonly #plans = new Map<string, InitPlan>();
  readonly #done: Promise<void>;
  readonly #startTime: string;
  #pod: Pod;
  #sandbox: Sandbox | undefined;
  #volumes: PodVolumes;
  #initialized = false;
  #finished = false;
  #graceMs = 0;
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #writing: Promise<void> | undefined;
  #dirty = false;
  #gone = false;
  /** It had ended before this kubelet began: its status stays as it is. */
  #told = false;

  constructor(pod: Pod, context: NodeContext) {
    this.uid = pod.metadata.uid;
    this.#pod = pod;
    this.#context = context;
    this.#startTime = pod.status?.startTime ?? new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    this.#cgroup = context.pods.child(`pod${this.uid}`);
    this.#directory = join(NODE.pods, this.uid);
    this.#volumes = new PodVolumes(join(this.#directory, 'volumes'), pod, this.#facts, {
      client: context.client,
      objects: context.objects,
      onProblem: (error) => this.#problem('volume', error),
    });
    for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      this.#runners.set(container.name, new ContainerRunner(container, this.#runnerDeps(container)));
    }
    this.#done = this.#live();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get netns(): Sandbox['netns'] {
    return this.#sandbox?.netns;
  }

  get isRunning(): boolean {
    return this.#initialized && !this.#finished;
  }

  /** Resolves when nothing of the pod is left on the node. */
  get done(): Promise<void> {
    return this.#done;
  }

  /** By name; undefined: the pod has no such container. */
  runner(container: string): ContainerRunner | undefined {
    return this.#runners.get(container);
  }

  /** How to run something else in a container; undefined while it does not run. */
  execTarget(container: string): ExecTarget | undefined {
    const process = this.#runners.get(container)?.current?.process;
    const plan = this.#plans.get(container);
    return process && plan && { plan, pid: process.pid, netns: this.#sandbox?.netns };
  }

  /** The object changed. */
  update(pod: Pod): void {
    const metadataChanged =
      JSON.stringify([pod.metadata.labels, pod.metadata.annotations]) !==
      JSON.stringify([this.#pod.metadata.labels, this.#pod.metadata.annotations]);
    this.#pod = pod;
    if (metadataChanged) this.#volumes.update(pod, this.#facts);
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.stop((pod.metadata.deletionGracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30) * 1000);
    }
  }

  /** The object is gone without waiting for us: so must the pod be, soon. */
  objectDeleted(): void {
    this.#gone = true;
    this.stop(0);
  }

  stop(graceMs: number): void {
    const first = !this.#stop.signal.aborted;
    this.#graceMs = first ? graceMs : Math.min(this.#graceMs, graceMs);
    if (first) this.#stop.abort();
    for (const runner of this.#runners.values()) {
      if (!isSidecar(runner.container) || !first) this.#track(runner.stop(this.#graceMs));
    }
  }

  async #live(): Promise<void> {
    await Promise.resolve(); // the constructor returns first
    try {
      if (isTerminal(this.#pod)) this.#told = true;
      else await this.#run();
    } catch (error) {
      this.#problem('pod', error); // a mistake of ours: the pod fails, and must not take the node along
      this.#failure = { reason: 'KubeletError', message: error instanceof Error ? error.message : String(error) };
    }
    await this.#end();
  }

  async #run(): Promise<void> {
    if (this.#pod.metadata.deletionTimestamp !== undefined) this.update(this.#pod);
    mkdirSync(this.#directory, { recursive: true });
    this.#cgroup.create();
    limitContainers(this.#pod, this.#cgroup, (message) =>
      this.#context.events.record(this.#pod, 'Warning', 'LimitNotEnforced', message),
    );
    const deadline = this.#deadline();
    this.#changed();
    await this.#retrying(
      'FailedMount',
      () => this.#volumes.prepare(),
      () => this.#volumes.changed,
    );
    await this.#retrying('FailedCreatePodSandBox', async () => {
      this.#sandbox = await this.#makeSandbox();
    });
    if (this.#stopped) return;
    this.#volumes.update(this.#pod, this.#facts); // podIP may be in a file
    writePodFiles(this.#directory, this.#pod, this.#facts, this.#context.config);
    this.#changed();
    const sidecars = await this.#initialize();
    if (this.#initialized) {
      const mains = this.#pod.spec.containers.map((c) => this.#runners.get(c.name));
      await Promise.all(mains.map((runner) => runner?.run()));
    }
    clearTimeout(deadline);
    // Sidecars outlive what they serve, and go in the opposite order.
    for (const name of sidecars.toReversed()) {
      await this.#runners.get(name)?.stop(this.#stopped ? this.#graceMs : this.#defaultGraceMs);
    }
  }

  /** Runs init containers one after the other. Gives the sidecars that stay. */
  async #initialize(): Promise<readonly string[]> {
    const sidecars: string[] = [];
    for (const container of this.#pod.spec.initContainers ?? []) {
      const runner = this.#runners.get(container.name);
      if (runner === undefined || this.#stopped) return sidecars;
      if (isSidecar(container)) {
        sidecars.push(container.name);
        this.#track(runner.run().then(() => {}));
        await Promise.race([runner.startedOnce, aborted(this.#stop.signal)]);
        continue;
      }
      const exit = await runner.run();
      if (this.#stopped || exit?.code !== 0) return sidecars;
    }
    this.#initialized = !this.#stopped;
    return sidecars;
  }

  /** Everything goes, in the opposite order; then the object. */
  async #end(): Promise<void> {
    await Promise.all([...this.#runners.values()].map((runner) => runner.stop(this.#graceMs)));
    this.#finished = true;
    this.#cgroup.kill();
    await this.#sandbox?.[Symbol.asyncDispose]();
    this.#changed();
    await this.#writing;
    if (!this.#stop.signal.aborted) await aborted(this.#stop.signal); // completed pods stay until somebody deletes them
    this.#volumes[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
    await this.#removeCgroup();
    await this.#writing;
    if (!this.#gone) await this.#deleteObject();
  }

  async #deleteObject(): Promise<void> {
    const { name, namespace } = this.#pod.metadata;
    await this.#patiently('delete the pod', async () => {
      await this.#context.client.delete(RESOURCES.Pod, name, namespace, { gracePeriodSeconds: 0, uid: this.uid });
    });
  }

  /** Processes that were killed leave their cgroup a moment later. */
  async #removeCgroup(): Promise<void> {
    for (let tries = 0; tries < 200 && !this.#cgroup.remove(); tries++) {
      this.#cgroup.kill();
      await sleep(10);
    }
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  get #defaultGraceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  get #facts(): PodFacts {
    const { node } = this.#context.config;
    return { podIps: this.#sandbox?.ips ?? [], hostIps: [node.ip4, node.ip6], capacity: this.#context.capacity };
  }

  async #makeSandbox(): Promise<Sandbox> {
    const { config, cni } = this.#context;
    if (this.#pod.spec.hostNetwork === true) return hostSandbox([config.node.ip4, config.node.ip6]);
    return createSandbox(this.#pod, {
      cni,
      cgroup: this.#cgroup,
      onProblem: (error) => this.#problem('sandbox', error),
    });
  }

  /** Until it works or the pod is asked to go; `sooner` ends a wait before its time. */
  async #retrying(reason: string, work: () => Promise<void>, sooner?: () => Promise<void>): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; !this.#stopped; waitMs = Math.min(MAX_RETRY_MS, waitMs * 2)) {
      try {
        return await work();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        this.#context.events.record(this.#pod, 'Warning', reason, message);
        this.#context.log.warn('pod cannot be prepared yet', { pod: this.#name, reason, error: message });
        const waited = sleep(waitMs, undefined, { signal: this.#stop.signal }).catch(() => {}); // asked to go: the loop sees it
        await (sooner === undefined ? waited : Promise.race([waited, sooner()]));
      }
    }
  }

  #deadline(): NodeJS.Timeout | undefined {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return undefined;
    const message = 'Pod was active on the node longer than the specified deadline';
    return setTimeout(() => {
      this.#failure = { reason: 'DeadlineExceeded', message };
      for (const runner of this.#runners.values()) this.#track(runner.stop(this.#defaultGraceMs));
    }, seconds * 1000);
  }

  #runnerDeps(container: Container): RunnerDeps {
    const { events } = this.#context;
    const worker = this;
    const init = (this.#pod.spec.initContainers ?? []).includes(container);
    const policy = this.#pod.spec.restartPolicy ?? 'Always';
    const before = [...(this.#pod.status?.containerStatuses ?? []), ...(this.#pod.status?.initContainerStatuses ?? [])];
    const known = before.find((status) => status.name === container.name);
    return {
      start: async (attempt) => {
        const started = await startContainer({
          pod: this.#pod,
          container,
          attempt,
          facts: this.#facts,
          directory: this.#directory,
          cgroup: this.#cgroup.child(container.name),
          netns: this.#sandbox?.netns,
          volumePath: (volume) => this.#volumes.path(volume),
          context: this.#context,
        });
        this.#plans.set(container.name, started.plan);
        return started;
      },
      restartPolicy: init && policy === 'Always' ? 'OnFailure' : policy,
      changed: () => this.#changed(),
      event: (type, reason, message) => events.record(this.#pod, type, reason, message, container.name),
      onProblem: (error) => this.#problem('container', error),
      action: {
        get podIp() {
          return worker.#facts.podIps[0] ?? '';
        },
        exec: (command, signal) => {
          const target = this.execTarget(container.name);
          if (target === undefined) return Promise.resolve({ code: 1, output: 'the container does not run' });
          return execAndWait(target, command, signal);
        },
      },
      // A node that was restarted runs its pods anew: one more restart for each container that had run before.
      restartCount: known?.containerID === undefined ? 0 : known.restartCount + 1,
    };
  }

  /** Something to tell: the status is written soon, once for all that happens meanwhile. */
  #changed(): void {
    if (this.#told) return;
    this.#dirty = true;
    this.#writing ??= this.#writeStatus().finally(() => {
      this.#writing = undefined;
      if (this.#dirty && !this.#gone) this.#changed();
    });
  }

  async #writeStatus(): Promise<void> {
    await Promise.resolve(); // what happens in the same turn goes along
    this.#dirty = false;
    if (this.#gone) return;
    await this.#patiently('write the status', async () => {
      const fresh = await this.#context.writeStatus(
        this.#pod,
        podStatus(this.#view(), new Date().toISOString().replace(/\.\d+Z$/, 'Z')),
      );
      if (fresh.metadata.uid === this.uid) this.#pod = { ...this.#pod, status: fresh.status ?? {} };
    });
  }

  #view() {
    const statusOf = (containers: readonly Container[] | undefined) =>
      (containers ?? []).flatMap((c) => this.#runners.get(c.name)?.status ?? []);
    const { node } = this.#context.config;
    return {
      pod: this.#pod,
      containers: statusOf(this.#pod.spec.containers),
      initContainers: statusOf(this.#pod.spec.initContainers),
      sidecars: new Set((this.#pod.spec.initContainers ?? []).filter(isSidecar).map((c) => c.name)),
      initialized: this.#initialized,
      sandboxReady: this.#sandbox !== undefined && !this.#finished,
      finished: this.#finished,
      podIps: this.#facts.podIps,
      hostIps: [node.ip4, node.ip6],
      startTime: this.#startTime,
      ...(this.#failure && { failure: this.#failure }),
    };
  }

  /** The API server may be away for a while; an object that is gone needs nothing more. */
  async #patiently(what: string, work: () => Promise<void>): Promise<void> {
    for (let waitMs = FIRST_RETRY_MS; !this.#gone; waitMs = Math.min(MAX_RETRY_MS, waitMs * 2)) {
      try {
        return await work();
      } catch (error) {
        if (isNotFound(error)) return;
        this.#problem(what, error);
        await sleep(waitMs);
      }
    }
  }

  #track(work: Promise<void>): void {
    work.catch((error: unknown) => this.#problem('container', error));
  }

  get #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  #problem(what: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#context.log.warn('pod has a problem', { pod: this.#name, what, error: message });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
