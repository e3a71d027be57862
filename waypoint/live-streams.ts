/** All that is open, so that it can be judged again, drained and cut. */
import type { ServerConnection } from '../core/http/index.ts';
import type { SpiffeId } from '../mesh/index.ts';
import type { TcpVerdict } from './chains.ts';

/** A connection that is carried as it is. */
export type LiveTcp = {
  /** Why policies of now do not let it go on; undefined: they do. */
  readonly denial: () => TcpVerdict | undefined;
  /** `denied` undefined: its time is over. */
  readonly cut: (denied?: TcpVerdict) => void;
};

export class LiveStreams {
  /** And who calls. */
  readonly #http = new Map<ServerConnection, SpiffeId>();
  readonly #tcp = new Set<LiveTcp>();
  #isDraining = false;
  #emptied: (() => void) | undefined;

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get size(): number {
    return this.#http.size + this.#tcp.size;
  }

  add(connection: ServerConnection, caller: SpiffeId): void {
    this.#http.set(connection, caller);
    if (this.#isDraining) connection.drain();
    void connection.closed.then(() => {
      this.#http.delete(connection);
      this.#looked();
    });
  }

  /** Disposing says that it has ended. */
  addTcp(live: LiveTcp): Disposable {
    this.#tcp.add(live);
    return {
      [Symbol.dispose]: () => {
        this.#tcp.delete(live);
        this.#looked();
      },
    };
  }

  /** Policies have changed, or the trust domains that callers may be of. (Requests under way are in another list.) */
  reevaluate(isTrusted: (caller: SpiffeId) => boolean): void {
    for (const [connection, caller] of [...this.#http]) if (!isTrusted(caller)) connection.cut();
    for (const live of [...this.#tcp]) {
      const denied = live.denial();
      if (denied !== undefined) live.cut(denied);
    }
  }

  /** Nothing new; what is under way has until the deadline, and is cut then. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    for (const connection of [...this.#http.keys()]) connection.drain();
    if (this.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    const timer = setTimeout(resolve, deadlineMs);
    await promise;
    clearTimeout(timer);
    for (const connection of [...this.#http.keys()]) connection.cut();
    for (const live of [...this.#tcp]) live.cut();
  }

  #looked(): void {
    if (this.size === 0) this.#emptied?.();
  }
}
