/** What a TCP socket and an HTTP/2 stream of Node have in common as legs. */
import type { Duplex } from 'node:stream';
import type { Leg, LegEvents, ResetCode } from './leg.ts';
import { LegGate } from './leg-gate.ts';

/**
 * The chunk that a Node stream is delivering right now. Node allocates each chunk and never touches it again, so who writes
 * this very view onwards to another Node stream need not copy it.
 */
let delivering: Buffer | undefined;

/** A leg over a Node stream that was paused when it was handed over. Owns the stream. */
export abstract class NodeLeg<S extends Duplex> implements Leg {
  readonly closed: Promise<void>;
  protected readonly stream: S;
  readonly #gate = new LegGate();
  #paused = false;
  #peerEnded = false;
  #ended = false;
  #gone = false;
  /** The writer was told to stop and waits for `writable`. */
  #isBlocked = false;

  constructor(stream: S) {
    this.stream = stream;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const onClose = () => {
      this.#gone = true;
      this.#onClose();
      resolve();
    };
    // `close` always follows and decides; without a listener the error would end the process.
    stream.on('error', () => {});
    stream.once('end', () => {
      // A stream that was destroyed pretends to have ended; `close` will tell the truth.
      if (stream.destroyed) return;
      this.#peerEnded = true;
      this.#gate.end();
    });
    stream.on('drain', () => {
      this.#isBlocked = false;
      this.#gate.writable();
    });
    stream.once('close', onClose);
    if (stream.closed) queueMicrotask(onClose);
  }

  deliver(to: LegEvents): void {
    this.#gate.deliver(to);
    this.stream.on('data', (chunk: Buffer) => {
      delivering = chunk;
      try {
        this.#gate.data(chunk);
      } finally {
        delivering = undefined;
      }
    });
    if (!this.#paused) this.stream.resume();
  }

  write(view: Uint8Array): boolean {
    if (this.#ended || this.#gate.isOver) return true;
    if (this.#gone || this.stream.destroyed) {
      // The peer took its leave before we had said everything: what TCP answers to that is a reset.
      if (this.#peerEnded) this.#gate.reset('cancel');
      return true;
    }
    // Else a copy: the view is the caller's, and Node keeps what the kernel did not take at once.
    const goOn = this.stream.write(view === delivering ? view : Buffer.from(view));
    this.#isBlocked = !goOn;
    return goOn;
  }

  pause(): void {
    this.#paused = true;
    this.stream.pause();
  }

  resume(): void {
    this.#paused = false;
    // Without a receiver a resumed stream throws its bytes away.
    if (this.#gate.isDelivering && !this.#gate.isOver) this.stream.resume();
  }

  end(): void {
    if (this.#ended || this.#gate.isOver) return;
    this.#ended = true;
    if (!this.#gone) this.stream.end();
  }

  reset(code: ResetCode): void {
    if (this.#gone || this.#gate.isOver) return;
    this.#gate.reset(code);
    this.cut(code);
  }

  /** Breaks the stream so that the peer sees a reset; `close` must follow. */
  protected abstract cut(code: ResetCode): void;
  /** Why the stream closed before both directions were over. */
  protected abstract reason(): ResetCode;
  /** Whether the peer may close the whole stream after its own end without that being a reset. */
  protected abstract peerMayLeave(): boolean;

  #onClose(): void {
    if (this.#peerEnded && this.#ended && this.stream.writableFinished) return;
    // What nobody will read any more is noticed at the next write; a writer that waits would wait for ever.
    if (this.#peerEnded && this.peerMayLeave() && !this.#isBlocked) return;
    this.#gate.reset(this.reason());
  }
}
