/** Every connection that a pod's listeners accepted and that is not closed yet. */
import type { TcpConnection } from '../../core/net/index.ts';
import type { ConnectionObserver, Reporter } from './observer.ts';

export class OpenSockets {
  readonly #observe: ConnectionObserver;
  readonly #max: number;
  readonly #open = new Set<TcpConnection>();
  #isFull = false;
  #onEmpty: (() => void) | undefined;

  constructor(observe: ConnectionObserver, max: number) {
    this.#observe = observe;
    this.#max = max;
  }

  /**
   * Counts the connection until it closes. False: there are too many, and it was reset. All pods share the descriptors of one
   * process; none may take them all.
   */
  add(connection: TcpConnection, reporter: Reporter): boolean {
    if (this.#open.size >= this.#max) {
      if (!this.#isFull)
        this.#observe.warn('a pod has too many connections, further ones are reset', { max: this.#max });
      this.#isFull = true;
      connection.reset();
      return false;
    }
    this.#isFull = false;
    this.#open.add(connection);
    this.#observe.socketAccepted(reporter);
    connection.onClose(() => {
      this.#open.delete(connection);
      this.#observe.socketClosed(reporter);
      if (this.#open.size === 0) this.#onEmpty?.();
    });
    return true;
  }

  /** Closes what is left, and resolves when the last one is closed. */
  async close(): Promise<void> {
    if (this.#open.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    for (const connection of [...this.#open]) connection.close();
    await promise;
  }
}
