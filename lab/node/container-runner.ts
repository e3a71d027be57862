/**
 * A container over all its runs.
 *
 *     waiting --start--> running --exit--> terminated --restart policy, back-off--> waiting --> running ...
 *        \-- cannot start: waiting with a reason, tried again --/       \-- no restart: done
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError } from '../../mesh/index.ts';
import type { ContainerLog } from './container-log.ts';
import type { ContainerExit, ContainerProcess } from './container-process.ts';
import { type Container, type ContainerState, type ContainerStatus, isSidecar } from './pod.ts';
import { type ActionContext, act } from './probe-action.ts';
import { probeLoop } from './probe-loop.ts';

export type Started = {
  readonly process: ContainerProcess;
  readonly log: ContainerLog;
  readonly id: string;
  /** What it left at its `terminationMessagePath`. */
  readonly lastWords: () => string;
};
export type EventType = 'Normal' | 'Warning';

export type RunnerDeps = {
  /** Starts run number `attempt`. @throws MeshError with why it can't. */
  readonly start: (attempt: number) => Promise<Started>;
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never';
  readonly changed: () => void;
  readonly event: (type: EventType, reason: string, message: string) => void;
  readonly onProblem: (error: unknown) => void;
  readonly action: Omit<ActionContext, 'container'>;
  readonly restartCount: number;
};

/** Upstream's: the first restart is at once, then 10 s, doubled up to 5 minutes; a run of 10 minutes starts over. */
const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 300_000;
const HEALTHY_RUN_MS = 600_000;
/** A container that cannot be started (no image, a missing Secret) is tried again so often. */
const RETRY_START_MS = 2_000;
const REASONS: Readonly<Record<string, string>> = {
  IMAGE_UNKNOWN: 'ErrImagePull',
  IMAGE_INVALID: 'ErrImagePull',
  CONTAINER_CONFIG: 'CreateContainerConfigError',
  FIELD_REF_INVALID: 'CreateContainerConfigError',
  START_FAILED: 'StartError',
};

export class ContainerRunner {
  readonly container: Container;
  readonly #deps: RunnerDeps;
  readonly #stop = new AbortController();
  #state: ContainerState = { waiting: { reason: 'PodInitializing' } };
  #lastState: ContainerState | Record<string, never> = {};
  #current: Started | undefined;
  #previousLog: string | undefined;
  #lastLog: string | undefined;
  #restarts: number;
  #ready = false;
  #started = false;
  #id: string | undefined;
  #killedBy: { readonly graceMs: number } | undefined;
  readonly #startedOnce = Promise.withResolvers<void>();

  constructor(container: Container, deps: RunnerDeps) {
    this.container = container;
    this.#deps = deps;
    this.#restarts = deps.restartCount;
  }

  get status(): ContainerStatus {
    return {
      name: this.container.name,
      state: this.#state,
      lastState: this.#lastState,
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restarts,
      image: this.container.image,
      imageID: this.#id === undefined ? '' : this.container.image,
      ...(this.#id !== undefined && { containerID: this.#id }),
    };
  }

  /** The run that is going on. */
  get current(): Started | undefined {
    return this.#current;
  }

  /** Files of this and the previous run's log. */
  get logs(): { readonly current: string | undefined; readonly previous: string | undefined } {
    return { current: this.#lastLog, previous: this.#previousLog };
  }

  /** Resolves when it has started (and its startup probe succeeded), for those that come after a sidecar. */
  get startedOnce(): Promise<void> {
    return this.#startedOnce.promise;
  }

  /** Runs until it need not run any more; resolves with the last exit, undefined when it never ran. */
  async run(): Promise<ContainerExit | undefined> {
    let last: ContainerExit | undefined;
    let backoffMs = 0;
    for (let attempt = this.#restarts; !this.#stopped; ) {
      const began = performance.now();
      const exit = await this.#runOnce(attempt);
      if (exit === 'not-started') {
        await this.#pause(RETRY_START_MS);
        continue;
      }
      last = exit;
      if (this.#stopped || !this.#restartsAfter(exit)) break;
      if (performance.now() - began > HEALTHY_RUN_MS) backoffMs = 0;
      if (backoffMs > 0) {
        const message = `back-off ${backoffMs / 1000}s restarting failed container=${this.container.name}`;
        this.#lastState = this.#state;
        this.#set({ waiting: { reason: 'CrashLoopBackOff', message } });
        this.#deps.event('Warning', 'BackOff', `Back-off restarting failed container ${this.container.name}`);
        await this.#pause(backoffMs);
      }
      if (this.#stopped) break;
      backoffMs = Math.min(MAX_BACKOFF_MS, backoffMs === 0 ? BACKOFF_MS : backoffMs * 2);
      attempt = ++this.#restarts;
    }
    this.#startedOnce.resolve();
    return last;
  }

  /** No further run; the present one gets SIGTERM (after its preStop hook), and SIGKILL when the grace period is over. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    this.#startedOnce.resolve();
    await this.#end(graceMs);
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #restartsAfter(exit: ContainerExit): boolean {
    if (isSidecar(this.container)) return true;
    const policy = this.#deps.restartPolicy;
    return policy === 'Always' || (policy === 'OnFailure' && exit.code !== 0);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {}); // stopped: the loop sees it
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#deps.changed();
  }

  async #runOnce(attempt: number): Promise<ContainerExit | 'not-started'> {
    let started: Started;
    try {
      started = await this.#deps.start(attempt);
    } catch (error) {
      const code = error instanceof MeshError ? error.code : '';
      const reason = REASONS[code] ?? 'CreateContainerError';
      const message = error instanceof Error ? error.message : String(error);
      if (!('waiting' in this.#state) || this.#state.waiting.message !== message) {
        this.#deps.event('Warning', 'Failed', `Error: ${message}`);
        this.#set({ waiting: { reason, message } });
      }
      if (code !== 'START_FAILED') return 'not-started';
      // A program that can't be run is an end like any other: it counts, and restarts with back-off.
      const at = new Date().toISOString();
      this.#set({ terminated: { exitCode: 128, reason, message, startedAt: at, finishedAt: at } });
      return { code: 128, oomKilled: false };
    }
    const startedAt = new Date().toISOString();
    this.#current = started;
    this.#id = `lab://${started.id}`;
    this.#previousLog = this.#lastLog;
    this.#lastLog = started.log.path;
    if ('terminated' in this.#state) this.#lastState = this.#state;
    this.#started = this.container.startupProbe === undefined;
    this.#ready = this.#started && this.container.readinessProbe === undefined;
    this.#set({ running: { startedAt } });
    this.#deps.event('Normal', 'Started', `Started container ${this.container.name}`);
    if (this.#started) this.#startedOnce.resolve();
    const probing = new AbortController();
    const probes = this.#probe(probing.signal);
    if (this.container.lifecycle?.postStart) this.#postStart();
    if (this.#stopped) void this.#end(0); // asked to stop while it was starting
    const exit = await started.process.exited;
    probing.abort();
    await probes;
    this.#current = undefined;
    this.#ready = false;
    this.#killedBy = undefined;
    const message = started.lastWords();
    const reason = exit.oomKilled ? 'OOMKilled' : exit.code === 0 ? 'Completed' : 'Error';
    const { code: exitCode, signal } = exit;
    const ended = {
      exitCode,
      ...(signal !== undefined && { signal }),
      reason,
      ...(message !== '' && { message }),
      startedAt,
      finishedAt: new Date().toISOString(),
    };
    this.#set({ terminated: { ...ended, ...(this.#id !== undefined && { containerID: this.#id }) } });
    return exit;
  }

  async #probe(signal: AbortSignal): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.container;
    const loop = (
      kind: string,
      probe: NonNullable<typeof startupProbe>,
      verdict: (healthy: boolean) => void,
      until = signal,
    ) =>
      probeLoop(
        probe,
        {
          look: () =>
            act(probe, { ...this.#deps.action, container: this.container }, (probe.timeoutSeconds ?? 1) * 1000),
          verdict,
          failure: (why) => this.#deps.event('Warning', 'Unhealthy', `${kind} probe failed: ${why}`),
        },
        until,
      );
    const kill = (kind: string, grace: number | undefined) => {
      this.#deps.event('Normal', 'Killing', `Container ${this.container.name} failed ${kind} probe, will be restarted`);
      this.#end((grace ?? 30) * 1000).catch(this.#deps.onProblem);
    };
    if (startupProbe) {
      const done = new AbortController();
      const both = AbortSignal.any([signal, done.signal]);
      const verdict = (healthy: boolean) => {
        if (!healthy) return kill('startup', startupProbe.terminationGracePeriodSeconds);
        this.#started = true;
        this.#startedOnce.resolve();
        if (!readinessProbe) this.#ready = true;
        this.#deps.changed();
        done.abort();
      };
      await loop('Startup', startupProbe, verdict, both);
    }
    if (signal.aborted) return;
    await Promise.all([
      livenessProbe &&
        loop(
          'Liveness',
          livenessProbe,
          (healthy) => healthy || kill('liveness', livenessProbe.terminationGracePeriodSeconds),
        ),
      readinessProbe &&
        loop('Readiness', readinessProbe, (healthy) => {
          if (this.#ready === healthy) return;
          this.#ready = healthy;
          this.#deps.changed();
        }),
    ]);
  }

  #postStart(): void {
    const hook = this.container.lifecycle?.postStart ?? {};
    const context = { ...this.#deps.action, container: this.container };
    act(hook, context, HOOK_TIMEOUT_MS)
      .then((outcome) => {
        if (outcome.ok) return;
        this.#deps.event('Warning', 'FailedPostStartHook', outcome.why);
        return this.#end(0);
      })
      .catch(this.#deps.onProblem);
  }

  /** Ends the present run. A second, shorter grace period takes the place of the first. */
  async #end(graceMs: number): Promise<void> {
    const run = this.#current?.process;
    if (run === undefined) return;
    if (this.#killedBy !== undefined) {
      if (graceMs < this.#killedBy.graceMs) await this.#killAfter(run, graceMs);
      return;
    }
    this.#killedBy = { graceMs };
    const killer = this.#killAfter(run, graceMs);
    const preStop = this.container.lifecycle?.preStop;
    if (preStop && graceMs > 0) {
      const outcome = await act(preStop, { ...this.#deps.action, container: this.container }, graceMs);
      if (!outcome.ok) this.#deps.event('Warning', 'FailedPreStopHook', outcome.why);
    }
    run.kill('SIGTERM');
    await killer;
  }

  async #killAfter(run: ContainerProcess, graceMs: number): Promise<void> {
    const over = new AbortController();
    const timer = sleep(graceMs, undefined, { signal: over.signal }).then(
      () => run.killAll(),
      () => {}, // it ended by itself
    );
    await run.exited;
    over.abort();
    await timer;
  }
}

const HOOK_TIMEOUT_MS = 30_000;

/** Where the runs of a container of a pod keep their logs. */
export const logPath = (directory: string, container: string, attempt: number): string =>
  join(directory, container, `${attempt}.log`);
