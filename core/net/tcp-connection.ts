/** A connected TCP socket that Node does not know of. */
import { Socket } from 'node:net';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import { unmark } from './ledger.ts';
import { decodeSockaddr, type IpPort, SOCKADDR_BYTES } from './sockaddr.ts';
import { fdOf, setLingerZero, stopReading } from './socket-options.ts';
import { Watch, type WatchEvents } from './watch.ts';

/** The first request of most applications. */
const PEEK_BYTES = 8 * 1024;
const peeked = Buffer.alloc(PEEK_BYTES);
const peekedAt = k.addressOf(peeked);

const NOWHERE: IpPort = { ip: '::', port: 0 };

/**
 * One descriptor, its owner, and both its ends. Whoever reads and writes it (`TcpLink`, `TlsLink`, or Node after `toSocket`)
 * closes it; until then nobody learns that the peer has left.
 */
export class TcpConnection {
  readonly fd: number;
  /** The other end. */
  readonly remote: IpPort;
  #local: IpPort | undefined;
  #watch: Watch | undefined;
  #onClose: (() => void)[] = [];
  #isClosed = false;

  /** Takes the descriptor over; it must be connected (or connecting) and non-blocking. */
  constructor(fd: number, remote: IpPort) {
    this.fd = fd;
    this.remote = remote;
  }

  /**
   * Takes the connection of a Node socket that was not read from; the socket is destroyed, the connection lives.
   * @throws KernelError when the socket is closed, or Node has already read from it.
   */
  static adopt(socket: Socket): TcpConnection {
    const under = fdOf(socket);
    if (under === undefined) throw new KernelError('EBADF', 'fcntl', 'take over a closed socket');
    stopReading(socket);
    if (socket.readableLength > 0) throw new KernelError('EBUSY', 'fcntl', 'take over a socket that was read from');
    const fd = must(k.sys.duplicate(under), 'fcntl', 'take over a socket');
    const remote = addressOfSocket(fd, k.sys.getpeername) ?? NOWHERE;
    socket.on('error', () => {});
    socket.destroy();
    return new TcpConnection(fd, remote);
  }

  /** Our end. Of a captured connection: the port of the proxy, not where it was going. */
  get local(): IpPort {
    this.#local ??= addressOfSocket(this.fd, k.sys.getsockname) ?? NOWHERE;
    return this.#local;
  }

  /** Told once, when the descriptor is closed, whoever does it. */
  onClose(listener: () => void): void {
    if (this.#isClosed) queueMicrotask(listener);
    else this.#onClose.push(listener);
  }

  /** Readiness, told to one receiver at a time: the last who asked. The connection ends it when it closes. */
  watch(to: WatchEvents): Watch {
    if (this.#isClosed) throw new KernelError('EBADF', 'uv_poll_init', 'watch a closed connection');
    if (this.#watch === undefined) this.#watch = new Watch(this.fd, to);
    else this.#watch.receiver = to;
    return this.#watch;
  }

  /** What has come and nobody has read, up to PEEK_BYTES of it; valid until the next call for any connection. */
  peek(): Buffer | undefined {
    if (this.#isClosed) return undefined;
    const n = k.sys.peekAt(this.fd, peekedAt, PEEK_BYTES);
    return n > 0 ? peeked.subarray(0, n) : undefined;
  }

  /** Drops as much of what was seen by `peek`. False: not all of it could be dropped, and what comes next is no continuation. */
  skip(bytes: number): boolean {
    return !this.#isClosed && k.sys.skip(this.fd, bytes) === bytes;
  }

  /** No more bytes from us. */
  shutdown(): void {
    if (!this.#isClosed) k.sys.shutdown(this.fd, k.SHUT_WR); // fails only when the connection is over
  }

  /** Closes; what was written still leaves, unless there are unread bytes, which make it a reset. */
  close(): void {
    if (this.#isClosed) return;
    this.#release();
    k.sys.close(this.fd);
    this.#tellClosed();
  }

  /** Closes so that the peer sees RST. */
  reset(): void {
    if (!this.#isClosed) setLingerZero(this.fd);
    this.close();
  }

  /** Hands the connection to Node: paused, half-open allowed unless asked otherwise. It counts as closed when the socket is. */
  toSocket(options: { readonly allowHalfOpen?: boolean } = {}): Socket {
    if (this.#isClosed) throw new KernelError('EBADF', 'fcntl', 'hand over a closed connection');
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    // manualStart: the data must not flow before the caller listens for it
    const init = { readable: true, writable: true, allowHalfOpen: options.allowHalfOpen ?? true, manualStart: true };
    this.#isClosed = true;
    let socket: Socket;
    try {
      socket = new Socket({ fd: this.fd, ...init });
    } catch (error) {
      k.sys.close(this.fd);
      this.#tellClosed();
      throw error;
    }
    unmark(this.fd); // Node closes it when the thread ends
    socket.pause();
    socket.once('close', () => this.#tellClosed());
    return socket;
  }

  #release(): void {
    this.#isClosed = true;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  #tellClosed(): void {
    const listeners = this.#onClose;
    this.#onClose = [];
    for (const listener of listeners) listener();
  }
}

const address = Buffer.alloc(SOCKADDR_BYTES);
const length = Buffer.alloc(4);
const [addressAt, lengthAt] = [k.addressOf(address), k.addressOf(length)];

function addressOfSocket(fd: number, ask: (fd: number, address: bigint, length: bigint) => number): IpPort | undefined {
  length.writeInt32LE(SOCKADDR_BYTES);
  return ask(fd, addressAt, lengthAt) < 0 ? undefined : decodeSockaddr(address);
}
