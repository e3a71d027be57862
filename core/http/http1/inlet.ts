/**
 * The reading half of an HTTP/1.1 connection: heads and bodies out of the bytes of a leg, in their order, as fast as they are
 * wanted. It keeps a copy only of what came together with something that is not done yet.
 */
import type { Leg } from '../../hbone/index.ts';
import { HeldViews } from '../../net/index.ts';
import { HttpError } from '../http-error.ts';
import type { HttpLimits } from '../message.ts';
import { ChunkReader } from './chunk-reader.ts';
import { giveCork, takeCork } from './cork.ts';
import { malformed } from './faults.ts';
import { HeadGatherer } from './head-gatherer.ts';
import type { IncomingBody } from './incoming-body.ts';

/** What a connection does with what was read. It says what comes next by `inlet.expect…` before it returns. */
export interface InletOwner {
  /** The text of a head in latin1, with its empty line. May throw HttpError: the head is refused. */
  head(text: string): void;
  /** The last byte of the body was read, or its failure told. */
  bodyOver(): void;
  /** A cancelled body has more bytes than are worth reading. */
  bodyTooLong(): void;
  /** The bytes are not what the protocol permits. Nothing is read any more. */
  broken(error: HttpError): void;
  /** The other side sends no more. Told once, after everything that came before was read; within a body, when that has failed. */
  ended(isWithinBody: boolean): void;
}

/** What is held of a connection before its leg is paused: one view more may come. */
const HELD_BYTES = 64 * 1024;
/** What is read of a body that nobody wants, to keep the connection. */
export const DRAIN_BYTES = 64 * 1024;
/** Chunks below this are joined with those that came together with them: a write for each would let a client make us work. */
const SMALL_CHUNK_BYTES = 1024;
/** What is dropped of a connection that was closed on our side, before it is cut. */
const DISCARD_BYTES = 1024 * 1024;

/** `wait`: something else has to happen first. `unwanted`: nothing may come. `discard`: everything is dropped. */
type Mode = 'head' | 'body' | 'wait' | 'unwanted' | 'discard' | 'over';

export class Inlet {
  readonly #leg: Leg;
  readonly #owner: InletOwner;
  readonly #limits: HttpLimits;
  readonly #gatherer = new HeadGatherer();
  #mode: Mode = 'wait';
  #body: IncomingBody | undefined;
  /** Of the body, by its length; infinite until the connection ends; or by its chunks. */
  #left = 0;
  #chunks: ChunkReader | undefined;
  #dropped = 0;
  /** Small chunks of the view that is being read. */
  #joined: Buffer | undefined;
  #joinedBytes = 0;
  readonly #held = new HeldViews();
  /** Of the view that is being read, behind what the owner is told of. */
  #rest = 0;
  #isRunning = false;
  #isLegPaused = false;
  #hasEnded = false;
  #endTold = false;

  constructor(leg: Leg, owner: InletOwner, limits: HttpLimits) {
    this.#leg = leg;
    this.#owner = owner;
    this.#limits = limits;
  }

  /** Whether a part of a head came. */
  get isInHead(): boolean {
    return this.#mode === 'head' && this.#gatherer.isUnderWay;
  }

  /** Whether bytes came after what was read so far. */
  get hasMore(): boolean {
    return this.#held.bytes > 0 || this.#rest > 0;
  }

  get hasEnded(): boolean {
    return this.#endTold;
  }

  // What comes next.

  expectHead(): void {
    this.#mode = 'head';
  }

  /** `framing`: bytes, `chunked`, or `close`: until the connection ends. */
  expectBody(body: IncomingBody, framing: number | 'chunked' | 'close'): void {
    this.#mode = 'body';
    this.#body = body;
    this.#dropped = 0;
    this.#chunks = framing === 'chunked' ? new ChunkReader(this.#limits) : undefined;
    this.#left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY;
  }

  expectNothing(): void {
    this.#mode = 'unwanted';
  }

  wait(): void {
    this.#mode = 'wait';
  }

  /** Drops everything from here on. */
  discard(): void {
    this.#mode = 'discard';
    this.#dropped = 0;
    this.#held.clear();
    this.go();
  }

  /** Reads nothing any more. */
  stop(): void {
    this.#mode = 'over';
    this.#held.clear();
  }

  /** Whether what is missing of a cancelled body is worth reading. */
  canDrain(): boolean {
    if (this.#chunks === undefined && this.#left > DRAIN_BYTES) return false;
    return this.#dropped <= DRAIN_BYTES;
  }

  // What comes from the leg, and what lets it flow.

  data(view: Uint8Array): void {
    if (this.#mode === 'over') return;
    if (this.#isRunning || this.#held.bytes > 0 || !this.#isOpen()) {
      const isSecond = this.#held.bytes > 0;
      this.#hold(view, 0, false);
      if (isSecond) this.#pauseLeg();
    } else {
      this.#hold(view, this.#run(view), true);
      // What came while it ran waits behind it, and the end behind that.
      if (this.#held.bytes > 0 || this.#hasEnded) this.go();
    }
  }

  end(): void {
    this.#hasEnded = true;
    if (!this.#isRunning && this.#held.bytes === 0) this.#tellEnd();
  }

  /** Goes on with what is held, then with the leg. */
  go(): void {
    if (this.#isRunning) return;
    while (this.#held.bytes > 0 && this.#isOpen()) {
      this.#held.giveBack(this.#run(this.#held.take() as Buffer));
    }
    if (this.#held.bytes > 0 || this.#isRunning) return;
    if (this.#isLegPaused && this.#isOpen()) {
      this.#isLegPaused = false;
      this.#leg.resume();
    }
    if (this.#hasEnded) this.#tellEnd();
  }

  #isOpen(): boolean {
    switch (this.#mode) {
      case 'body': {
        const body = this.#body as IncomingBody;
        return body.isCancelled ? this.canDrain() : body.isFlowing;
      }
      case 'wait':
      case 'over':
        return false;
      default:
        return true;
    }
  }

  /** How much of the view is done with. */
  #run(view: Uint8Array): number {
    this.#isRunning = true;
    let at = 0;
    try {
      while (at < view.length && this.#isOpen()) at = this.#step(view, at);
      this.#tellJoined();
    } catch (error) {
      this.stop();
      this.#dropJoined();
      this.#rest = 0;
      this.#isRunning = false;
      if (!(error instanceof HttpError)) throw error; // our own bug
      this.#body?.fail(error);
      this.#owner.broken(error);
      return view.length;
    }
    this.#isRunning = false;
    this.#rest = 0;
    return this.#mode === 'over' ? view.length : at;
  }

  #step(view: Uint8Array, at: number): number {
    switch (this.#mode) {
      case 'head': {
        const end = this.#gatherer.take(view, at, this.#limits.headBytes);
        if (this.#gatherer.isWhole) {
          this.#rest = view.length - end;
          const { text } = this.#gatherer;
          this.#gatherer.clear();
          this.#mode = 'wait';
          this.#owner.head(text);
        }
        return end;
      }
      case 'body':
        return this.#stepBody(view, at, this.#body as IncomingBody);
      case 'discard':
        this.#dropped += view.length - at;
        if (this.#dropped > DISCARD_BYTES) throw malformed('unread_bytes', 'too many bytes after the end');
        return view.length;
      default:
        throw malformed('unrequested_bytes', 'bytes that nobody asked for', 502);
    }
  }

  #stepBody(view: Uint8Array, at: number, body: IncomingBody): number {
    const chunks = this.#chunks;
    if (chunks !== undefined) {
      const end = chunks.read(view, at);
      this.#rest = view.length - end;
      if (body.isCancelled) this.#drop(end - at);
      else if (chunks.piece !== undefined) this.#takePiece(body, chunks.piece);
      if (chunks.isOver && !body.isOver) this.#bodyOver(body, chunks);
      return end;
    }
    const end = Math.min(view.length, at + this.#left);
    this.#left -= end - at;
    this.#rest = view.length - end;
    if (body.isCancelled) this.#drop(end - at);
    else body.take(at === 0 && end === view.length ? view : view.subarray(at, end));
    if (this.#left === 0) this.#bodyOver(body, undefined);
    return end;
  }

  #takePiece(body: IncomingBody, piece: Uint8Array): void {
    if (piece.length >= SMALL_CHUNK_BYTES) {
      this.#tellJoined();
      body.take(piece);
      return;
    }
    this.#joined ??= takeCork();
    this.#joined.set(piece, this.#joinedBytes);
    this.#joinedBytes += piece.length;
    if (this.#joinedBytes + SMALL_CHUNK_BYTES > this.#joined.length) this.#tellJoined();
  }

  #tellJoined(): void {
    const joined = this.#joined;
    if (joined === undefined) return;
    const bytes = this.#joinedBytes;
    this.#joined = undefined;
    this.#joinedBytes = 0;
    this.#body?.take(joined.subarray(0, bytes));
    giveCork(joined);
  }

  #dropJoined(): void {
    if (this.#joined !== undefined) giveCork(this.#joined);
    this.#joined = undefined;
    this.#joinedBytes = 0;
  }

  #bodyOver(body: IncomingBody, chunks: ChunkReader | undefined): void {
    this.#tellJoined();
    if (this.#mode === 'body') this.#mode = 'wait';
    this.#body = undefined;
    this.#chunks = undefined;
    body.end(chunks?.trailers);
    this.#owner.bodyOver();
  }

  #drop(bytes: number): void {
    this.#dropped += bytes;
    if (!this.canDrain()) this.#owner.bodyTooLong();
  }

  #tellEnd(): void {
    if (this.#endTold || this.#mode === 'over') return;
    this.#endTold = true;
    const body = this.#mode === 'body' ? this.#body : undefined;
    const isCut = body !== undefined && (this.#chunks !== undefined || this.#left !== Number.POSITIVE_INFINITY);
    if (isCut) {
      this.#mode = 'wait';
      this.#body = undefined;
      body.fail(new HttpError('closed', 'the connection ended within the body', { detail: 'http1.incomplete_body' }));
    } else if (body !== undefined) {
      this.#bodyOver(body, undefined);
    }
    this.#owner.ended(isCut);
  }

  #hold(view: Uint8Array, from: number, isFirst: boolean): void {
    this.#held.push(view, from, isFirst);
    if (this.#held.bytes > HELD_BYTES) this.#pauseLeg();
  }

  #pauseLeg(): void {
    if (this.#isLegPaused) return;
    this.#isLegPaused = true;
    this.#leg.pause();
  }
}
