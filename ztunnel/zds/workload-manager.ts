/**
 * The client of the CNI agent: learns which pods to serve, over one connection that is made again for ever. On each
 * connection the agent tells everything first (the snapshot) and then changes; every message is answered before the next.
 * Losing the agent, or not understanding it, never costs a running pod anything.
 */
import { closeSync } from 'node:fs';
import { describeError, type Logger, type ReadinessTask } from '../../core/telemetry/index.ts';
import type { Clock } from '../../core/time/index.ts';
import { decodeRequest, encodeHello, encodeResponse, type ZdsRequest } from '../../core/zds/index.ts';
import { MeshError } from '../../mesh/index.ts';
import type { PodNetns, PodTable } from './pod-table.ts';

/** One connection to the agent: `SeqpacketConnection` of core/net is one. */
export interface AgentConnection extends Disposable {
  send(packet: Uint8Array): Promise<void>;
  /** The next packet; undefined at the end. Descriptors are the receiver's. */
  receive(signal?: AbortSignal): Promise<{ readonly packet: Uint8Array; readonly fds: readonly number[] } | undefined>;
}

export type WorkloadManagerOptions<N extends PodNetns> = {
  readonly connect: () => Promise<AgentConnection>;
  readonly pods: PodTable<N>;
  /** Makes a namespace of a descriptor and takes it over, also when it throws. */
  readonly adopt: (fd: number) => N;
  readonly readiness: ReadinessTask;
  readonly clock: Clock;
  readonly log: Logger;
};

/** What one connection has brought so far. */
type Session = { snapshotSent: boolean; readonly mentioned: Set<string> };

const FIRST_BACKOFF_MS = 20;
/** The reference waits up to 15 s. The socket is local and new pods of the node wait for it: once in 2 s costs nothing. */
const LONGEST_BACKOFF_MS = 2_000;
const RETRY_PENDING_MS = 5_000;

export class WorkloadManager<N extends PodNetns> {
  readonly #options: WorkloadManagerOptions<N>;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #session: Session | undefined;
  #retry: Disposable | undefined;
  /** Messages and retries take turns. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: WorkloadManagerOptions<N>) {
    this.#options = options;
  }

  /** Dials the agent, now and after every loss, until stopped. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Hangs up, then lets all pods drain. Readiness stays as it was: the pod is on its way out. */
  async drain(deadlineMs: number): Promise<void> {
    this.#stop.abort(new MeshError('SHUTTING_DOWN', 'the process is shutting down'));
    this.#retry?.[Symbol.dispose]();
    await this.#running;
    await this.#turn;
    await this.#options.pods.drain(deadlineMs);
  }

  async #run(): Promise<void> {
    const { log, readiness } = this.#options;
    const { signal } = this.#stop;
    let backoffMs = FIRST_BACKOFF_MS;
    while (!signal.aborted) {
      try {
        await this.#serve();
        log.info('the CNI agent closed the connection');
      } catch (error) {
        if (!signal.aborted) log.warn('no connection to the CNI agent', { error: describeError(error) });
      }
      if (this.#session?.snapshotSent === true) backoffMs = FIRST_BACKOFF_MS;
      this.#session = undefined;
      if (signal.aborted) return;
      readiness.notReady();
      await this.#pause(backoffMs);
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
    }
  }

  /** One connection from hello to its end; rejects with what broke it. */
  async #serve(): Promise<void> {
    const { connect, log, pods } = this.#options;
    const { signal } = this.#stop;
    using connection = await connect();
    signal.throwIfAborted();
    pods.forgetAllPending(); // the snapshot names them again
    const session: Session = { snapshotSent: false, mentioned: new Set() };
    this.#session = session;
    await connection.send(encodeHello());
    log.info('connected to the CNI agent');
    for (;;) {
      const received = await connection.receive(signal);
      if (received === undefined) return;
      const failure = await this.#inTurn(() => this.#handle(session, received));
      await connection.send(encodeResponse({ error: failure === undefined ? '' : describeError(failure) }));
      if (failure instanceof MeshError && failure.code === 'POD_START_FAILED') this.#armRetry();
      else if (failure !== undefined) throw failure; // we do not understand each other: from the start again
      this.#updateReadiness();
    }
  }

  /** What was wrong with the message, if anything. */
  async #handle(
    session: Session,
    received: { readonly packet: Uint8Array; readonly fds: readonly number[] },
  ): Promise<Error | undefined> {
    try {
      await this.#apply(session, received);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #apply(
    session: Session,
    { packet, fds }: { readonly packet: Uint8Array; readonly fds: readonly number[] },
  ): Promise<void> {
    const { adopt, pods } = this.#options;
    const [fd] = fds;
    let request: ZdsRequest;
    try {
      request = decodeRequest(packet);
      const wanted = request.kind === 'add' ? 1 : 0;
      if (fds.length !== wanted)
        throw protocolError(`${request.kind} came with ${fds.length} descriptors, not ${wanted}`);
    } catch (error) {
      for (const extra of fds) closeSync(extra);
      throw error;
    }
    switch (request.kind) {
      case 'add':
        if (fd === undefined) throw protocolError('add came without a descriptor');
        session.mentioned.add(request.uid);
        await pods.add({ uid: request.uid, ...request.info }, adopt(fd));
        return;
      case 'keep':
        if (session.snapshotSent) throw protocolError('keep came after the snapshot');
        session.mentioned.add(request.uid);
        return;
      case 'del':
        if (session.snapshotSent) await pods.remove(request.uid);
        else {
          // whether it runs from before is decided when the snapshot is complete
          session.mentioned.delete(request.uid);
          pods.forgetPending(request.uid);
        }
        return;
      case 'snapshotSent':
        if (session.snapshotSent) throw protocolError('a second snapshot on one connection');
        session.snapshotSent = true;
        await pods.retain(session.mentioned);
        return;
      default:
        request satisfies never;
    }
  }

  #updateReadiness(): void {
    const { pods, readiness } = this.#options;
    if (this.#session?.snapshotSent === true && pods.pendingCount === 0) readiness.ready();
    else readiness.notReady();
  }

  #armRetry(): void {
    this.#retry?.[Symbol.dispose]();
    this.#retry = this.#options.clock.after(RETRY_PENDING_MS, () => {
      void this.#inTurn(() => this.#options.pods.retry()).then(() => {
        if (this.#stop.signal.aborted) return;
        this.#updateReadiness();
        if (this.#options.pods.pendingCount > 0) this.#armRetry();
      });
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const done = Promise.withResolvers<void>();
    this.#turn = done.promise;
    try {
      await before;
      return await work();
    } finally {
      done.resolve();
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { signal } = this.#stop;
    using _timer = this.#options.clock.after(ms, resolve);
    const onAbort = () => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    signal.removeEventListener('abort', onAbort);
  }
}

function protocolError(reason: string): MeshError {
  return new MeshError('ZDS_PROTOCOL_ERROR', reason);
}
