/**
 * Serves in several threads, which share the port: the kernel gives each connection to one of them. This thread keeps what was
 * told, asks for what that names, and passes all of it on. A thread that dies is replaced; nobody else notices.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TlsMaterial } from '../../core/hbone/index.ts';
import { describeError, type Logger, Receipts, type Registry } from '../../core/telemetry/index.ts';
import { type Death, entryBeside, WorkerThread as Thread } from '../../core/threads/index.ts';
import { ADDRESS_TYPE, type Rejection, type Update } from '../../core/xds/index.ts';
import { MeshError } from '../../mesh/index.ts';
import type { WaypointConfig } from '../config.ts';
import type { DataPlane } from '../data-plane.ts';
import { Observer } from '../observe/observer.ts';
import { mergeRequests, type RequestRows } from '../observe/request-ledger.ts';
import type { TapFilter, TapSink } from '../observe/taps.ts';
import { PolicyRecorder } from '../policy/watch.ts';
import { Told } from '../told.ts';
import type { MainCalls, WorkerCalls, WorkerSettings } from './protocol.ts';
import { Snapshot } from './snapshot.ts';

export type WorkersOptions = {
  readonly threads: number;
  readonly config: WaypointConfig;
  readonly log: Logger;
  readonly registry: Registry;
  /** Takes whole lines: logs and access logs of the workers. */
  readonly write: (lines: string) => void;
  readonly giveUp: (why: string) => void;
  readonly material: () => Promise<TlsMaterial>;
  readonly demand: (name: string) => Promise<void>;
  readonly release: (names: Iterable<string>) => void;
};

type Worker = Thread<WorkerCalls, MainCalls>;
type Slot = { readonly name: string; worker: Worker; deaths: number; bornMs: number };
type OpenTap = { readonly filter: TapFilter; readonly sink: TapSink; left: number; lost: number };

const ENTRY = entryBeside(import.meta.url, 'worker-main');
const STEADY_MS = 60_000;
const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 10_000;
const MOST_TAPS = 16;

export class WorkerDataPlane implements DataPlane {
  readonly told: Told;
  readonly #o: WorkersOptions;
  readonly #snapshot = new Snapshot();
  readonly #slots: Slot[] = [];
  readonly #taps = new Map<number, OpenTap>();
  readonly #stop = new AbortController();
  #port = 0;
  #isOpen = false;
  #lastTap = 0;
  /** Updates and snapshots take turns. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(o: WorkersOptions) {
    this.#o = o;
    const { config, registry } = o;
    familiesOf(registry, o.log);
    this.told = new Told({
      network: config.network,
      localNode: config.localNode,
      demand: o.demand,
      release: (names) => {
        const gone = [...names];
        this.#snapshot.forget(ADDRESS_TYPE, gone);
        o.release(gone);
      },
      onChange: () => {},
    });
    o.log.filter.onChange(() => {
      for (const { worker } of this.#slots) worker.link.tell('levels', `${o.log.filter}`);
    });
  }

  /** Resolves when all threads have taken the port. Rejects, with none left, when one can't. */
  static async start(o: WorkersOptions): Promise<WorkerDataPlane> {
    const plane = new WorkerDataPlane(o);
    try {
      for (let i = 0; i < o.threads; i++) {
        const slot: Slot = { name: String(i), worker: plane.#spawn(String(i)), deaths: 0, bornMs: performance.now() };
        plane.#slots.push(slot);
        plane.#port = await slot.worker.link.ask('port', undefined); // the first one chooses, if nobody else has
      }
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
    return plane;
  }

  get port(): number {
    return this.#port;
  }

  onUpdate(typeUrl: string, update: Update): Promise<readonly Rejection[]> {
    return this.#inTurn(async () => {
      this.#snapshot.apply(typeUrl, update);
      const mine = this.told.onUpdate(typeUrl, update);
      await this.#all(({ link }) => link.ask('update', { typeUrl, update }));
      return mine;
    });
  }

  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#all(({ link }) => link.ask('open', undefined));
  }

  async receipts(limit: number) {
    const lists = await Promise.all(
      this.#slots.map(({ worker }) => worker.link.ask('receipts', limit).catch(() => [])),
    );
    // Ids are ULIDs: they sort by time.
    return lists
      .flat()
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, limit);
  }

  async receipt(id: string) {
    const found = await Promise.all(
      this.#slots.map(({ worker }) => worker.link.ask('receipt', id).catch(() => undefined)),
    );
    return found.find((receipt) => receipt !== undefined);
  }

  async requests(): Promise<RequestRows> {
    const parts = this.#slots.map(({ worker }) =>
      worker.link.ask('requests', undefined).catch(() => ({ dropped: 0, requests: [] })),
    );
    return mergeRequests(await Promise.all(parts));
  }

  tap(filter: TapFilter, max: number, sink: TapSink): Disposable | undefined {
    if (this.#taps.size >= MOST_TAPS) return undefined;
    this.#lastTap += 1;
    const id = this.#lastTap;
    this.#taps.set(id, { filter, sink, left: max, lost: 0 });
    for (const { worker } of this.#slots) worker.link.tell('tap', { id, filter });
    return { [Symbol.dispose]: () => this.#untap(id) };
  }

  async collect(): Promise<void> {
    await Promise.all(this.#slots.map(({ worker }) => worker.collect().catch(() => {}))); // a dead one has no numbers
  }

  /** The key of our identity is another one. */
  renewed(material: TlsMaterial): void {
    for (const { worker } of this.#slots) worker.link.tell('renewed', material);
  }

  async drain(deadlineMs: number): Promise<void> {
    await this.#all(({ link }) => link.ask('drain', deadlineMs));
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort(new MeshError('DRAINED', 'the waypoint is stopping'));
    for (const id of [...this.#taps.keys()]) this.#endTap(id);
    await Promise.all(this.#slots.map(({ worker }) => worker.end()));
  }

  #spawn(name: string): Worker {
    const { config, log, registry, write, material, giveUp } = this.#o;
    const ports = this.#port === 0 ? config.ports : { ...config.ports, hbone: this.#port };
    const settings: Omit<WorkerSettings, 'descriptors'> = { config: { ...config, ports }, levels: String(log.filter) };
    return new Thread<WorkerCalls, MainCalls>({
      entry: ENTRY,
      name: `waypoint ${name}`,
      settings,
      registry,
      handlers: { lines: write, material, tapped: ({ id, line }) => this.#tapped(id, line) },
      hangMs: config.hangTimeoutMs,
      onHang: () => giveUp(`worker thread ${name} has not answered for ${config.hangTimeoutMs / 1_000} s`),
      onDeath: (death) => this.#died(name, death),
    });
  }

  #died(name: string, { why, descriptors }: Death): void {
    const slot = this.#slots.find((one) => one.name === name);
    if (slot === undefined || this.#stop.signal.aborted) return;
    this.#o.log.error('a worker thread died, and is replaced', { thread: name, error: why, descriptors });
    if (performance.now() - slot.bornMs > STEADY_MS) slot.deaths = 0;
    const waitMs = slot.deaths === 0 ? 0 : Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** slot.deaths);
    slot.deaths += 1;
    this.#revive(slot, waitMs).catch((error) => {
      if (!this.#stop.signal.aborted)
        this.#o.log.error('a worker thread is not replaced', { error: describeError(error) });
    });
  }

  async #revive(slot: Slot, waitMs: number): Promise<void> {
    await sleep(waitMs, undefined, { signal: this.#stop.signal });
    await this.#inTurn(async () => {
      slot.worker = this.#spawn(slot.name);
      slot.bornMs = performance.now();
      const { link } = slot.worker;
      try {
        for (const one of this.#snapshot.updates()) await link.ask('update', one);
        for (const [id, { filter }] of this.#taps) link.tell('tap', { id, filter });
        if (this.#isOpen) await link.ask('open', undefined);
      } catch (error) {
        if (!isDeath(error)) throw error; // the next one is on its way
      }
    });
  }

  #tapped(id: number, line: string): void {
    const tap = this.#taps.get(id);
    if (tap === undefined) return;
    if ((tap.lost > 0 && !tap.sink.write(`${JSON.stringify({ lost: tap.lost })}\n`)) || !tap.sink.write(line)) {
      tap.lost += 1;
      return;
    }
    tap.lost = 0;
    tap.left -= 1;
    if (tap.left === 0) this.#endTap(id);
  }

  #endTap(id: number): void {
    const tap = this.#taps.get(id);
    this.#untap(id);
    tap?.sink.end();
  }

  #untap(id: number): void {
    if (!this.#taps.delete(id)) return;
    for (const { worker } of this.#slots) worker.link.tell('untap', id);
  }

  /** Asks every worker; one that dies meanwhile need not answer. */
  async #all(ask: (worker: Worker) => Promise<void>): Promise<void> {
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

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** The families into which the workers' numbers go. */
function familiesOf(registry: Registry, log: Logger): void {
  new Observer({
    log,
    registry,
    write: () => {},
    always: [],
    exporterOf: () => {
      throw new MeshError('INTERNAL', 'the main thread serves nobody');
    },
    gateway: () => undefined,
    wallClock: Date.now,
    env: () => undefined,
  });
  new PolicyRecorder(new Receipts({ now: Date.now, random: Math.random }), registry);
  registry.counter('ambit_trace_spans', 'Spans, by what became of them (unstable).', ['outcome']);
}

function isDeath(error: unknown): boolean {
  return error instanceof MeshError && error.code === 'WORKER_DIED';
}
