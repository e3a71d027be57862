/** The agent's ZDS server: which node proxies are connected, and who is told what. */

import { dirname } from 'node:path';
import { type NetnsRef, type SeqpacketConnection, SeqpacketServer } from '../../core/net/index.ts';
import type { Logger } from '../../core/telemetry/index.ts';
import { MeshError } from '../../mesh/index.ts';
import { privateFolder } from './private-folder.ts';
import { ZDS_DEADLINE_MS, ZdsConnection, type ZdsWorkload } from './zds-connection.ts';

/** At most five new connections a second (cni.md 1.5), and few that wait for their turn. */
const ACCEPT_INTERVAL_MS = 200;
const MAX_WAITING = 8;

export type ZdsServerOptions = {
  readonly path: string;
  readonly snapshot: () => readonly ZdsWorkload[];
  readonly log: Logger;
  readonly onConnections: (count: number) => void;
  /** A proxy has said what it makes of every pod. */
  readonly onSnapshot?: () => void;
  readonly deadlineMs?: number;
};

export class ZdsServer implements AsyncDisposable {
  readonly #o: ZdsServerOptions;
  readonly #server: SeqpacketServer;
  /** In the order in which they connected: the last one is the one that gets new pods. */
  readonly #connections: ZdsConnection[] = [];
  readonly #running = new Set<Promise<void>>();
  #nextAcceptAtMs = 0;
  #waiting = 0;
  #closed = false;

  /** Listens at once, so that proxies can connect; they are served after `start`. */
  constructor(options: ZdsServerOptions) {
    this.#o = options;
    privateFolder(dirname(options.path));
    this.#server = SeqpacketServer.listen(options.path);
  }

  /** Starts to serve: from now on the snapshot has to be complete. */
  start(): void {
    this.#server.onConnection(
      (connection) => this.#take(connection),
      (error) => this.#o.log.error('cannot accept a ztunnel', { error: String(error) }),
    );
  }

  get connected(): number {
    return this.#connections.length;
  }

  /**
   * Gives a pod to the proxy that connected last.
   * @throws MeshError ZDS_NO_ZTUNNEL, ZDS_NACK with the proxy's words, or why the connection ended. All are worth a retry.
   */
  async add(workload: ZdsWorkload & { readonly netns: NetnsRef }): Promise<void> {
    const current = this.#connections.at(-1);
    if (current === undefined) throw new MeshError('ZDS_NO_ZTUNNEL', 'no ztunnel connection');
    const { uid, info, netns } = workload;
    const error = await current.send({ kind: 'add', uid, info }, netns);
    if (error !== '') throw new MeshError('ZDS_NACK', `the ztunnel refused the pod: ${error}`);
  }

  /**
   * Tells every proxy that a pod is gone. With none connected there is nobody to tell. A proxy's refusal does not count:
   * it has nothing left to refuse.
   */
  async remove(uid: string): Promise<void> {
    const results = await Promise.allSettled(this.#connections.map((c) => c.send({ kind: 'del', uid })));
    // A connection that has ended takes its pods with it: the next snapshot does not name this one.
    const failures = results.filter((result) => result.status === 'rejected').map((result) => result.reason);
    if (failures.length > 0)
      this.#o.log.debug('a ztunnel left while a pod was removed', { uid, count: failures.length });
  }

  #take(connection: SeqpacketConnection): void {
    const { uid, pid } = connection.peer;
    if (uid !== 0) {
      this.#o.log.warn('a connection that is not a ztunnel was refused', { 'peer.uid': uid, 'peer.pid': pid });
      connection[Symbol.dispose]();
      return;
    }
    if (this.#closed || this.#waiting >= MAX_WAITING) {
      connection[Symbol.dispose]();
      return;
    }
    const now = performance.now();
    const at = Math.max(now, this.#nextAcceptAtMs);
    this.#nextAcceptAtMs = at + ACCEPT_INTERVAL_MS;
    if (at === now) {
      this.#serve(connection);
      return;
    }
    this.#waiting += 1;
    setTimeout(() => {
      this.#waiting -= 1;
      if (this.#closed) connection[Symbol.dispose]();
      else this.#serve(connection);
    }, at - now);
  }

  #serve(connection: SeqpacketConnection): void {
    const served = new ZdsConnection({
      connection,
      snapshot: this.#o.snapshot,
      deadlineMs: this.#o.deadlineMs ?? ZDS_DEADLINE_MS,
      onSnapshot: () => this.#o.onSnapshot?.(),
      onNack: (uid, error) => this.#o.log.warn('the ztunnel refused a pod of the snapshot', { uid, error }),
    });
    this.#connections.push(served); // before the hello: updates wait for it rather than go to an older proxy
    this.#changed('a ztunnel connected', served);
    const running = served.run().then((reason) => {
      const wasCurrent = this.#connections.at(-1) === served;
      this.#connections.splice(this.#connections.indexOf(served), 1);
      this.#changed('a ztunnel left', served, reason);
      return wasCurrent ? this.#catchUp() : undefined;
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  /** The proxy that is current again gets what only its successor was told of. */
  async #catchUp(): Promise<void> {
    const current = this.#connections.at(-1);
    if (current === undefined) return;
    for (const { uid, info, netns } of this.#o.snapshot()) {
      if (netns === undefined || current.has(uid)) continue;
      try {
        const error = await current.send({ kind: 'add', uid, info }, netns);
        if (error !== '') this.#o.log.warn('the ztunnel refused a pod', { uid, error });
      } catch (error) {
        this.#o.log.warn('a pod could not be handed to the ztunnel', { uid, error: String(error) });
        return; // this one has left too: whoever is current then catches up by itself
      }
    }
  }

  #changed(message: string, connection: ZdsConnection, reason?: Error): void {
    this.#o.onConnections(this.#connections.length);
    const fields = { 'peer.pid': connection.peerPid, connected: this.#connections.length };
    this.#o.log.info(message, reason === undefined ? fields : { ...fields, because: reason.message });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#server[Symbol.asyncDispose]();
    const reason = new MeshError('ZDS_CLOSED', 'the agent is shutting down');
    for (const connection of [...this.#connections]) connection.close(reason);
    await Promise.all(this.#running);
  }
}
