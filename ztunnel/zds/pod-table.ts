/**
 * The pods of this node that we serve, by uid.
 *
 *     add --> up            (listeners are bound)
 *       '---> pending       (start failed; retried) --> up
 *     remove: connections are cut, listeners closed
 *
 * Callers take turns (the workload manager serialises); nothing here is protocol.
 */
import { describeError, type Logger } from '../../core/telemetry/index.ts';
import { MeshError } from '../../mesh/index.ts';
import type { PodInfo } from '../data/index.ts';
import type { PodConnections, ServedPod } from '../threads/data-plane.ts';

/** A pod's network namespace: the same one has the same device and inode. */
export type PodNetns = Disposable & { readonly device: bigint; readonly inode: bigint };

export type PodCounters = {
  active(count: number): void;
  pending(count: number): void;
  started(): void;
  stopped(): void;
};

export type PodTableOptions<N extends PodNetns> = {
  /** Resolves once the pod's listeners are bound. The namespace stays ours. */
  readonly start: (info: PodInfo, netns: N) => Promise<ServedPod>;
  readonly counters: PodCounters;
  readonly log: Logger;
};

/** A pod as `/config_dump` shows it. */
export type PodDump = {
  readonly state: 'Pending' | 'Up';
  readonly connections: PodConnections;
  readonly info: { readonly name: string; readonly namespace: string; readonly serviceAccount: string };
};

type Up<N> = { readonly info: PodInfo; readonly netns: N; readonly proxy: ServedPod };
type Pending<N> = { readonly info: PodInfo; readonly netns: N };

export class PodTable<N extends PodNetns> {
  readonly #options: PodTableOptions<N>;
  readonly #up = new Map<string, Up<N>>();
  readonly #pending = new Map<string, Pending<N>>();

  constructor(options: PodTableOptions<N>) {
    this.#options = options;
  }

  /** Takes `netns` over. The same pod in the same namespace is left alone. Rejects when it cannot start; it is pending then. */
  async add(info: PodInfo, netns: N): Promise<void> {
    const running = this.#up.get(info.uid);
    if (running !== undefined && sameNetns(running.netns, netns) && sameInfo(running.info, info)) {
      netns[Symbol.dispose]();
      return;
    }
    this.forgetPending(info.uid);
    if (running !== undefined) await this.#stop(running);
    await this.#start(info, netns);
  }

  /** Cuts everything of the pod. A pod that is not here is fine. */
  async remove(uid: string): Promise<void> {
    this.forgetPending(uid);
    const running = this.#up.get(uid);
    if (running !== undefined) await this.#stop(running);
  }

  /** Stops what is not in `uids`. */
  async retain(uids: ReadonlySet<string>): Promise<void> {
    const gone = [...this.#up.keys()].filter((uid) => !uids.has(uid));
    await Promise.all(gone.map((uid) => this.remove(uid)));
  }

  forgetPending(uid: string): void {
    const pending = this.#pending.get(uid);
    this.#pending.delete(uid);
    pending?.netns[Symbol.dispose]();
    this.#count();
  }

  forgetAllPending(): void {
    for (const uid of [...this.#pending.keys()]) this.forgetPending(uid);
  }

  /** Another try for all that could not start. Never rejects. */
  async retry(): Promise<void> {
    for (const [uid, { info, netns }] of [...this.#pending]) {
      this.#pending.delete(uid);
      await this.#start(info, netns).catch(() => {}); // pending again, and logged
    }
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  /** All pods drain side by side; each has until the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.forgetAllPending();
    await Promise.all(
      [...this.#up].map(async ([uid, { proxy, netns }]) => {
        await proxy.drain(deadlineMs);
        this.#up.delete(uid);
        netns[Symbol.dispose]();
        this.#options.counters.stopped();
        this.#count();
      }),
    );
  }

  async dump(): Promise<Readonly<Record<string, PodDump>>> {
    const pods: Record<string, PodDump> = {};
    const shown = ({ name, namespace, serviceAccount }: PodInfo) => ({ name, namespace, serviceAccount });
    await Promise.all(
      [...this.#up].map(async ([uid, { info, proxy }]) => {
        pods[uid] = { state: 'Up', connections: await proxy.connections(), info: shown(info) };
      }),
    );
    for (const [uid, { info }] of this.#pending) {
      pods[uid] = { state: 'Pending', connections: { inbound: [], outbound: [] }, info: shown(info) };
    }
    return Object.fromEntries(Object.entries(pods).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async #start(info: PodInfo, netns: N): Promise<void> {
    const { counters, log, start } = this.#options;
    const pod = { uid: info.uid, name: info.name, namespace: info.namespace };
    try {
      const proxy = await start(info, netns);
      this.#up.set(info.uid, { info, netns, proxy });
      counters.started();
      log.info('pod is served', pod);
    } catch (cause) {
      this.#pending.set(info.uid, { info, netns });
      log.error('pod cannot be served yet', { ...pod, error: describeError(cause) });
      throw new MeshError('POD_START_FAILED', `pod ${info.namespace}/${info.name}: ${describeError(cause)}`, { cause });
    } finally {
      this.#count();
    }
  }

  async #stop({ info, netns, proxy }: Up<N>): Promise<void> {
    const { counters, log } = this.#options;
    this.#up.delete(info.uid);
    try {
      await proxy.stopNow();
    } catch (error) {
      log.error('stopping a pod failed', { uid: info.uid, error: describeError(error) });
    }
    netns[Symbol.dispose]();
    counters.stopped();
    this.#count();
    log.info('pod is no longer served', { uid: info.uid, name: info.name, namespace: info.namespace });
  }

  #count(): void {
    this.#options.counters.active(this.#up.size);
    this.#options.counters.pending(this.#pending.size);
  }
}

function sameNetns(a: PodNetns, b: PodNetns): boolean {
  return a.inode === b.inode && a.device === b.device;
}

function sameInfo(a: PodInfo, b: PodInfo): boolean {
  return a.name === b.name && a.namespace === b.namespace && a.serviceAccount === b.serviceAccount;
}
