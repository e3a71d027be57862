/** SOCK_SEQPACKET over UNIX sockets, with descriptors: what carries ZDS. One packet is one message. */
import { chmodSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import { MAX_PACKET_FDS, Message } from './message.ts';
import { encodeUnixSockaddr } from './sockaddr.ts';
import { fdOf } from './socket-options.ts';
import { DISCONNECT, READABLE, Watch, WRITABLE } from './watch.ts';

/** Both ends of ZDS read into 1024 bytes and refuse what is longer (cni.md 1.5). */
export const MAX_PACKET_BYTES = 1024;

export type Peer = { readonly pid: number; readonly uid: number; readonly gid: number };
/** `fds` belong to the receiver, who closes every one. */
export type Packet = { readonly packet: Uint8Array; readonly fds: readonly number[] };

/** Closes descriptors that came with a packet and are not wanted. */
export function closeFds(fds: readonly number[]): void {
  for (const fd of fds) k.sys.close(fd);
}

function packetSocket(purpose: string): number {
  return must(k.sys.socket(k.AF_UNIX, k.SOCK_SEQPACKET | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', purpose);
}

/** One end of a connection. Owns its descriptor; disposing ends whatever waits, with an ECONNABORTED. */
export class SeqpacketConnection implements Disposable {
  /** Who is at the other end, as the kernel says. */
  readonly peer: Peer;
  /** Resolves when the peer has gone or this end was disposed; packets that came before can still be received. */
  readonly closed: Promise<void>;
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #message = new Message(MAX_PACKET_BYTES);
  readonly #markClosed: () => void;
  #peerGone = false;
  #disposed = false;
  #sending: Promise<void> = Promise.resolve();
  #readable: PromiseWithResolvers<void> | undefined;
  #writable: PromiseWithResolvers<void> | undefined;

  /** Takes the descriptor over, also when it throws: it is closed then. */
  constructor(fd: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#markClosed = resolve;
    this.#fd = fd;
    try {
      this.peer = peerOf(fd);
      this.#watch = new Watch(fd, {
        ready: (status, events) => this.#ready(status, events),
        failed: (error) => this.#fail(error),
      });
      this.#rewatch();
    } catch (error) {
      k.sys.close(fd);
      throw error;
    }
  }

  /** @throws KernelError ENOENT or ECONNREFUSED when nobody listens there. */
  static async connect(path: string): Promise<SeqpacketConnection> {
    const address = encodeUnixSockaddr(path);
    const fd = packetSocket(`connect to ${path}`);
    const result = k.sys.connect(fd, address); // on a UNIX socket it never waits: a full backlog is EAGAIN
    if (result < 0) k.sys.close(fd);
    must(result, 'connect', path);
    return new SeqpacketConnection(fd);
  }

  /**
   * Sends one packet, in the order of calls, waiting for room. The descriptors stay the caller's.
   * @throws KernelError EMSGSIZE for none or more than 1024 bytes, EPIPE when the peer has gone.
   */
  send(packet: Uint8Array, fds: readonly number[] = []): Promise<void> {
    if (packet.length === 0 || packet.length > MAX_PACKET_BYTES) {
      // an empty packet would read as the end of the stream
      const size = `a packet has 1 to ${MAX_PACKET_BYTES} bytes, not ${packet.length}`;
      return Promise.reject(new KernelError('EMSGSIZE', 'sendmsg', size));
    }
    if (fds.length > MAX_PACKET_FDS) {
      const count = `a packet carries at most ${MAX_PACKET_FDS} descriptors, not ${fds.length}`;
      return Promise.reject(new KernelError('EMSGSIZE', 'sendmsg', count));
    }
    const sent = this.#sending.then(() => this.#sendNow(packet, fds));
    this.#sending = sent.catch(() => {}); // this failure is the caller's; the next packet meets its own
    return sent;
  }

  async #sendNow(packet: Uint8Array, fds: readonly number[]): Promise<void> {
    for (;;) {
      this.#throwIfDisposed('sendmsg');
      const result = this.#message.send(this.#fd, packet, fds);
      if (result === -k.EINTR) continue;
      if (result !== -k.EAGAIN) return void must(result, 'sendmsg', 'send a packet');
      this.#writable ??= Promise.withResolvers<void>();
      this.#rewatch();
      await this.#writable.promise;
    }
  }

  /**
   * The next packet, or undefined when the peer has ended. One caller at a time.
   * @throws KernelError EMSGSIZE when packet or descriptors were truncated (they are closed); the signal's reason.
   */
  async receive(signal?: AbortSignal): Promise<Packet | undefined> {
    if (this.#readable) throw new KernelError('EBUSY', 'recvmsg', 'somebody else is receiving already');
    for (;;) {
      signal?.throwIfAborted();
      this.#throwIfDisposed('recvmsg');
      const got = this.#message.receive(this.#fd);
      if (got === -k.EINTR) continue;
      if (got !== -k.EAGAIN) return this.#accept(got);
      await this.#untilReadable(signal);
    }
  }

  #accept(got: ReturnType<Message['receive']>): Packet | undefined {
    if (typeof got === 'number') {
      must(got, 'recvmsg', 'receive a packet');
      return undefined;
    }
    if (got.truncated) {
      closeFds(got.fds);
      throw new KernelError(
        'EMSGSIZE',
        'recvmsg',
        `a packet of more than ${MAX_PACKET_BYTES} bytes or ${MAX_PACKET_FDS} descriptors`,
      );
    }
    if (got.packet.length === 0) {
      closeFds(got.fds);
      this.#gone();
      return undefined;
    }
    return { packet: got.packet, fds: got.fds };
  }

  async #untilReadable(signal?: AbortSignal): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    this.#readable = waiting;
    const onAbort = () => waiting.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      this.#rewatch();
      await waiting.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#readable = undefined;
      this.#rewatch();
    }
  }

  #ready(status: number, events: number): void {
    // A broken descriptor wakes both: the call they repeat then says what is wrong.
    if (status < 0 || events & DISCONNECT) this.#gone();
    if (status < 0 || events & (READABLE | DISCONNECT)) this.#readable?.resolve();
    if (status < 0 || events & (WRITABLE | DISCONNECT)) {
      this.#writable?.resolve();
      this.#writable = undefined;
    }
    this.#rewatch();
  }

  /** Waits for what somebody asked for, and always for the peer's leaving, until it has left. */
  #rewatch(): void {
    if (this.#disposed) return;
    const waiting = (this.#readable ? READABLE : 0) | (this.#writable ? WRITABLE : 0);
    this.#watch.want(waiting | (this.#peerGone ? 0 : DISCONNECT));
  }

  #gone(): void {
    this.#peerGone = true;
    this.#markClosed();
  }

  #fail(error: unknown): void {
    this.#readable?.reject(error);
    this.#writable?.reject(error);
    this[Symbol.dispose]();
  }

  #throwIfDisposed(syscall: string): void {
    if (this.#disposed) throw new KernelError('ECONNABORTED', syscall, 'the connection was closed on this side');
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#watch[Symbol.dispose](); // before the descriptor: its number may be another's at once
    k.sys.close(this.#fd);
    this.#readable?.resolve(); // they look again and find it disposed
    this.#writable?.resolve();
    this.#gone();
  }
}

function peerOf(fd: number): Peer {
  const credentials = Buffer.alloc(12); // struct ucred
  must(k.sys.getsockopt(fd, k.SOL_SOCKET, k.SO_PEERCRED, credentials, k.int(12)), 'getsockopt', 'SO_PEERCRED');
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
}

/** Who connected to (or serves) a UNIX socket of Node's; undefined when it is closed already. @throws KernelError */
export function peerOfSocket(socket: Socket): Peer | undefined {
  const fd = fdOf(socket);
  return fd === undefined ? undefined : peerOf(fd);
}

/** Connections waiting to be accepted. */
const BACKLOG = 16;

/** Accepts SEQPACKET connections on a path. Disposing stops accepting; connections are their receivers' to close. */
export class SeqpacketServer implements AsyncDisposable {
  readonly path: string;
  readonly #fd: number;
  readonly #watch: Watch;
  #disposed = false;
  #onConnection: ((connection: SeqpacketConnection) => void) | undefined;
  #onError: (error: unknown) => void = (error) => {
    throw error;
  };

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
    this.#watch = new Watch(fd, { ready: () => this.#accept(), failed: (error) => this.#onError(error) });
  }

  /**
   * Listens on a path, in place of whatever socket was left there, with a mode that holds before anybody can connect.
   * Connections wait until `onConnection` says who takes them.
   * @throws KernelError
   */
  static listen(path: string, mode = 0o600): SeqpacketServer {
    const address = encodeUnixSockaddr(path);
    rmSync(path, { force: true });
    const fd = packetSocket(`listen on ${path}`);
    try {
      must(k.sys.bind(fd, address), 'bind', path);
      chmodSync(path, mode);
      must(k.sys.listen(fd, BACKLOG), 'listen', path);
      return new SeqpacketServer(path, fd);
    } catch (error) {
      k.sys.close(fd);
      throw error;
    }
  }

  /** Starts to accept. `onError` hears of an accept that failed or of a callback that threw. */
  onConnection(take: (connection: SeqpacketConnection) => void, onError?: (error: unknown) => void): void {
    this.#onConnection = take;
    if (onError) this.#onError = onError;
    if (!this.#disposed) this.#watch.want(READABLE);
  }

  /** One connection for each turn of the loop: a peer that connects in a tight loop does not keep others waiting. */
  #accept(): void {
    const fd = k.sys.accept(this.#fd);
    if (fd === -k.EAGAIN || fd === -k.EINTR) return;
    must(fd, 'accept', this.path);
    this.#onConnection?.(new SeqpacketConnection(fd));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#watch[Symbol.dispose]();
    k.sys.close(this.#fd);
    rmSync(this.path, { force: true });
  }
}
