/** Every socket that a pod's listeners accepted and that is not closed yet. */
import type { Socket } from 'node:net';
import type { ConnectionObserver, Reporter } from './observer.ts';

export class OpenSockets {
  readonly #observe: ConnectionObserver;
  readonly #open = new Set<Socket>();
  #onEmpty: (() => void) | undefined;

  constructor(observe: ConnectionObserver) {
    this.#observe = observe;
  }

  /** Counts the socket until it closes, and makes it safe to hold. */
  add(socket: Socket, reporter: Reporter): void {
    socket.on('error', () => {}); // `close` follows; the leg or the dropped connection says what it means
    this.#open.add(socket);
    this.#observe.socketAccepted(reporter);
    socket.once('close', () => {
      this.#open.delete(socket);
      this.#observe.socketClosed(reporter);
      if (this.#open.size === 0) this.#onEmpty?.();
    });
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
