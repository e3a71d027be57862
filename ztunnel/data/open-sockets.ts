/** Every socket that a pod's listeners accepted and that is not closed yet. */
import type { Socket } from 'node:net';
import { resetSocket } from '../../core/net/index.ts';
import type { ConnectionObserver, Reporter } from './observer.ts';

export class OpenSockets {
  readonly #observe: ConnectionObserver;
  readonly #max: number;
  readonly #open = new Set<Socket>();
  #isFull = false;
  #onEmpty: (() => void) | undefined;

  constructor(observe: ConnectionObserver, max: number) {
    this.#observe = observe;
    this.#max = max;
  }

  /**
   * Counts the socket until it closes, and makes it safe to hold. False: there are too many, and it was reset. All pods share
   * the descriptors of one process; none may take them all.
   */
  add(socket: Socket, reporter: Reporter): boolean {
    socket.on('error', () => {}); // `close` follows; the leg or the dropped connection says what it means
    if (this.#open.size >= this.#max) {
      if (!this.#isFull)
        this.#observe.warn('a pod has too many connections, further ones are reset', { max: this.#max });
      this.#isFull = true;
      resetSocket(socket);
      return false;
    }
    this.#isFull = false;
    this.#open.add(socket);
    this.#observe.socketAccepted(reporter);
    socket.once('close', () => {
      this.#open.delete(socket);
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
    for (const socket of this.#open) socket.destroy();
    await promise;
  }
}
