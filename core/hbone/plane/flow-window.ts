/** How much a peer may send on a stream: little at first, more as the reader shows that it keeps up. */

/** What every stream starts with. With all streams of a connection stalled at it, what they hold stays bounded. */
export const FIRST_WINDOW_BYTES = 256 * 1024;

/** RFC 9113 section 6.9.1 */
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;

/**
 * The window of one stream. It grows, doubling, each time that the reader takes half of it without stopping once; a reader
 * that stops keeps what it has. It never shrinks: what was granted can't be taken back.
 */
export class ReceiveWindow {
  readonly #maxBytes: number;
  #size: number;
  /** What the peer may still send; below 0 it broke its word. */
  #left: number;
  /** Read, and not yet granted again. */
  #uncredited = 0;
  #hasStopped = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#size = Math.min(FIRST_WINDOW_BYTES, maxBytes);
    this.#left = this.#size;
  }

  get size(): number {
    return this.#size;
  }

  /** A frame of so many bytes came. False: more than was granted. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  readerStopped(): void {
    this.#hasStopped = true;
  }

  /** The reader took so many bytes; says how many to grant to the peer now. */
  consumed(bytes: number): number {
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < this.#size) return 0;
    const size = this.#hasStopped ? this.#size : Math.min(this.#size * 2, this.#maxBytes);
    const credit = this.#uncredited + size - this.#size;
    this.#size = size;
    this.#left += credit;
    this.#uncredited = 0;
    this.#hasStopped = false;
    return credit;
  }
}
