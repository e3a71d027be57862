/** The CNI agent's end of ZDS, one message at a time: each is answered before the next is sent. */
import type { NetnsRef } from '../../../core/net/index.ts';
import { closeFds, type SeqpacketConnection, SeqpacketServer } from '../../../core/net/index.ts';
import {
  decodeHello,
  decodeResponse,
  encodeRequest,
  type WorkloadInfo,
  type ZdsRequest,
} from '../../../core/zds/index.ts';

const ANSWER_DEADLINE_MS = 5_000; // cni.md 1.5
/** A ztunnel comes only after its first complete configuration; one in TypeScript also has to start. */
const CONNECT_DEADLINE_MS = 15_000;

/** A pod as the agent tells of it. */
export type AgentPod = { readonly uid: string; readonly info: WorkloadInfo; readonly netns: NetnsRef };

export class ZdsAgent implements AsyncDisposable {
  readonly path: string;
  readonly #server: SeqpacketServer;
  readonly #arrived: SeqpacketConnection[] = [];
  readonly #links = new Set<AgentLink>();
  #wake: (() => void) | undefined;

  constructor(path: string) {
    this.path = path;
    this.#server = SeqpacketServer.listen(path);
    this.#server.onConnection((connection) => {
      this.#arrived.push(connection);
      this.#wake?.();
    });
  }

  /** The next ztunnel that connects and says hello. */
  async link(deadlineMs = CONNECT_DEADLINE_MS): Promise<AgentLink> {
    const signal = AbortSignal.timeout(deadlineMs);
    while (this.#arrived.length === 0) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      signal.addEventListener('abort', () => reject(new Error(`no ztunnel has connected to ${this.path}`)), {
        once: true,
      });
      await promise;
    }
    const connection = this.#arrived.shift() as SeqpacketConnection;
    const hello = await connection.receive(signal);
    if (hello === undefined) throw new Error('the ztunnel left without a word');
    decodeHello(hello.packet);
    const link = new AgentLink(connection);
    this.#links.add(link);
    return link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.close();
    for (const connection of this.#arrived) connection[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

export class AgentLink {
  readonly #connection: SeqpacketConnection;

  constructor(connection: SeqpacketConnection) {
    this.#connection = connection;
  }

  /** Resolves when the ztunnel has hung up. */
  get closed(): Promise<void> {
    return this.#connection.closed;
  }

  /** Rejects with the ztunnel's words when it refuses. */
  add(pod: AgentPod): Promise<void> {
    return this.#tell({ kind: 'add', uid: pod.uid, info: pod.info }, [pod.netns.fd]);
  }

  del(uid: string): Promise<void> {
    return this.#tell({ kind: 'del', uid });
  }

  keep(uid: string): Promise<void> {
    return this.#tell({ kind: 'keep', uid });
  }

  snapshotSent(): Promise<void> {
    return this.#tell({ kind: 'snapshotSent' });
  }

  async snapshot(pods: Iterable<AgentPod>): Promise<void> {
    for (const pod of pods) await this.add(pod);
    await this.snapshotSent();
  }

  /** Sends whatever bytes and gives the error text of the answer: empty when it was accepted, undefined when the ztunnel left. */
  async raw(packet: Uint8Array, fds: readonly number[] = []): Promise<string | undefined> {
    await this.#connection.send(packet, fds);
    const answer = await this.#connection.receive(AbortSignal.timeout(ANSWER_DEADLINE_MS));
    if (answer === undefined) return undefined;
    closeFds(answer.fds);
    return decodeResponse(answer.packet).error;
  }

  async #tell(request: ZdsRequest, fds: readonly number[] = []): Promise<void> {
    const error = await this.raw(encodeRequest(request), fds);
    if (error !== '') throw new Error(`${request.kind}: ${error ?? 'the ztunnel hung up'}`);
  }

  close(): void {
    this.#connection[Symbol.dispose]();
  }
}
