/** Kernel pipes through which bytes go from one socket to another without coming by here (splice(2)). */
import { addressOf, EAGAIN, EINTR, F_SETPIPE_SZ, sys } from './kernel.ts';

/** What may wait in a pipe: as much as in a relay's own memory. The kernel holds it in the pages in which it came. */
export const PIPE_BYTES = 512 * 1024;
/** A pipe's places take a page each, or what lies together in one piece of a packet; there are more places than are filled. */
const CAPACITY_BYTES = 1024 * 1024;
/** Unused ones that are kept: one is in use for as long as its bytes wait, so most of the time none is. */
const MAX_SPARE = 2;

const spare: Pipe[] = [];
const ends = Buffer.alloc(64);
const endsAddress = addressOf(ends);

/** Empty when taken. Whoever has it gives it back, or disposes of it with what it holds. */
export class Pipe {
  readonly #out: number;
  readonly #in: number;
  #bytes = 0;

  private constructor(out: number, into: number) {
    this.#out = out;
    this.#in = into;
  }

  /** Undefined when there are no descriptors left. */
  static take(): Pipe | undefined {
    const known = spare.pop();
    if (known !== undefined) return known;
    if (sys.pipe(ends, endsAddress) < 0) return undefined;
    const pipe = new Pipe(ends.readInt32LE(0), ends.readInt32LE(4));
    sys.fcntl(pipe.#in, F_SETPIPE_SZ, CAPACITY_BYTES); // refused, it is 64 KB large, and slower
    return pipe;
  }

  /** What waits in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes in what a socket has; says how much, 0 at its end, or minus the errno. */
  fill(socket: number): number {
    const n = sys.splice(socket, this.#in, PIPE_BYTES - this.#bytes);
    if (n > 0) this.#bytes += n;
    return n;
  }

  /** Passes on what a socket takes; says how much, or minus the errno. */
  drain(socket: number): number {
    const n = sys.splice(this.#out, socket, this.#bytes);
    if (n > 0) this.#bytes -= n;
    return n === -EAGAIN || n === -EINTR ? 0 : n;
  }

  /** The caller must not use it any more. */
  giveBack(): void {
    if (this.#bytes > 0 || spare.length >= MAX_SPARE) this[Symbol.dispose]();
    else spare.push(this);
  }

  [Symbol.dispose](): void {
    sys.close(this.#in);
    sys.close(this.#out);
  }
}
