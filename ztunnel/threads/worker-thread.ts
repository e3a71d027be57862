/** One worker as the main thread sees it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { closeLeftBehind, newLedger } from '../../core/net/index.ts';
import type { Registry, SeriesDelta } from '../../core/telemetry/index.ts';
import { MeshError } from '../../mesh/index.ts';
import { type Handlers, Link } from './link.ts';
import type { MainCalls, WorkerCalls, WorkerSettings } from './protocol.ts';

/** What a dying worker was last heard to say, and how many descriptors were closed after it. */
export type Death = { readonly why: string; readonly descriptors: number };

export type WorkerThreadOptions = {
  readonly settings: Omit<WorkerSettings, 'descriptors'>;
  readonly registry: Registry;
  readonly handlers: Handlers<MainCalls>;
  /** It ended without being asked. Its descriptors are closed, and it is no longer in the gauges. */
  readonly onDeath: (death: Death) => void;
};

/** Beside this module: as source, or both in the bundle. */
const ENTRY = new URL(`./worker-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

export class WorkerThread {
  readonly link: Link<WorkerCalls, MainCalls>;
  readonly #worker: Worker;
  readonly #registry: Registry;
  /** What it has added to gauges so far, to be taken back when it is gone. */
  readonly #gauges = new Map<string, SeriesDelta>();
  #ending = false;

  constructor({ settings, registry, handlers, onDeath }: WorkerThreadOptions) {
    const descriptors = newLedger();
    this.#registry = registry;
    this.#worker = new Worker(ENTRY, {
      workerData: { ...settings, descriptors },
      name: `pods ${settings.thread}`,
      trackUnmanagedFds: false, // our record has them, and those that did not come from node:fs
    });
    this.link = new Link((message) => this.#worker.postMessage(message), handlers);
    this.#worker.on('message', (message) => this.link.received(message));
    let why = 'it ended by itself';
    this.#worker.on('error', (error) => {
      why = error instanceof Error ? error.message : String(error);
    });
    this.#worker.once('exit', (code) => {
      this.link.break(new MeshError('WORKER_DIED', `thread ${settings.thread} is gone: ${why}, exit code ${code}`));
      const left = closeLeftBehind(descriptors);
      this.#takeBackGauges();
      if (!this.#ending) onDeath({ why, descriptors: left });
    });
  }

  /** Adds what its numbers have grown by to the registry. */
  async collect(): Promise<void> {
    const deltas = await this.link.ask('collect', undefined);
    this.#registry.absorb(deltas);
    for (const one of deltas) if (one.kind === 'gauge') this.#count(one);
  }

  /** Once no pod is left on it. Resolves when the thread is gone. */
  async end(): Promise<void> {
    this.#ending = true;
    const gone = once(this.#worker, 'exit');
    await this.link.ask('end', undefined).then(
      () => gone,
      () => {}, // it is gone already
    );
  }

  #count(change: SeriesDelta): void {
    const key = `${change.name}\n${change.labelText}`;
    const before = this.#gauges.get(key)?.delta[0] ?? 0;
    this.#gauges.set(key, { ...change, delta: [before + (change.delta[0] ?? 0)] });
  }

  #takeBackGauges(): void {
    this.#registry.absorb([...this.#gauges.values()].map((one) => ({ ...one, delta: [-(one.delta[0] ?? 0)] })));
    this.#gauges.clear();
  }
}
