/** The descriptor under a Node socket, taken over to be read and written without Node. */
import type { Socket } from 'node:net';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import { fdOf, setLingerZero, stopReading } from './socket-options.ts';

/**
 * A connection with a descriptor of our own. The Node socket stays open, unread, and shares its fate: whoever destroys it
 * ends this connection (`onGone`), and its `close` tells those who count sockets. libuv refuses to watch one descriptor
 * twice, hence the duplicate.
 */
export class RawSocket {
  readonly fd: number;
  readonly #socket: Socket;
  readonly #onGone: () => void;
  #isClosed = false;

  /** @throws KernelError when the socket is closed, or Node has already read from it. */
  constructor(socket: Socket, onGone: () => void) {
    const under = fdOf(socket);
    if (under === undefined) throw new KernelError('EBADF', 'fcntl', 'take over a closed socket');
    stopReading(socket);
    if (socket.readableLength > 0) throw new KernelError('EBUSY', 'fcntl', 'take over a socket that was read from');
    this.fd = must(k.sys.duplicate(under), 'fcntl', 'take over a socket');
    this.#socket = socket;
    this.#onGone = onGone;
    socket.once('close', onGone);
  }

  /** No more bytes from us. */
  shutdown(): void {
    if (!this.#isClosed) k.sys.shutdown(this.fd, k.SHUT_WR); // fails only when the connection is over
  }

  /** Closes both descriptors. `reset`: the peer sees RST. */
  close(how: 'reset' | 'close'): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.off('close', this.#onGone);
    if (how === 'reset') setLingerZero(this.fd);
    k.sys.close(this.fd);
    this.#socket.destroy();
  }
}
