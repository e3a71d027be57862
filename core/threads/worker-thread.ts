/** One worker as the main thread sees it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MeshError } from '../../mesh/index.ts';
import { closeLeftBehind, type DescriptorLedger, newLedger } from '../net/index.ts';
import type { Registry, SeriesDelta } from '../telemetry/index.ts';
import { type Call, type Calls, type Handlers, Link } from './link.ts';
import { watchAnswers } from './watchdog.ts';

/** What a dying worker was last heard to say, and how many descriptors were closed after it. */
export type Death = { readonly why: string; readonly descriptors: number };

/** What every worker answers. */
export type AnyWorkerCalls = Calls & {
  /** What its numbers have grown by since it was asked before. */
  readonly collect: Call<undefined, readonly SeriesDelta[]>;
  /** It serves nobody any more; the thread ends. */
  readonly end: Call<undefined, void>;
};

/** What every worker starts with: the record of descriptors that it must keep ({@link keepLedger}). */
export type AnySettings = { readonly descriptors: DescriptorLedger };

export type WorkerThreadOptions<MainCalls extends Calls> = {
  /** Its program. */
  readonly entry: URL;
  /** For logs and for tools that list threads. */
  readonly name: string;
  /** What it starts with, beside {@link AnySettings}; copied. */
  readonly settings: object;
  readonly registry: Registry;
  readonly handlers: Handlers<MainCalls>;
  /** It ended without being asked. Its descriptors are closed, and it is no longer in the gauges. */
  readonly onDeath: (death: Death) => void;
  /** It has not taken a message for so many milliseconds: it hangs. Nothing can end it but the end of the process (`core/net/watch.ts`). */
  readonly hangMs: number;
  readonly onHang: () => void;
};

/** The program of a worker that stands beside a module: as source, or both in the bundle. */
export function entryBeside(moduleUrl: string, name: string): URL {
  return new URL(`./${name}${moduleUrl.endsWith('.ts') ? '.ts' : '.js'}`, moduleUrl);
}

export class WorkerThread<WorkerCalls extends AnyWorkerCalls, MainCalls extends Calls> {
  readonly link: Link<WorkerCalls, MainCalls>;
  readonly #worker: Worker;
  readonly #registry: Registry;
  /** What it has added to gauges so far, to be taken back when it is gone. */
  readonly #gauges = new Map<string, SeriesDelta>();
  #ending = false;

  constructor(o: WorkerThreadOptions<MainCalls>) {
    const { entry, name, settings, registry, handlers, onDeath } = o;
    const descriptors = newLedger();
    this.#registry = registry;
    this.#worker = new Worker(entry, {
      workerData: { ...settings, descriptors },
      name,
      trackUnmanagedFds: false, // our record has them, and those that did not come from node:fs
    });
    this.link = new Link((message) => this.#worker.postMessage(message), handlers);
    this.#worker.on('message', (message) => this.link.received(message));
    const watchdog = watchAnswers({ ask: () => this.link.hello(), deadlineMs: o.hangMs, overdue: o.onHang });
    let why = 'it ended by itself';
    this.#worker.on('error', (error) => {
      why = error instanceof Error ? error.message : String(error);
    });
    this.#worker.once('exit', (code) => {
      watchdog[Symbol.dispose]();
      this.link.break(new MeshError('WORKER_DIED', `thread ${name} is gone: ${why}, exit code ${code}`));
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
