/** UDP sockets on raw descriptors: made inside a network namespace, read and written outside of it. */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import { incoming, MAX_DATAGRAM_BYTES, outgoing } from './datagram.ts';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import { localAddress } from './listen.ts';
import type { NetnsRef } from './netns.ts';
import { decodeSockaddr, encodeSockaddr, type IpPort } from './sockaddr.ts';
import { setOption } from './socket-options.ts';
import { READABLE, Watch } from './watch.ts';

export type UdpOptions = {
  readonly netns?: NetnsRef;
  /** SO_MARK. */
  readonly mark?: number;
  /** Two processes may be bound at once: one generation takes over from another. */
  readonly reusePort?: boolean;
} & (
  | { readonly bind: IpPort }
  /** Only this peer is heard, from a port that the kernel picks at random; that it refuses shows as a failure. */
  | { readonly connect: IpPort }
);

/**
 * Makes a bound or connected, non-blocking descriptor that children do not inherit. The caller owns it (usually `UdpSocket`
 * takes it). An IPv6 socket does not serve IPv4.
 * @throws KernelError
 */
export function openUdp(options: UdpOptions): number {
  return options.netns ? options.netns.run(() => openHere(options)) : openHere(options);
}

function openHere(o: UdpOptions): number {
  const at = 'bind' in o ? o.bind : o.connect;
  const { family, bytes } = encodeSockaddr(at);
  const name = `${'bind' in o ? 'listen on' : 'send to'} ${at.ip} port ${at.port} (UDP)`;
  const fd = must(k.sys.socket(family, k.SOCK_DGRAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', name);
  try {
    if (o.mark !== undefined) setOption(fd, k.SOL_SOCKET, k.SO_MARK, o.mark, 'SO_MARK');
    if (o.reusePort) setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1, 'SO_REUSEPORT');
    if (family === k.AF_INET6) setOption(fd, k.SOL_IPV6, k.IPV6_V6ONLY, 1, 'IPV6_V6ONLY');
    if ('bind' in o) must(k.sys.bind(fd, bytes), 'bind', name);
    else must(k.sys.connect(fd, bytes), 'connect', name);
    return fd;
  } catch (error) {
    k.sys.close(fd);
    throw error;
  }
}

/** The other end of a datagram, as the kernel wrote it: with the scope of a link-local address. */
export class UdpPeer {
  readonly sockaddr: Buffer;

  constructor(sockaddr: Buffer) {
    this.sockaddr = sockaddr;
  }

  get address(): IpPort | undefined {
    return decodeSockaddr(this.sockaddr);
  }
}

export type UdpEvents = {
  /** Valid only during the call; `from` may be kept. */
  datagram(view: Buffer, from: UdpPeer): void;
  /** The kernel reports an error: of a connected socket that nobody is there (ECONNREFUSED). Nothing was closed. */
  failed(error: KernelError): void;
};

export type UdpReadOptions = {
  /** Datagrams taken in one turn of the loop; the rest waits in the kernel, behind everybody else. */
  readonly perTurn: number;
};

/** More than a receive buffer of the usual size holds: what `finish` takes at most. */
const LAST_DATAGRAMS = 4_096;

/** One descriptor and its owner. Reads from the start. */
export class UdpSocket implements Disposable {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #events: UdpEvents;
  #isClosed = false;

  /**
   * Takes the descriptor over, also when it throws: it is closed then.
   * @throws KernelError when it can't be watched.
   */
  constructor(fd: number, events: UdpEvents, options: UdpReadOptions) {
    this.#fd = fd;
    this.#events = events;
    try {
      this.#watch = new Watch(fd, {
        ready: (status) => this.#ready(status, options.perTurn),
        failed: (error) => {
          throw error; // the bug of who reads: an uncaught exception
        },
      });
      this.#watch.want(READABLE);
    } catch (error) {
      k.sys.close(fd);
      throw error;
    }
  }

  /**
   * Sends one datagram, to `to` or where the socket is connected to. False: it is lost, since there is no room, it is too
   * long, or an error of an earlier one was waiting; UDP promises no more, and who needs an answer asks again.
   */
  send(view: Uint8Array, to?: UdpPeer): boolean {
    if (this.#isClosed || view.length > MAX_DATAGRAM_BYTES) return false;
    return outgoing.send(this.#fd, view, to?.sockaddr) >= 0;
  }

  /**
   * Reads what waits in the kernel already, and nothing after it: whoever is bound to the port beside us takes the rest.
   * Answers can still be sent.
   */
  finish(): void {
    if (this.#isClosed) return;
    this.#watch.want(0);
    this.#read(LAST_DATAGRAMS);
    if (this.#isClosed) return;
    // A connected socket hears its peer alone (ip(7)), and may send anywhere. Its peer is itself, and it does not talk to itself.
    const own = localAddress(this.#fd);
    if (own !== undefined) k.sys.connect(this.#fd, encodeSockaddr(own).bytes);
    this.#read(LAST_DATAGRAMS); // what came in between
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch[Symbol.dispose](); // before the descriptor: its number may be another's at once
    k.sys.close(this.#fd);
  }

  #ready(status: number, perTurn: number): void {
    this.#read(perTurn);
    if (status >= 0 || this.#isClosed) return;
    this.#watch.want(0); // libuv has stopped watching: an error waited, and reading took it away
    this.#watch.want(READABLE);
  }

  #read(atMost: number): void {
    for (let i = 0; i < atMost && !this.#isClosed; i += 1) {
      const length = incoming.receive(this.#fd);
      if (length === -k.EAGAIN || length === -k.EINTR) return;
      if (length >= 0) this.#events.datagram(incoming.bytes(length), new UdpPeer(incoming.from()));
      else this.#events.failed(receiveError(length));
    }
  }
}

function receiveError(result: number): KernelError {
  return new KernelError(getSystemErrorName(result), 'recvmsg', getSystemErrorMessage(result));
}
