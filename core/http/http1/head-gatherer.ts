/** Finds the end of a head, or of trailers, in bytes that come in pieces; copies only what is split. */
import { CR, LF } from './characters.ts';
import { headTooLarge, malformed } from './faults.ts';

const FIRST_BYTES = 1024;

/** Everything up to and with the first empty line; an empty line at the very start is a head of its own, without lines. */
export class HeadGatherer {
  /** What was gathered, when `take` found the end: latin1, with the empty line. */
  text = '';
  isWhole = false;
  #held: Buffer | undefined;
  #size = 0;
  /** Of the line under way, and its last byte. */
  #lineBytes = 0;
  #last = 0;

  /** Whether a part came. */
  get isUnderWay(): boolean {
    return this.#size > 0;
  }

  /**
   * Reads on; says where in `view` it stopped, which is the view's end unless `isWhole`.
   * @throws HttpError for a line end that is no CRLF, and beyond the limit.
   */
  take(view: Uint8Array, from: number, limitBytes: number): number {
    const stop = this.#find(view, from, Math.min(view.length, from + limitBytes - this.#size));
    if (stop < 0) {
      if (this.#size + view.length - from >= limitBytes) throw headTooLarge(`${limitBytes} bytes`);
      this.#keep(view, from, view.length);
      return view.length;
    }
    if (this.#size === 0) {
      this.text = latin1(view, from, stop);
    } else {
      this.#keep(view, from, stop);
      this.text = latin1(this.#held ?? view, 0, this.#size);
    }
    this.#size = 0;
    this.#held = undefined;
    this.isWhole = true;
    return stop;
  }

  /** Begins anew. */
  clear(): void {
    this.isWhole = false;
    this.text = '';
  }

  /** Index after the empty line, or -1. */
  #find(view: Uint8Array, from: number, to: number): number {
    let lineBytes = this.#lineBytes;
    let last = this.#last;
    for (let at = from; at < to; at += 1) {
      const c = view[at] as number;
      if (c === LF) {
        if (last !== CR) throw malformed('bare_lf', 'a line that ends without CR');
        if (lineBytes === 1) {
          this.#lineBytes = 0;
          this.#last = 0;
          return at + 1;
        }
        lineBytes = 0;
      } else {
        lineBytes += 1;
      }
      last = c;
    }
    this.#lineBytes = lineBytes;
    this.#last = last;
    return -1;
  }

  #keep(view: Uint8Array, from: number, to: number): void {
    const size = this.#size + to - from;
    let held = this.#held;
    if (held === undefined || held.length < size) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, size * 2)); // doubled, so that a head byte by byte is not copied each time
      if (held !== undefined) larger.set(held.subarray(0, this.#size));
      held = larger;
      this.#held = held;
    }
    held.set(view.subarray(from, to), this.#size);
    this.#size = size;
  }
}

const latin1 = (view: Uint8Array, from: number, to: number): string =>
  (Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.length)).toString('latin1', from, to);
