/**
 * Carries pods in threads of their own. A pod belongs to one of them for its life. A thread that dies is replaced: until its
 * successor knows the mesh and serves again, its pods refuse connections, and nobody else notices.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import type { NetnsRef } from '../../core/net/index.ts';
import { describeError, type LogFormat, type Logger, type Receipt, type Registry } from '../../core/telemetry/index.ts';
import { type Death, entryBeside, WorkerThread as Thread } from '../../core/threads/index.ts';
import { ADDRESS_TYPE, type Rejection, type Update } from '../../core/xds/index.ts';
import { MeshError, type SpiffeId } from '../../mesh/index.ts';
import type { DataConfig, PodInfo } from '../data/index.ts';
import type { DnsConfig } from '../dns/index.ts';
import type { MeshState } from '../mesh-state.ts';
import { dnsMetrics } from '../observe/dns-observer.ts';
import { tcpMetrics } from '../observe/metrics.ts';
import type { DataPlane, Flows, ServedPod } from './data-plane.ts';
import { measureLag } from './lag.ts';
import { mergeConnections, mergeFlows, newestFirst } from './merge.ts';
import type { MainCalls, PodAt, WorkerCalls, WorkerSettings } from './protocol.ts';
import { emptiest } from './spread.ts';

export type WorkersOptions = {
  readonly threads: number;
  /** The main thread's own, which the workers follow. */
  readonly mesh: MeshState;
  readonly registry: Registry;
  readonly log: Logger;
  /** Where log lines of workers go. */
  readonly write: (lines: string) => void;
  readonly giveUp: (why: string) => void;
  readonly logFormat: LogFormat;
  readonly logLevel: string;
  readonly material: (identity: SpiffeId) => Promise<TlsMaterial>;
  readonly data: DataConfig;
  readonly dns: DnsConfig | undefined;
  readonly network: string;
  readonly localNode: string;
  readonly logAllowed: boolean;
  readonly crlPath: string | undefined;
  readonly hangTimeoutMs: number;
};

type WorkerThread = Thread<WorkerCalls, MainCalls>;

const ENTRY = entryBeside(import.meta.url, 'worker-main');

/** One of the places for a worker, with the pods that belong there. */
type Slot = {
  readonly name: string;
  readonly pods: Map<string, PodAt>;
  worker: WorkerThread;
  /** Settles when the worker of now knows the mesh. */
  ready: Promise<void>;
  /** Deaths in a row, each soon after the one before. */
  deaths: number;
  bornMs: number;
};

/** Addresses in one message: what a worker decodes in one go. */
const CHUNK = 256;
const ANSWER_MS = 2_000;
/** A worker that lived this long is replaced at once. */
const STEADY_MS = 60_000;
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 10_000;

export class WorkerDataPlane implements DataPlane {
  readonly #options: WorkersOptions;
  readonly #slots: readonly Slot[];
  /** Served pods of the node by uid, on any thread. */
  readonly #pods = new Map<string, PodAt>();
  readonly #lag: Disposable;
  readonly #stop = new AbortController();
  /** Updates and snapshots take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: WorkersOptions) {
    this.#options = options;
    tcpMetrics(options.registry); // the families into which the workers' numbers go
    if (options.dns !== undefined) dnsMetrics(options.registry);
    this.#lag = measureLag(options.registry, 'main');
    this.#slots = Array.from({ length: options.threads }, (_, i) => this.#makeSlot(String(i)));
    options.log.filter.onChange(() => this.#tell((slot) => slot.worker.link.tell('levels', `${options.log.filter}`)));
  }

  async start(info: PodInfo, netns: NetnsRef | undefined): Promise<ServedPod> {
    if (netns === undefined) throw new MeshError('INTERNAL', 'a worker serves no pod without a namespace');
    const slot = emptiest(this.#slots);
    const pod: PodAt = { info, netnsFd: netns.fd };
    slot.pods.set(info.uid, pod); // counts from now on, and keeps its place if the worker dies in between
    try {
      await slot.ready;
      await slot.worker.link.ask('start', pod);
      this.#pods.set(info.uid, pod);
      await this.#all((worker) => worker.link.ask('neighbour', pod));
    } catch (error) {
      await this.#leave(slot, info.uid);
      throw error;
    }
    const ended = async (ask: () => Promise<void>) => {
      slot.pods.delete(info.uid); // first: a worker that takes over now does not start it again
      try {
        await ask();
      } catch (error) {
        if (!(error instanceof MeshError && error.code === 'WORKER_DIED')) throw error; // its connections are gone
      } finally {
        await this.#leave(slot, info.uid);
      }
    };
    return {
      drain: (deadlineMs) => ended(() => this.#all(({ link }) => link.ask('drain', { uid: info.uid, deadlineMs }))),
      stopNow: () => ended(() => slot.worker.link.ask('stop', info.uid)),
      // Some may come by the short way, in the threads of those who call.
      connections: async () => mergeConnections(await this.#gather(({ link }) => link.ask('connections', info.uid))),
    };
  }

  /** Resolves once every thread has applied it. */
  onUpdate(typeUrl: string, update: Update): Promise<readonly Rejection[]> {
    return this.#inTurn(async () => {
      const mine = this.#options.mesh.onUpdate(typeUrl, update);
      await this.#all((worker) => sendUpdate(worker, typeUrl, update));
      return mine;
    });
  }

  async collect(): Promise<void> {
    await Promise.all(this.#slots.map(({ worker }) => inTime(worker.collect())));
  }

  async receipts(limit: number): Promise<readonly Receipt[]> {
    return newestFirst(await this.#gather((worker) => worker.link.ask('receipts', limit)), limit);
  }

  async receipt(id: string): Promise<Receipt | undefined> {
    const found = await this.#gather((worker) => worker.link.ask('receipt', id));
    return found.find((receipt) => receipt !== undefined);
  }

  async flows(): Promise<Flows> {
    return mergeFlows(await this.#gather((worker) => worker.link.ask('flows', undefined)));
  }

  renewed(material: TlsMaterial): void {
    this.#tell(({ worker }) => worker.link.tell('renewed', material));
  }

  forgotten(identity: SpiffeId): void {
    this.#tell(({ worker }) => worker.link.tell('forgotten', identity));
  }

  /** All pods must have stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#lag[Symbol.dispose]();
    await Promise.all(this.#slots.map(({ worker }) => inTime(worker.end())));
  }

  #makeSlot(name: string): Slot {
    const slot: Slot = {
      name,
      pods: new Map(),
      deaths: 0,
      bornMs: performance.now(),
      worker: this.#spawn(name, () => slot),
      ready: Promise.resolve(),
    };
    return slot; // nothing is known yet that it would have to be told; updates reach it from now on
  }

  #spawn(thread: string, slot: () => Slot): WorkerThread {
    const { data, dns, network, localNode, logAllowed, crlPath, logFormat, logLevel, log, write, material, registry } =
      this.#options;
    const { giveUp, hangTimeoutMs } = this.#options;
    const settings: Omit<WorkerSettings, 'descriptors'> = {
      thread,
      data,
      dns,
      network,
      localNode,
      logAllowed,
      crlPath,
      logFormat,
      logLevel,
      levels: String(log.filter),
    };
    return new Thread<WorkerCalls, MainCalls>({
      entry: ENTRY,
      name: `pods ${thread}`,
      settings,
      registry,
      handlers: { lines: write, material },
      hangMs: hangTimeoutMs,
      onHang: () => giveUp(`worker thread ${thread} has not answered for ${hangTimeoutMs / 1_000} s`),
      onDeath: (death) => this.#replace(slot(), death),
    });
  }

  #replace(slot: Slot, { why, descriptors }: Death): void {
    const { log } = this.#options;
    if (this.#stop.signal.aborted) return;
    const pods = slot.pods.size;
    log.error('a worker thread died, and is replaced', { thread: slot.name, error: why, pods, descriptors });
    if (performance.now() - slot.bornMs > STEADY_MS) slot.deaths = 0;
    const waitMs = slot.deaths === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** slot.deaths);
    slot.deaths += 1;
    slot.ready = this.#revive(slot, waitMs);
    slot.ready.catch((error) => {
      if (!this.#stop.signal.aborted) log.error('a worker thread is not replaced', { error: describeError(error) });
    });
  }

  async #revive(slot: Slot, waitMs: number): Promise<void> {
    const { mesh, log } = this.#options;
    await sleep(waitMs, undefined, { signal: this.#stop.signal });
    const alive = await this.#inTurn(async () => {
      const worker = this.#spawn(slot.name, () => slot);
      slot.worker = worker;
      slot.bornMs = performance.now();
      try {
        for (const { typeUrl, update } of mesh.snapshot(CHUNK)) await worker.link.ask('update', { typeUrl, update });
        await worker.link.ask('standIns', mesh.standIns);
        for (const pod of this.#pods.values()) await worker.link.ask('neighbour', pod);
        return true;
      } catch (error) {
        if (!isDeath(error)) throw error;
        return false; // the next one is on its way
      }
    });
    if (!alive) return;
    await Promise.all(
      [...slot.pods.values()].filter((pod) => this.#pods.has(pod.info.uid)).map((pod) => this.#restart(slot, pod)),
    );
    log.info('a worker thread serves again', { thread: slot.name, pods: slot.pods.size });
  }

  async #restart(slot: Slot, pod: PodAt): Promise<void> {
    const { worker } = slot;
    for (let waitMs = FIRST_BACKOFF_MS; slot.worker === worker && slot.pods.get(pod.info.uid) === pod; waitMs *= 2) {
      try {
        await worker.link.ask('start', pod);
        return;
      } catch (error) {
        if (isDeath(error)) return;
        this.#options.log.error('pod cannot be served yet', { uid: pod.info.uid, error: describeError(error) });
      }
      await sleep(Math.min(waitMs, LONGEST_BACKOFF_MS), undefined, { signal: this.#stop.signal });
    }
  }

  async #leave(slot: Slot, uid: string): Promise<void> {
    slot.pods.delete(uid);
    this.#pods.delete(uid);
    await this.#all((worker) => worker.link.ask('neighbourGone', uid));
  }

  /** Asks every worker; one that dies meanwhile need not answer. */
  async #all(ask: (worker: WorkerThread) => Promise<void>): Promise<void> {
    await Promise.all(
      this.#slots.map(async ({ worker }) => {
        try {
          await ask(worker);
        } catch (error) {
          if (!isDeath(error)) throw error;
        }
      }),
    );
  }

  /** What those say that answer in time. */
  async #gather<T>(ask: (worker: WorkerThread) => Promise<T>): Promise<readonly T[]> {
    const answers = await Promise.all(
      this.#slots.map(async ({ worker }) => inTime(ask(worker).then((value) => [value]))),
    );
    return answers.flatMap((answer) => answer ?? []);
  }

  #tell(say: (slot: Slot) => void): void {
    for (const slot of this.#slots) say(slot);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** Addresses go in pieces, one after the other; policies come into force together and stay whole. */
async function sendUpdate(worker: WorkerThread, typeUrl: string, update: Update): Promise<void> {
  const { upserted } = update;
  if (typeUrl !== ADDRESS_TYPE || upserted.length <= CHUNK) return worker.link.ask('update', { typeUrl, update });
  for (let i = 0; i < upserted.length; i += CHUNK) {
    const part = {
      ...update,
      upserted: upserted.slice(i, i + CHUNK),
      removed: i + CHUNK < upserted.length ? [] : update.removed,
    };
    await worker.link.ask('update', { typeUrl, update: part });
  }
}

function isDeath(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'WORKER_DIED';
}

/** Undefined when it fails or takes too long: a busy or dying thread does not keep a page from being shown. */
async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  const late = new AbortController();
  try {
    return await Promise.race([answer, sleep(ANSWER_MS, undefined, { signal: late.signal })]);
  } catch {
    return undefined;
  } finally {
    late.abort();
  }
}
