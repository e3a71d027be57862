/** Accepting connections without Node. */
import * as k from './kernel.ts';
import { LISTEN_BACKLOG } from './listen.ts';
import { leaveToSuccessor } from './reuse-port.ts';
import { decodeSockaddr, SOCKADDR_BYTES } from './sockaddr.ts';
import { TcpConnection } from './tcp-connection.ts';
import { READABLE, Watch } from './watch.ts';

export type AcceptOptions = {
  /** Accepted in one turn of the loop; the rest waits in the kernel, behind everybody else. */
  readonly perTurn: number;
  /** The process has no descriptors left, or the listener is broken. */
  readonly onError: (error: Error) => void;
};

/** How long a listener rests when there is no descriptor for what waits. */
const REST_MS = 100;
const OUT_OF_MEANS: ReadonlySet<number> = new Set([k.EMFILE, k.ENFILE, k.ENOBUFS, k.ENOMEM]);

const from = Buffer.alloc(SOCKADDR_BYTES);
const fromLength = Buffer.alloc(4);
const [fromAddress, fromLengthAddress] = [k.addressOf(from), k.addressOf(fromLength)];

/**
 * Serves a listening, non-blocking descriptor and owns it from now on. What it accepts is non-blocking; options such as
 * TCP_NODELAY, keepalive and marks are inherited from the listening socket, where they are set once.
 */
export class TcpListener implements Disposable {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #options: AcceptOptions;
  readonly #serve: (connection: TcpConnection) => void;
  #rest: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @throws KernelError when it can't be watched; the descriptor is closed then. */
  constructor(fd: number, serve: (connection: TcpConnection) => void, options: AcceptOptions) {
    this.#fd = fd;
    this.#serve = serve;
    this.#options = options;
    try {
      this.#watch = new Watch(fd, {
        ready: () => this.#accept(options.perTurn),
        failed: (error) => {
          throw error; // the bug of who serves: an uncaught exception
        },
      });
    } catch (error) {
      k.sys.close(fd);
      throw error;
    }
    this.#watch.want(READABLE);
  }

  /**
   * Leaves what is new to a successor that listens on the port already (SO_REUSEPORT). Call `finish` HAND_OVER_MS later:
   * what was half open here has come by then, and no connection is lost. Alone on the port it goes on as before.
   */
  leave(): void {
    if (this.#isClosed) return;
    try {
      leaveToSuccessor(this.#fd);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#options.onError(new Error(`connections may be reset as the port is left: ${why}`));
    }
  }

  /** Serves what waits in the kernel already, then closes; what is completed between the two is reset. */
  finish(): void {
    this.#accept(LISTEN_BACKLOG);
    this[Symbol.dispose]();
  }

  /** Nothing new from here on; what waits in the kernel is reset. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#rest);
    this.#watch[Symbol.dispose]();
    k.sys.close(this.#fd);
  }

  #accept(atMost: number): void {
    for (let i = 0; i < atMost && !this.#isClosed; i++) {
      fromLength.writeInt32LE(SOCKADDR_BYTES);
      const fd = k.sys.accept(this.#fd, fromAddress, fromLengthAddress);
      if (fd < 0) {
        if (OUT_OF_MEANS.has(-fd)) this.#restAWhile(-fd);
        return; // nobody waits, or who waited has left
      }
      const remote = decodeSockaddr(from);
      if (remote === undefined) k.sys.close(fd);
      else this.#serve(new TcpConnection(fd, remote));
    }
  }

  #restAWhile(errno: number): void {
    this.#options.onError(new Error(`cannot accept: ${errno === k.EMFILE ? 'EMFILE' : `errno ${errno}`}`));
    this.#watch.want(0);
    this.#rest = setTimeout(() => this.#watch.want(READABLE), REST_MS);
  }
}
