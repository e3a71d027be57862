/** A body as it arrives: what an `Inlet` fills and a handler reads. */
import type { HeaderFields } from '../header-fields.ts';
import type { HttpError } from '../http-error.ts';
import type { Body, BodyEvents } from '../message.ts';

/** Whoever reads for this body. */
export type BodySource = {
  /** Somebody waits for the body, for the first time. */
  wanted(body: IncomingBody): void;
  /** Bytes may flow again. */
  go(): void;
  /** Nobody wants the rest. */
  cancelled(body: IncomingBody): void;
};

export class IncomingBody implements Body {
  readonly length: number | undefined;
  /** Its last byte came, or it failed. */
  isOver = false;
  /** Nobody reads it any more; its bytes are dropped. */
  isCancelled = false;
  readonly #source: BodySource;
  #to: BodyEvents | undefined;
  #isPaused = false;
  /** Came before there was a receiver. */
  #failure: HttpError | undefined;
  #trailers: HeaderFields | undefined;

  constructor(length: number | undefined, source: BodySource) {
    this.length = length;
    this.#source = source;
  }

  /** Whether somebody takes bytes now. */
  get isFlowing(): boolean {
    return this.#to !== undefined && !this.#isPaused;
  }

  get isWanted(): boolean {
    return this.#to !== undefined;
  }

  deliver(to: BodyEvents): void {
    if (this.#to !== undefined) throw new Error('a body is delivered once');
    if (this.isCancelled) return;
    this.#to = to;
    if (this.#failure !== undefined) to.failed(this.#failure);
    else if (this.isOver) to.end(this.#trailers);
    else {
      this.#source.wanted(this);
      this.#source.go();
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.isOver) this.#source.go();
  }

  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    if (!this.isOver) this.#source.cancelled(this);
  }

  // What the inlet calls.

  take(view: Uint8Array): void {
    if (!this.isCancelled && !this.isOver) this.#to?.data(view);
  }

  end(trailers: HeaderFields | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#trailers = trailers;
    if (!this.isCancelled) this.#to?.end(trailers);
  }

  fail(error: HttpError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#failure = error;
    if (!this.isCancelled) this.#to?.failed(error);
  }

  /** The message is over for us although bytes may come: whoever reads it learns that, and the bytes are dropped. */
  abandon(error: HttpError): void {
    if (this.isOver || this.isCancelled) return;
    this.isCancelled = true;
    this.#failure = error;
    this.#to?.failed(error);
  }
}
