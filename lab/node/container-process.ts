/** One run of a container: its process, its cgroup, its output. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { NetnsRef } from '../../core/net/index.ts';
import { type Cgroup, signal } from '../cgroups.ts';
import { ended } from '../run.ts';
import type { ContainerLog } from './container-log.ts';
import type { InitPlan } from './init/plan.ts';
import { start } from './init/start.ts';
import { NODE } from './layout.ts';
import { Terminal } from './terminal.ts';

export type ContainerExit = { readonly code: number; readonly signal?: number; readonly oomKilled: boolean };

/** Directories of one run; they are on the node's root, which is memory. */
export type Layers = { readonly lower: string; readonly upper: string; readonly work: string; readonly root: string };

export function makeLayers(base: string): Layers {
  const layers = {
    lower: join(base, 'lower'),
    upper: join(base, 'upper'),
    work: join(base, 'work'),
    root: join(base, 'root'),
  };
  for (const directory of Object.values(layers)) mkdirSync(directory, { recursive: true });
  return layers;
}

/** Number of a signal by its name, for exit codes: 128 and the signal. */
const SIGNALS: Readonly<Record<string, number>> = constants.signals;

export type RunOptions = {
  readonly plan: InitPlan;
  readonly netns: NetnsRef | undefined;
  readonly cgroup: Cgroup;
  readonly log: ContainerLog;
  readonly layersPath: string;
  readonly stdin: boolean;
  readonly tty: boolean;
};

export class ContainerProcess {
  readonly pid: number;
  readonly stdin: Writable | undefined;
  /** Resolves when nothing of the container runs any more and its output is written. */
  readonly exited: Promise<ContainerExit>;
  readonly child: ChildProcess;
  /** Present when the container has a terminal: input and output are both there. */
  readonly terminal: Terminal | undefined;
  readonly #options: RunOptions;

  private constructor(child: ChildProcess, terminal: Terminal | undefined, options: RunOptions) {
    this.child = child;
    this.terminal = terminal;
    this.pid = child.pid ?? 0;
    this.stdin = options.stdin ? (terminal?.stream ?? child.stdin ?? undefined) : undefined;
    this.stdin?.on('error', () => {}); // it ended without reading all: its own affair
    this.#options = options;
    this.exited = this.#watch();
  }

  /** @throws MeshError START_FAILED */
  static async start(options: RunOptions): Promise<ContainerProcess> {
    options.cgroup.create();
    const common = { ...(options.netns && { netns: options.netns }), compileCache: NODE.compileCache };
    if (!options.tty) {
      const stdio = [options.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] as const;
      return new ContainerProcess(await start(options.plan, { ...common, stdio }), undefined, options);
    }
    const terminal = new Terminal();
    const { slave } = terminal;
    try {
      const child = await start({ ...options.plan, terminal: true }, { ...common, stdio: [slave, slave, slave] });
      return new ContainerProcess(child, terminal, options);
    } catch (error) {
      terminal.stream.destroy();
      throw error;
    } finally {
      terminal.handOver();
    }
  }

  /** Copies of the output from now on, until `end`. A reader that does not keep up misses some: the container does not wait. */
  tapOutput(): { readonly stdout: Readable; readonly stderr: Readable; readonly end: () => void } {
    const tap = (from: Readable | null) => {
      const to = new PassThrough({ highWaterMark: 1 << 20 });
      const copy = (chunk: Buffer) => {
        if (!to.writableNeedDrain) to.write(chunk);
      };
      from?.on('data', copy);
      const end = () => {
        from?.off('data', copy);
        to.end();
      };
      return { to, end };
    };
    const [out, err] = [tap(this.terminal?.stream ?? this.child.stdout), tap(this.child.stderr)];
    return {
      stdout: out.to,
      stderr: err.to,
      end: () => {
        out.end();
        err.end();
      },
    };
  }

  kill(name: NodeJS.Signals): void {
    if (this.child.exitCode === null && this.child.signalCode === null) signal(this.pid, name);
  }

  /** Everything in the container, at once. */
  killAll(): void {
    this.kill('SIGKILL');
    this.#options.cgroup.kill();
  }

  async #watch(): Promise<ContainerExit> {
    const { log, cgroup, layersPath } = this.#options;
    const oomKillsBefore = cgroup.oomKills(); // the group outlives a run
    const { stderr } = this.child;
    const stdout = this.terminal?.stream ?? this.child.stdout;
    const output = Promise.allSettled([
      stdout ? log.take(stdout, 'stdout') : undefined,
      stderr ? log.take(stderr, 'stderr') : undefined,
    ]);
    // `exit` may have been before we came to look: start() waits for exec, and a program can be quick.
    const already = this.child.exitCode !== null || this.child.signalCode !== null;
    const [code, name] = already ? [this.child.exitCode, this.child.signalCode] : await ended(this.child);
    const oomKilled = cgroup.oomKills() > oomKillsBefore;
    cgroup.kill(); // as when the first process of a container's PID namespace ends
    await output;
    log[Symbol.dispose]();
    rmSync(layersPath, { recursive: true, force: true });
    if (name === null) return { code: code ?? 0, oomKilled };
    const number = SIGNALS[name] ?? 0;
    return { code: 128 + number, signal: number, oomKilled };
  }
}
