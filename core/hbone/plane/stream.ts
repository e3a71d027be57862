/** One CONNECT stream as a leg. */

import { H2, type H2Stream, HeldBytes, type ReceiveWindow } from '../../h2/index.ts';
import { HeldViews, soon } from '../../net/index.ts';
import type { Leg, LegEvents, ResetCode } from '../leg.ts';
import { LegGate } from '../leg-gate.ts';
import type { TunnelField } from './fields.ts';

/** What a stream needs of its connection. */
export type StreamCarrier = {
  /** Sends as much as windows and the link allow; says how many bytes went. */
  sendData(stream: PlaneStream, view: Uint8Array): number;
  sendEnd(stream: PlaneStream): void;
  sendReset(stream: PlaneStream, code: number): void;
  sendCredit(stream: PlaneStream, bytes: number): void;
  /** Whether a writer should hold back although everything went. */
  readonly isBlocked: boolean;
  /** Wants `pump` when there is room again. */
  waitForRoom(stream: PlaneStream): void;
  /** So many bytes are held for readers that do not read (negative: not any more). */
  holds(bytes: number): void;
  /** The stream is over on the wire. */
  forget(stream: PlaneStream): void;
};

/** RFC 9113 section 7 */
const SENT: Readonly<Record<ResetCode, number>> = {
  cancel: H2.CANCEL,
  'connect-error': H2.CONNECT_ERROR,
  refused: H2.REFUSED_STREAM,
};

function received(code: number): ResetCode {
  if (code === H2.CANCEL) return 'cancel';
  return code === H2.REFUSED_STREAM ? 'refused' : 'connect-error';
}

/** Who waits for the answer of a CONNECT, or for the end of everything. */
export type StreamListener = {
  /** The final answer; `isLast`: no bytes follow. */
  head?(fields: readonly TunnelField[], isLast: boolean): void;
  /** Over on the wire; told once. `code` is the peer's RST_STREAM, if that was it. */
  gone(code: number | undefined): void;
};

/**
 * The two directions end separately; the stream is over on the wire when both have, or when one side resets. What the
 * reader has not taken by then is still delivered, unless it was a reset.
 */
export class PlaneStream implements Leg, H2Stream {
  readonly id: number;
  readonly closed: Promise<void>;
  /** What the peer lets us send. */
  sendWindow: number;
  readonly receiveWindow: ReceiveWindow;
  /** Since when there was something to send and no window for it, on the connection's clock. */
  stalledSince: number | undefined;
  /** Client: the answer came. Server: it was given. */
  isAnswered = false;
  readonly #carrier: StreamCarrier;
  readonly #gate = new LegGate();
  readonly #resolveClosed: () => void;
  #listener: StreamListener | undefined;
  readonly #incoming = new HeldBytes();
  readonly #outgoing = new HeldViews();
  #isPaused = false;
  #isWriterStopped = false;
  #isFlushing = false;
  #peerEnded = false;
  #endTold = false;
  #ended = false;
  #endSent = false;
  /** Nothing can be sent or received any more. */
  #isOffWire = false;

  constructor(id: number, carrier: StreamCarrier, windows: { readonly send: number; readonly receive: ReceiveWindow }) {
    this.id = id;
    this.#carrier = carrier;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get hasPeerEnded(): boolean {
    return this.#peerEnded;
  }

  get hasPending(): boolean {
    return this.#outgoing.bytes > 0;
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  // The leg.

  deliver(to: LegEvents): void {
    this.#gate.deliver(to);
    soon(() => this.#flushIncoming());
  }

  write(view: Uint8Array): boolean {
    if (this.#ended || this.#gate.isOver) return true;
    if (this.#isOffWire) {
      // The peer took its leave before we had said everything: what TCP answers to that is a reset.
      this.#gate.reset('cancel');
      this.#settle();
      return true;
    }
    const sent = this.#outgoing.bytes > 0 ? 0 : this.#carrier.sendData(this, view);
    if (sent < view.length) this.#outgoing.push(view, sent);
    else if (!this.#carrier.isBlocked) return true;
    this.#isWriterStopped = true;
    this.#carrier.waitForRoom(this);
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.receiveWindow.readerStopped();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    soon(() => this.#flushIncoming());
  }

  end(): void {
    if (this.#ended || this.#gate.isOver) return;
    this.#ended = true;
    if (this.#isOffWire) this.#settle();
    else if (this.#outgoing.bytes === 0) this.#sendEnd();
  }

  reset(code: ResetCode): void {
    if (this.#gate.isOver || (this.#isOffWire && this.#endTold)) return;
    if (!this.#isOffWire) this.#carrier.sendReset(this, SENT[code]);
    this.#cut(code, undefined);
  }

  // What the connection calls.

  takes(bytes: number): boolean {
    return this.receiveWindow.take(bytes);
  }

  releaseWindow(): void {
    this.receiveWindow.release();
  }

  brokeRules(): void {
    this.connectionLost('cancel');
  }

  cutStalled(): void {
    this.reset('cancel');
  }

  receiveHead(fields: readonly TunnelField[], isLast: boolean): void {
    this.isAnswered = true;
    if (isLast) this.receiveEnd();
    this.#listener?.head?.(fields, isLast);
  }

  receiveData(piece: Buffer): void {
    if (this.#gate.isDelivering && !this.#isPaused && this.#incoming.bytes === 0 && !this.#isFlushing) {
      this.#gate.data(piece);
      this.#consumed(piece.length);
      return;
    }
    this.#incoming.push(piece);
    this.#carrier.holds(piece.length);
  }

  /** Bytes that count against the window and carry nothing: padding. */
  receivePadding(bytes: number): void {
    if (bytes > 0) this.#consumed(bytes);
  }

  receiveEnd(): void {
    this.#peerEnded = true;
    if (this.#endSent) this.#leaveWire(undefined);
    this.#flushIncoming();
  }

  /** RST_STREAM. After END_STREAM any code is an end, and NO_ERROR always is. */
  receiveReset(code: number): void {
    if (this.#peerEnded || code === H2.NO_ERROR) this.#peerLeft(code);
    else this.#cut(received(code), code);
  }

  /** The connection is gone, or the peer broke the rules: `code` is told unless the peer had ended. */
  connectionLost(code: ResetCode): void {
    if (this.#isOffWire) return;
    if (this.#peerEnded && code !== 'cancel') this.#peerLeft(undefined);
    else this.#cut(code, undefined);
  }

  /** Sends what waits; says whether there is more. */
  pump(maxBytes: number): 'done' | 'more' {
    for (let left = maxBytes; left > 0; ) {
      const head = this.#outgoing.take();
      if (head === undefined) break;
      const sent = this.#carrier.sendData(this, head.length > left ? head.subarray(0, left) : head);
      this.#outgoing.giveBack(sent);
      if (sent === 0) return 'more';
      left -= sent;
    }
    if (this.#outgoing.bytes > 0) return 'more';
    if (this.#ended) this.#sendEnd();
    else if (this.#isWriterStopped && !this.#carrier.isBlocked) {
      this.#isWriterStopped = false;
      this.#gate.writable();
    }
    return this.#isWriterStopped && !this.#isOffWire && !this.#ended ? 'more' : 'done';
  }

  /** Server: the answer was the end of it, and what the peer may still send is not wanted. */
  answeredForGood(): void {
    this.#ended = true;
    this.#endSent = true;
    if (!this.#peerEnded) this.#carrier.sendReset(this, H2.NO_ERROR);
    this.#peerEnded = true;
    this.#dropIncoming(); // nobody will ask for it, and it must not count against the connection for ever
    this.#leaveWire(undefined);
    this.#settle();
  }

  #sendEnd(): void {
    if (this.#endSent || this.#isOffWire) return;
    this.#endSent = true;
    this.#carrier.sendEnd(this);
    if (this.#peerEnded) this.#leaveWire(undefined);
    this.#settle();
  }

  #flushIncoming(): void {
    if (this.#isFlushing || !this.#gate.isDelivering) return;
    this.#isFlushing = true; // a receiver that resumes from inside its own callback must not turn the order around
    while (!this.#isPaused && !this.#gate.isOver) {
      const piece = this.#incoming.shift();
      if (piece === undefined) break;
      this.#carrier.holds(-piece.length);
      this.#gate.data(piece);
      this.#consumed(piece.length);
    }
    this.#isFlushing = false;
    if (this.#isPaused || this.#incoming.bytes > 0 || !this.#peerEnded || this.#endTold || this.#gate.isOver) return;
    this.#endTold = true;
    this.#gate.end();
    this.#settle();
  }

  #consumed(bytes: number): void {
    if (this.#peerEnded || this.#isOffWire) return;
    const credit = this.receiveWindow.consumed(bytes);
    if (credit > 0) this.#carrier.sendCredit(this, credit);
  }

  #peerLeft(code: number | undefined): void {
    this.#peerEnded = true;
    this.#outgoing.clear();
    this.#leaveWire(code);
    this.#flushIncoming();
    this.#settle(); // the end may have been told long ago
    // Who waits to write shall, and will learn.
    if (this.#isWriterStopped) this.#gate.writable();
  }

  #cut(told: ResetCode, code: number | undefined): void {
    this.#dropIncoming();
    this.#outgoing.clear();
    this.#gate.reset(told);
    this.#leaveWire(code);
    this.#settle();
  }

  #dropIncoming(): void {
    const { bytes } = this.#incoming;
    this.#incoming.clear();
    if (bytes > 0) this.#carrier.holds(-bytes);
  }

  #leaveWire(code: number | undefined): void {
    if (this.#isOffWire) return;
    this.#isOffWire = true;
    this.#carrier.forget(this);
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.gone(code);
  }

  #settle(): void {
    if (this.#isOffWire && (this.#gate.isOver || this.#endTold || !this.#gate.isDelivering)) this.#resolveClosed();
  }
}
