/** Network namespaces: a handle on one, and the only way into it. */
import { access, closeSync, constants, fstatSync, openSync, readlinkSync } from 'node:fs';
import { types } from 'node:util';
import { KernelError, must } from './errors.ts';
import { CLONE_NEWNET, NS_GET_NSTYPE, sys } from './kernel.ts';
import { mark, unmark } from './ledger.ts';

// A thread of libuv's pool belongs for good to the namespace in which it was started, and all start with the first piece
// of work. So the first piece of work is given here, before anybody can enter a namespace.
access('/', constants.F_OK, () => {});

const OWN = '/proc/thread-self/ns/net'; // a worker's namespace is its thread's, not the process's

/** The descriptor of the namespace this thread is in at the moment, so that entering may nest. */
let inside: number | undefined;

function hereFd(): number {
  inside ??= mark(openSync(OWN, constants.O_RDONLY));
  return inside;
}

/** A network namespace, held by a descriptor until disposed. Two references are the same by device and inode. */
export class NetnsRef implements Disposable {
  readonly fd: number;
  readonly inode: bigint;
  readonly device: bigint;
  #closed = false;

  private constructor(fd: number) {
    const stat = fstatSync(fd, { bigint: true });
    this.fd = fd;
    this.inode = stat.ino;
    this.device = stat.dev;
  }

  /**
   * Opens a namespace file, such as `/var/run/netns/NAME` or `/proc/PID/ns/net`.
   * @throws KernelError when it can't be opened or is not a network namespace.
   */
  static open(path: string): NetnsRef {
    let fd: number;
    try {
      // O_NONBLOCK: a path from elsewhere may be a FIFO, whose opening would wait for a writer
      fd = mark(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? 'EIO';
      throw new KernelError(code, 'open', `network namespace ${path}`, { cause });
    }
    return NetnsRef.#claim(fd, path);
  }

  /**
   * Takes a descriptor over, also when it throws: it is closed then.
   * @throws KernelError EINVAL when it is not a network namespace.
   */
  static fromFd(fd: number): NetnsRef {
    return NetnsRef.#claim(fd, `descriptor ${fd}`);
  }

  /**
   * A second descriptor for the namespace of one that stays its owner's, who may be another thread.
   * @throws KernelError when it is not a network namespace.
   */
  static duplicate(fd: number): NetnsRef {
    return NetnsRef.fromFd(must(sys.duplicate(fd), 'dup', `network namespace, descriptor ${fd}`));
  }

  /** The namespace of the calling thread. */
  static current(): NetnsRef {
    return NetnsRef.open(OWN);
  }

  static #claim(fd: number, name: string): NetnsRef {
    try {
      // ioctl_ns(2): only a namespace answers, with its CLONE_ flag
      if (sys.ioctl(fd, NS_GET_NSTYPE, null) !== CLONE_NEWNET) {
        throw new KernelError('EINVAL', 'ioctl', `not a network namespace: ${name}`);
      }
      return new NetnsRef(fd);
    } catch (error) {
      unmark(fd);
      closeSync(fd);
      throw error;
    }
  }

  /**
   * Enters the namespace, does one synchronous thing, and comes back. `work` makes raw system calls or starts one
   * process; nothing that waits. If the way back fails the process is aborted: going on in the wrong namespace would
   * send one pod's traffic as another.
   * @throws KernelError when it can't be entered; TypeError when `work` gave a promise.
   */
  run<T>(work: () => T): T {
    if (this.#closed) throw new KernelError('EBADF', 'setns', 'the network namespace was disposed');
    const before = hereFd();
    must(sys.setns(this.fd, CLONE_NEWNET), 'setns', `enter network namespace ${this.inode}`);
    inside = this.fd;
    let result: T;
    try {
      result = work();
    } finally {
      if (sys.setns(before, CLONE_NEWNET) !== 0) process.abort();
      inside = before;
    }
    if (types.isPromise(result)) {
      throw new TypeError('work inside a network namespace must be synchronous');
    }
    return result;
  }

  same(other: { readonly inode: bigint; readonly device: bigint }): boolean {
    return this.inode === other.inode && this.device === other.device;
  }

  /** A second reference with its own descriptor. */
  clone(): NetnsRef {
    if (this.#closed) throw new KernelError('EBADF', 'dup', 'the network namespace was disposed');
    return NetnsRef.duplicate(this.fd);
  }

  toString(): string {
    return this.#closed ? `net:[${this.inode}] (closed)` : readlinkSync(`/proc/self/fd/${this.fd}`);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    unmark(this.fd);
    closeSync(this.fd);
  }
}
