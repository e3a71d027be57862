/**
 * The agent's side of one connection of a node proxy.
 *
 *     hello --5 s--> snapshot --all acknowledged--> updates --peer leaves, or anything against the protocol--> closed
 *
 * Acknowledgements carry no number: only their place in the sequence says what they answer. So exactly one message is in
 * flight, and one that is not answered in time ends the connection: a late answer would count for the next message.
 */
import { closeFds, type NetnsRef, type SeqpacketConnection } from '../../core/net/index.ts';
import {
  decodeHello,
  decodeResponse,
  encodeRequest,
  type WorkloadInfo,
  type ZdsRequest,
} from '../../core/zds/index.ts';
import { MeshError } from '../../mesh/index.ts';

export type ZdsWorkload = { readonly uid: string; readonly info: WorkloadInfo; readonly netns: NetnsRef | undefined };

export type ZdsConnectionOptions = {
  readonly connection: SeqpacketConnection;
  /** Everything that is enrolled at the moment it is asked. */
  readonly snapshot: () => readonly ZdsWorkload[];
  readonly onSnapshot: () => void;
  readonly onNack: (uid: string, error: string) => void;
  readonly deadlineMs: number;
};

/** cni.md 1.5: the hello, each write and each answer have 5 s. */
export const ZDS_DEADLINE_MS = 5_000;
/** Updates that wait for a proxy; more than that, and it is not keeping up. */
const MAX_QUEUED = 100;

type Update = {
  readonly request: ZdsRequest;
  readonly netns: NetnsRef | undefined;
  readonly done: PromiseWithResolvers<string>;
};

export class ZdsConnection {
  readonly #o: ZdsConnectionOptions;
  readonly #queue: Update[] = [];
  readonly #acknowledged = new Set<string>();
  readonly #abort = new AbortController();
  #wake: (() => void) | undefined;
  #answer: PromiseWithResolvers<Uint8Array> | undefined;

  constructor(options: ZdsConnectionOptions) {
    this.#o = options;
    this.#abort.signal.addEventListener('abort', () => this.#wake?.(), { once: true });
  }

  get peerPid(): number {
    return this.#o.connection.peer.pid;
  }

  /** Serves the connection until it ends; resolves with why. Whoever waits for an update by then is told. */
  async run(): Promise<Error> {
    try {
      await this.#hello();
      const reading = this.#read();
      reading.catch((error) => this.#abort.abort(error));
      await this.#sendSnapshot();
      this.#o.onSnapshot();
      await this.#sendUpdates();
      throw new MeshError('ZDS_CLOSED', 'the connection was closed');
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error));
      this.#abort.abort(reason);
      this.#answer?.reject(reason);
      this.#o.connection[Symbol.dispose]();
      for (const { done, netns } of this.#queue.splice(0)) {
        netns?.[Symbol.dispose]();
        done.reject(reason);
      }
      return reason;
    }
  }

  /** Ends the connection from outside. */
  close(reason: Error): void {
    this.#abort.abort(reason);
    this.#o.connection[Symbol.dispose]();
  }

  /**
   * Sends an update in its turn, after the snapshot. Resolves with the proxy's error text, empty for success.
   * Rejects when the connection ends before the answer.
   */
  send(request: ZdsRequest, netns?: NetnsRef): Promise<string> {
    if (this.#abort.signal.aborted) return Promise.reject(this.#abort.signal.reason);
    if (this.#queue.length >= MAX_QUEUED) {
      return Promise.reject(new MeshError('ZDS_QUEUE_FULL', `${MAX_QUEUED} updates wait for the ztunnel already`));
    }
    const done = Promise.withResolvers<string>();
    // Its own descriptor: the pod may be un-enrolled, and its handle closed, before the turn comes.
    this.#queue.push({ request, netns: netns?.clone(), done });
    this.#wake?.();
    return done.promise;
  }

  /** Whether the proxy has said yes to this workload on this connection. */
  has(uid: string): boolean {
    return this.#acknowledged.has(uid);
  }

  async #hello(): Promise<void> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(this.#o.deadlineMs)]);
    const got = await this.#o.connection.receive(signal).catch((cause) => {
      throw new MeshError('ZDS_NO_HELLO', `no hello in ${this.#o.deadlineMs} ms`, { cause });
    });
    if (got === undefined) throw new MeshError('ZDS_CLOSED', 'the peer left before its hello');
    if (got.fds.length > 0) throw this.#unexpectedFds(got.fds);
    decodeHello(got.packet);
  }

  async #sendSnapshot(): Promise<void> {
    for (const { uid, info, netns } of this.#o.snapshot()) {
      const request: ZdsRequest = netns ? { kind: 'add', uid, info } : { kind: 'keep', uid };
      using copy = netns?.clone();
      const error = await this.#exchange(request, copy);
      if (error !== '') this.#o.onNack(uid, error);
    }
    await this.#exchange({ kind: 'snapshotSent' });
  }

  async #sendUpdates(): Promise<void> {
    for (;;) {
      this.#abort.signal.throwIfAborted();
      const next = this.#queue[0];
      if (next === undefined) {
        await this.#somethingToDo();
        continue;
      }
      try {
        next.done.resolve(await this.#exchange(next.request, next.netns));
      } catch (error) {
        next.done.reject(error);
        throw error;
      } finally {
        next.netns?.[Symbol.dispose]();
        this.#queue.shift();
      }
    }
  }

  async #somethingToDo(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
  }

  /** One message and its answer. */
  async #exchange(request: ZdsRequest, netns?: NetnsRef): Promise<string> {
    this.#abort.signal.throwIfAborted();
    const answer = Promise.withResolvers<Uint8Array>();
    answer.promise.catch(() => {}); // awaited below, unless sending fails first
    this.#answer = answer;
    const timer = setTimeout(() => {
      this.close(new MeshError('ZDS_NO_ACK', `no answer to ${request.kind} in ${this.#o.deadlineMs} ms`));
    }, this.#o.deadlineMs);
    const onAbort = () => answer.reject(this.#abort.signal.reason);
    this.#abort.signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#o.connection.send(encodeRequest(request), netns ? [netns.fd] : []), answer.promise]);
      const { error } = decodeResponse(await answer.promise);
      if (request.kind === 'add' && error === '') this.#acknowledged.add(request.uid);
      if (request.kind === 'del') this.#acknowledged.delete(request.uid);
      return error;
    } finally {
      clearTimeout(timer);
      this.#abort.signal.removeEventListener('abort', onAbort);
      this.#answer = undefined;
    }
  }

  /** Everything the proxy says after its hello is an answer; it has nothing to say unasked. */
  async #read(): Promise<never> {
    for (;;) {
      const got = await this.#o.connection.receive(this.#abort.signal);
      if (got === undefined) throw new MeshError('ZDS_CLOSED', 'the ztunnel has left');
      if (got.fds.length > 0) throw this.#unexpectedFds(got.fds);
      const waiting = this.#answer;
      if (waiting === undefined) throw new MeshError('ZDS_PROTOCOL', 'the ztunnel sent a message that answers nothing');
      this.#answer = undefined;
      waiting.resolve(got.packet);
    }
  }

  #unexpectedFds(fds: readonly number[]): MeshError {
    closeFds(fds);
    return new MeshError('ZDS_PROTOCOL', 'the ztunnel sent a descriptor');
  }
}
