/** DNS messages over TCP: each with its length in front (RFC 1035 section 4.2.2), several at once (RFC 7766 section 6.2.1). */
import { type TcpConnection, TcpLink } from '../../core/net/index.ts';
import { MAX_MESSAGE_BYTES } from './wire.ts';

export type StreamEvents = {
  /** Valid only during the call. */
  message(view: Buffer): void;
  /** The other side sends no more; what it asked is still answered. */
  end(): void;
  /** Nothing follows: closed, broken, or the other side sent more than anybody waits for. */
  over(): void;
};

/** Messages taken in one turn of the loop. */
const PER_TURN = 32;
/** What may wait here for its turn; a client that sends that much ahead means no good. */
const MAX_WAITING_BYTES = 128 * 1024;
const LENGTH_BYTES = 2;

/** Starts paused. Owns the connection. */
export class DnsStream {
  readonly #connection: TcpConnection;
  readonly #link: TcpLink;
  readonly #events: StreamEvents;
  #waiting: Buffer = Buffer.alloc(0);
  #isPaused = true;
  #isFull = false;
  #peerEnded = false;
  #toldEnd = false;
  #isOver = false;
  #isGoing = false;
  #turn: NodeJS.Immediate | undefined;

  constructor(connection: TcpConnection, events: StreamEvents) {
    this.#connection = connection;
    this.#link = new TcpLink(connection);
    this.#events = events;
    this.#link.deliver({
      data: (view) => this.#data(view),
      drained: () => {
        this.#isFull = false;
        this.#go();
      },
      end: () => {
        this.#peerEnded = true;
        this.#go();
      },
      broken: () => this.#over(),
      closed: () => this.#over(),
    });
  }

  /** Nothing is taken until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#link.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#go();
  }

  /** A message too long to have a length is not sent. */
  send(message: Uint8Array): void {
    if (this.#isOver || message.length > MAX_MESSAGE_BYTES) return;
    const framed = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
    framed.writeUInt16BE(message.length);
    framed.set(message, LENGTH_BYTES);
    if (this.#link.write(framed)) return;
    this.#isFull = true; // a client that does not read its answers gets no more of them
    this.#link.pause();
  }

  /** No more from us; what was sent still leaves. */
  end(): void {
    this.#link.end();
  }

  /** Reads no more; what was sent still leaves. */
  close(): void {
    this.#connection.close();
    this.#over();
  }

  /** Cuts. */
  reset(): void {
    this.#link.reset();
    this.#over();
  }

  #data(view: Buffer): void {
    this.#waiting = this.#waiting.length === 0 ? Buffer.from(view) : Buffer.concat([this.#waiting, view]);
    if (this.#waiting.length > MAX_WAITING_BYTES) this.reset();
    else this.#go();
  }

  /** Takes what is complete, then reads on. A receiver that answers, pauses or resumes meanwhile is heeded in between. */
  #go(): void {
    if (this.#isGoing || this.#turn !== undefined) return;
    this.#isGoing = true;
    try {
      this.#takeSome();
    } finally {
      this.#isGoing = false;
    }
  }

  #takeSome(): void {
    for (let i = 0; i < PER_TURN; i += 1) {
      if (this.#isPaused || this.#isFull || this.#isOver) return;
      const message = this.#next();
      if (message === undefined) {
        this.#readOn();
        return;
      }
      this.#events.message(message);
    }
    this.#link.pause();
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      this.#go();
    });
  }

  #next(): Buffer | undefined {
    if (this.#waiting.length < LENGTH_BYTES) return undefined;
    const end = LENGTH_BYTES + this.#waiting.readUInt16BE(0);
    if (this.#waiting.length < end) return undefined;
    const message = this.#waiting.subarray(LENGTH_BYTES, end);
    this.#waiting = this.#waiting.subarray(end);
    return message;
  }

  #readOn(): void {
    if (!this.#peerEnded) {
      this.#link.resume();
      return;
    }
    if (this.#toldEnd) return;
    this.#toldEnd = true;
    this.#events.end();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#turn !== undefined) clearImmediate(this.#turn);
    this.#waiting = Buffer.alloc(0);
    this.#events.over();
  }
}
