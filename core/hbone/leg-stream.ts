/** A leg as a stream of Node, for what can only work on one. */
import { Duplex } from 'node:stream';
import type { Leg } from './leg.ts';

type Done = (error?: Error | null) => void;

/** Owns the leg. Destroying the stream before both directions are over resets the leg, and a reset of the leg destroys the stream. */
export class LegStream extends Duplex {
  readonly #leg: Leg;
  #written: Done | undefined;
  #peerEnded = false;
  #ended = false;

  constructor(leg: Leg) {
    super({ allowHalfOpen: true });
    this.#leg = leg;
    leg.pause();
    leg.deliver({
      // The view is gone after this call.
      data: (view) => {
        if (!this.push(Buffer.from(view))) leg.pause();
      },
      writable: () => this.#writeDone(),
      end: () => {
        this.#peerEnded = true;
        this.push(null);
      },
      reset: (code) => {
        this.#ended = true;
        this.#peerEnded = true;
        this.destroy(new Error(`the connection was reset (${code})`));
      },
    });
  }

  override _read(): void {
    this.#leg.resume();
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    if (this.#leg.write(chunk)) done();
    else this.#written = done;
  }

  override _final(done: Done): void {
    this.#ended = true;
    this.#leg.end();
    done();
  }

  override _destroy(error: Error | null, done: Done): void {
    if (!this.#ended || !this.#peerEnded) this.#leg.reset('cancel');
    this.#writeDone();
    done(error);
  }

  #writeDone(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }
}
