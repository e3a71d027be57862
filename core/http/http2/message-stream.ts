/** One stream that carries a message each way: what arrives is a body, and a body is what is sent. */
import { H2, type H2Stream, HeldBytes, type ReceiveWindow } from '../../h2/index.ts';
import { HeldViews } from '../../net/index.ts';
import { Deadline, type Deadlines } from '../deadlines.ts';
import type { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import type { Body, BodyEvents } from '../message.ts';

/** A copy of this much comes from Node's pool, and costs next to nothing. */
const SMALL_BYTES = 2_048;

/** What a stream needs of its connection. */
export interface Carrier {
  /** Sends as much as windows and the wire allow; says how many bytes went. */
  sendData(stream: MessageStream, view: Uint8Array): number;
  sendEnd(stream: MessageStream): void;
  sendTrailers(stream: MessageStream, trailers: HeaderFields): void;
  sendReset(stream: MessageStream, code: number): void;
  sendCredit(stream: MessageStream, bytes: number): void;
  /** Whether a writer should hold back although everything went. */
  readonly isBlocked: boolean;
  waitForRoom(stream: MessageStream): void;
  holds(bytes: number): void;
  /** The stream is over on the wire. */
  forget(stream: MessageStream): void;
  /** The peer broke the rules on this stream. */
  fault(stream: MessageStream, code: number): void;
  /** So many streams more (or fewer) are over on the wire and hold what nobody has read yet. */
  unread(change: 1 | -1): void;
  newReceiveWindow(): ReceiveWindow;
  readonly deadlines: Deadlines;
  /** 0: no limit. */
  readonly streamIdleMs: number;
}

/**
 * Both directions end separately; the stream leaves the wire when both have, or when one side resets. What the reader has not
 * taken by then is still delivered, unless it was a reset.
 *
 *     open --END_STREAM, ours--> sent --END_STREAM, theirs--> off the wire   (or the other way round)
 *       \                          |
 *        +--- reset, fault, loss --+-------------------------> off the wire, and both bodies failed
 */
export abstract class MessageStream implements H2Stream, Body, BodyEvents {
  readonly id: number;
  sendWindow: number;
  stalledSince: number | undefined;
  /** Client: the final head came. Server: it was given. */
  isAnswered = false;
  hasPeerEnded = false;
  /** Of the body that arrives. */
  length: number | undefined;
  protected readonly carrier: Carrier;
  // What arrives.
  #window: ReceiveWindow | undefined;
  #to: BodyEvents | undefined;
  /** What came before a reader was named, when it was little: most messages come whole, with their head. Before `#held`. */
  #first: Buffer | undefined;
  #held: HeldBytes | undefined;
  #isUnread = false;
  #isPaused = false;
  #isFlushing = false;
  #isDiscarding = false;
  #isTold = false;
  #trailers: HeaderFields | undefined;
  /** By Content-Length, and by what a message may have at all. */
  #expectedBytes: number | undefined;
  #receivedBytes = 0;
  // What is sent.
  #source: Body | undefined;
  #outgoing: HeldViews | undefined;
  #isSourceStopped = false;
  #announcedBytes: number | undefined;
  #sentBytes = 0;
  #hasEnded = false;
  #endTrailers: HeaderFields | undefined;
  #isEndSent = false;
  // Both.
  #isOffWire = false;
  #failure: HttpError | undefined;
  readonly #idle: Deadline | undefined;

  constructor(id: number, sendWindow: number, carrier: Carrier) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.carrier = carrier;
    if (carrier.streamIdleMs <= 0) return;
    this.#idle = new Deadline(carrier.deadlines, () =>
      this.timedOut('stream_idle_timeout', 'the stream was idle for too long'),
    );
    this.#idle.set(carrier.streamIdleMs);
  }

  get #isHolding(): boolean {
    return this.#first !== undefined || this.#held !== undefined;
  }

  get isOffWire(): boolean {
    return this.#isOffWire;
  }

  get isEndSent(): boolean {
    return this.#isEndSent;
  }

  get hasPending(): boolean {
    return this.#outgoing !== undefined && this.#outgoing.bytes > 0;
  }

  /** All of the message that arrives is here, and in order. */
  get isReceived(): boolean {
    return this.hasPeerEnded && this.#failure === undefined;
  }

  // The body that arrives, as its reader sees it.

  deliver(to: BodyEvents): void {
    if (this.#to !== undefined) throw new Error('a body delivers to one receiver, named once');
    this.#to = to;
    if (this.#failure === undefined) this.#flushIncoming();
    else this.#tellFailure(this.#failure);
  }

  pause(): void {
    this.#isPaused = true;
    this.#window?.readerStopped();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#flushIncoming();
  }

  cancel(): void {
    if (this.#isDiscarding) return;
    this.#isDiscarding = true;
    this.#isTold = true;
    this.#dropHeld();
    if (!this.hasPeerEnded && !this.#isOffWire) this.unwanted();
  }

  /** Begins to send a body; its head has gone. `length`: what that said. */
  send(body: Body, length: number | undefined): void {
    this.#source = body;
    this.#announcedBytes = length;
    body.deliver(this);
  }

  // The body that is sent, as it comes.

  data(view: Uint8Array): void {
    if (this.#source === undefined) return;
    this.#sentBytes += view.length;
    if (this.#announcedBytes !== undefined && this.#sentBytes > this.#announcedBytes)
      return void this.#sentWrongLength();
    this.#touch();
    const sent = this.hasPending ? 0 : this.carrier.sendData(this, view);
    if (sent < view.length) {
      this.#outgoing ??= new HeldViews();
      this.#outgoing.push(view, sent);
    } else if (!this.carrier.isBlocked) return;
    this.#isSourceStopped = true;
    this.#source.pause();
    this.carrier.waitForRoom(this);
  }

  end(trailers: HeaderFields | undefined): void {
    if (this.#source === undefined) return;
    if (this.#announcedBytes !== undefined && this.#sentBytes !== this.#announcedBytes)
      return void this.#sentWrongLength();
    this.#source = undefined;
    this.#hasEnded = true;
    this.#endTrailers = trailers;
    if (!this.hasPending) this.finishSending();
  }

  failed(error: HttpError): void {
    if (this.#source === undefined) return;
    this.#source = undefined;
    this.breakOff(this.codeFor(error), error);
  }

  // What the connection calls.

  takes(bytes: number): boolean {
    this.#window ??= this.carrier.newReceiveWindow();
    return this.#window.take(bytes);
  }

  releaseWindow(): void {
    this.#window?.release();
  }

  receiveData(piece: Buffer): void {
    this.#receivedBytes += piece.length;
    if (this.#expectedBytes !== undefined && this.#receivedBytes > this.#expectedBytes) {
      return void this.carrier.fault(this, H2.PROTOCOL_ERROR);
    }
    this.#touch();
    if (this.#isDiscarding) return; // and not granted again: the peer may as well stop
    if (this.#to !== undefined && !this.#isPaused && !this.#isFlushing && !this.#isHolding) {
      this.#to.data(piece);
      this.#consumed(piece.length);
      return;
    }
    if (!this.#isHolding && piece.length <= SMALL_BYTES) {
      this.#first = Buffer.from(piece);
      this.carrier.holds(piece.length);
      return;
    }
    this.#held ??= new HeldBytes();
    this.#held.push(piece);
    this.carrier.holds(piece.length);
  }

  receivePadding(bytes: number): void {
    if (bytes > 0) this.#consumed(bytes);
  }

  receiveTrailers(trailers: HeaderFields | undefined): void {
    this.#trailers = trailers;
    this.receiveEnd();
  }

  receiveEnd(): void {
    if (this.#expectedBytes !== undefined && this.#receivedBytes !== this.#expectedBytes) {
      return void this.carrier.fault(this, H2.PROTOCOL_ERROR);
    }
    this.hasPeerEnded = true;
    if (this.#isEndSent) this.leaveWire();
    this.#flushIncoming();
  }

  brokeRules(code: number): void {
    this.cut(new HttpError('malformed', `the peer broke the rules of HTTP/2 on a stream (code ${code})`));
  }

  cutStalled(): void {
    this.timedOut('stream_idle_timeout', 'the peer let us send nothing for too long');
  }

  connectionLost(why: 'cancel' | 'connect-error'): void {
    if (this.#isOffWire) return;
    if (why === 'cancel') this.cut(new HttpError('cancelled', 'the connection was cut'));
    else this.cut(new HttpError('closed', 'the connection ended in the middle of an exchange'));
  }

  abstract receiveReset(code: number): void;

  pump(maxBytes: number): 'done' | 'more' {
    const queue = this.#outgoing;
    if (queue !== undefined) {
      for (let left = maxBytes; left > 0; ) {
        const head = queue.take();
        if (head === undefined) break;
        const sent = this.carrier.sendData(this, head.length > left ? head.subarray(0, left) : head);
        queue.giveBack(sent);
        if (sent === 0) return 'more';
        left -= sent;
      }
      this.#touch();
      if (queue.bytes > 0) return 'more';
    }
    if (this.#hasEnded) this.finishSending();
    else if (this.#isSourceStopped && !this.carrier.isBlocked) {
      this.#isSourceStopped = false;
      this.#source?.resume();
    }
    return this.#isSourceStopped && this.#source !== undefined ? 'more' : 'done';
  }

  // What the two roles differ in.

  /** The reader does not want the rest. */
  protected abstract unwanted(): void;

  /** Our half is out, the peer's is not. */
  protected abstract sentFirst(): void;

  /** Nothing will come of it, on either side. Told once, unless both were complete. */
  protected abstract broken(error: HttpError): void;

  /** How the end of our message's body is told to the peer. */
  protected abstract codeFor(error: HttpError): number;

  abstract timedOut(detail: string, message: string): void;

  /** Over on the wire, in whatever way. */
  protected abstract gone(): void;

  /** What the message that arrives must have, neither more nor less. */
  protected expectBytes(bytes: number | undefined): void {
    this.#expectedBytes = bytes;
  }

  protected finishSending(): void {
    if (this.#isEndSent || this.#isOffWire) return;
    this.#isEndSent = true;
    if (this.#endTrailers !== undefined && this.#endTrailers.list.length > 0) {
      this.carrier.sendTrailers(this, this.#endTrailers);
    } else this.carrier.sendEnd(this);
    this.sentEnd();
  }

  /** END_STREAM has gone, with the head or after it. */
  protected sentEnd(): void {
    this.#isEndSent = true;
    if (this.hasPeerEnded) this.leaveWire();
    else this.sentFirst();
  }

  /** RST_STREAM from us, and the end of everything. */
  protected breakOff(code: number, error: HttpError): void {
    if (this.#isOffWire) return;
    this.carrier.sendReset(this, code);
    this.cut(error);
  }

  /** Ends our half without a word: the peer does not want it. */
  protected stopSending(): void {
    this.#outgoing = undefined;
    const source = this.#source;
    this.#source = undefined;
    source?.cancel();
  }

  protected cut(error: HttpError): void {
    if (this.#failure !== undefined) return;
    const isReceived = this.hasPeerEnded && this.#isTold;
    this.#failure = error;
    this.#dropHeld();
    this.leaveWire();
    this.stopSending();
    this.broken(error);
    if (!isReceived) this.#tellFailure(error);
  }

  /** We have reset it after our message was complete: only what arrives is cut. */
  protected endEarly(error: HttpError): void {
    this.#failure = error;
    this.#dropHeld();
    this.leaveWire();
    this.#tellFailure(error);
  }

  protected leaveWire(): void {
    if (this.#isOffWire) return;
    this.#isOffWire = true;
    if (this.#isHolding) {
      this.#isUnread = true;
      this.carrier.unread(1);
    }
    this.#idle?.close();
    this.carrier.forget(this);
    this.gone();
  }

  #tellFailure(error: HttpError): void {
    if (this.#isTold || this.#to === undefined) return;
    this.#isTold = true;
    this.#to.failed(error);
  }

  #sentWrongLength(): void {
    const source = this.#source;
    this.#source = undefined;
    source?.cancel();
    const error = new HttpError(
      'malformed',
      `a body of ${this.#sentBytes} bytes or more was announced as ${this.#announcedBytes}`,
    );
    this.breakOff(this.codeFor(error), error);
  }

  #flushIncoming(): void {
    const to = this.#to;
    if (to === undefined || this.#isFlushing || this.#isTold) return;
    this.#isFlushing = true; // a reader that resumes from inside its own callback must not turn the order around
    while (!this.#isPaused && this.#isHolding && !this.#isTold) {
      const piece = this.#first ?? this.#held?.shift();
      this.#first = undefined;
      if (piece === undefined) {
        this.#held = undefined;
        break;
      }
      this.carrier.holds(-piece.length);
      to.data(piece);
      this.#consumed(piece.length);
    }
    this.#isFlushing = false;
    if (this.#isUnread && !this.#isHolding) this.#wasRead();
    if (this.#isPaused || this.#isHolding || !this.hasPeerEnded || this.#isTold) return;
    this.#isTold = true;
    to.end(this.#trailers);
  }

  #consumed(bytes: number): void {
    if (this.hasPeerEnded || this.#isOffWire || this.#isDiscarding) return;
    const credit = this.#window?.consumed(bytes) ?? 0;
    if (credit > 0) this.carrier.sendCredit(this, credit);
  }

  #dropHeld(): void {
    const bytes = (this.#first?.length ?? 0) + (this.#held?.bytes ?? 0);
    this.#first = undefined;
    this.#held = undefined;
    if (bytes > 0) this.carrier.holds(-bytes);
    if (this.#isUnread) this.#wasRead();
  }

  #wasRead(): void {
    this.#isUnread = false;
    this.carrier.unread(-1);
  }

  #touch(): void {
    this.#idle?.set(this.carrier.streamIdleMs);
  }
}
