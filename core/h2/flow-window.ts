/** How much a peer may send on a stream: little at first, more as the reader shows that it keeps up. */

/** What every stream starts with. With all streams of a connection stalled at it, what they hold stays bounded. */
export const FIRST_WINDOW_BYTES = 256 * 1024;

/** The same, where no window may be as large. */
export function firstWindowBytes(maxBytes: number, first = FIRST_WINDOW_BYTES): number {
  return Math.min(first, maxBytes);
}

/** RFC 9113 section 6.9.1 */
export const MAX_WINDOW_BYTES = 2 ** 31 - 1;

/** Growth below this is not worth having. */
const MIN_GROWTH_BYTES = 16 * 1024;

/**
 * By how much all windows of a connection may have grown at a time. Whoever asks gets no more than half of what is left, so
 * that those who come later grow, too.
 */
export class WindowGrowth {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** So much of what was asked for. */
  take(bytes: number): number {
    const granted = Math.min(bytes, Math.floor(this.#left / 2));
    if (granted < MIN_GROWTH_BYTES) return 0;
    this.#left -= granted;
    return granted;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/**
 * The window of one stream. It grows, doubling, each time that the reader takes half of it without stopping once; a reader
 * that stops keeps what it has. It never shrinks: what was granted can't be taken back.
 */
export class ReceiveWindow {
  readonly #maxBytes: number;
  readonly #growth: WindowGrowth;
  #grown = 0;
  #size: number;
  /** What the peer may still send; below 0 it broke its word. */
  #left: number;
  /** Read, and not yet granted again. */
  #uncredited = 0;
  #hasStopped = false;

  constructor(maxBytes: number, growth: WindowGrowth, firstBytes = firstWindowBytes(maxBytes)) {
    this.#maxBytes = maxBytes;
    this.#growth = growth;
    this.#size = firstBytes;
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

  /** The stream is over: others may grow. */
  release(): void {
    this.#growth.give(this.#grown);
    this.#grown = 0;
  }

  readerStopped(): void {
    this.#hasStopped = true;
  }

  /** The reader took so many bytes; says how many to grant to the peer now. */
  consumed(bytes: number): number {
    this.#uncredited += bytes;
    if (this.#uncredited * 2 < this.#size) return 0;
    const growth = this.#hasStopped ? 0 : this.#growth.take(Math.min(this.#size, this.#maxBytes - this.#size));
    const credit = this.#uncredited + growth;
    this.#size += growth;
    this.#grown += growth;
    this.#left += credit;
    this.#uncredited = 0;
    this.#hasStopped = false;
    return credit;
  }
}
