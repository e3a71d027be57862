/** The writing half of an HTTP/1.1 connection: one message after another, head and first bytes in one write. */
import type { Leg } from '../../hbone/index.ts';
import type { HeaderFields } from '../header-fields.ts';
import { HttpError } from '../http-error.ts';
import type { Body, BodyEvents } from '../message.ts';
import { CORK_BYTES, giveCork, takeCork } from './cork.ts';
import { HeadText } from './head-text.ts';

/** How a body is written: so many bytes; in chunks, with or without trailers; raw, until either side ends; or not at all. */
export type OutgoingFraming = number | 'chunked' | 'chunked-with-trailers' | 'raw' | 'none';

export interface OutletOwner {
  /** The whole message was handed to the leg. */
  sent(): void;
  /** The message cannot be completed: the connection has to be cut. */
  unsent(error: HttpError): void;
}

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');
/** Framing around a chunk, and to spare. */
const CHUNK_ROOM = 32;

export class Outlet {
  readonly #leg: Leg;
  readonly #owner: OutletOwner;
  readonly #moved: (() => void) | undefined;
  #message: OutgoingMessage | undefined;
  #cork: Buffer | undefined;
  #corked = 0;
  /** The leg has said false. */
  isBlocked = false;

  /** `moved` is told of each write, when somebody wants to know. */
  constructor(leg: Leg, owner: OutletOwner, moved?: () => void) {
    this.#leg = leg;
    this.#owner = owner;
    this.#moved = moved;
  }

  /** Writes a head by itself. @throws HttpError when it can't be sent; then nothing was. */
  head(head: HeadText): void {
    this.#openCork(head);
    this.#closeCork();
  }

  /** Writes a head and the body after it; the owner is told, maybe from inside. @throws HttpError as `head`. */
  message(head: HeadText, body: Body, framing: OutgoingFraming): void {
    this.#openCork(head);
    if (framing === 'none' || framing === 0) {
      this.#closeCork();
      this.#owner.sent();
      return;
    }
    const message = new OutgoingMessage(this, body, framing);
    this.#message = message;
    body.deliver(message);
    this.#closeCork();
    if (message.isOver) this.#finish(message);
    else if (this.isBlocked) body.pause();
  }

  /** Writes bytes without a head, until either side ends. */
  raw(body: Body): void {
    const message = new OutgoingMessage(this, body, 'raw');
    this.#message = message;
    body.deliver(message);
    if (!message.isOver && this.isBlocked) body.pause();
  }

  /** The leg has room again. */
  writable(): void {
    this.isBlocked = false;
    this.#message?.resume();
  }

  /** Gives up what is under way, without a word to the owner. */
  stop(): void {
    const message = this.#message;
    this.#message = undefined;
    message?.stop();
  }

  // What the message calls.

  /** Sends bytes as they are; false when there is no room. */
  write(view: Uint8Array): boolean {
    const cork = this.#cork;
    if (cork !== undefined) {
      if (this.#corked + view.length <= cork.length) {
        cork.set(view, this.#corked);
        this.#corked += view.length;
        return !this.isBlocked;
      }
      this.#flushCork(cork);
    }
    return this.#send(view);
  }

  /** Sends bytes as a chunk. */
  writeChunk(view: Uint8Array): boolean {
    const size = `${view.length.toString(16)}\r\n`;
    let cork = this.#cork;
    const isOwn = cork === undefined;
    if (view.length + CHUNK_ROOM > CORK_BYTES) {
      this.write(Buffer.from(size, 'latin1'));
      this.write(view);
      return this.write(CRLF);
    }
    if (cork === undefined) {
      cork = takeCork();
      this.#cork = cork;
    } else if (this.#corked + view.length + CHUNK_ROOM > cork.length) {
      this.#flushCork(cork);
    }
    let at = this.#corked;
    at += cork.write(size, at, 'latin1');
    cork.set(view, at);
    at += view.length;
    cork[at] = 13;
    cork[at + 1] = 10;
    this.#corked = at + 2;
    if (isOwn) this.#closeCork();
    return !this.isBlocked;
  }

  writeLastChunk(trailers: HeaderFields | undefined): void {
    if (trailers === undefined || trailers.count === 0) {
      this.write(LAST_CHUNK);
      return;
    }
    const text = new HeadText('0\r\n');
    text.addAll(trailers);
    text.end();
    const bytes = Buffer.allocUnsafe(text.text.length * 3); // as much as UTF-8 may want, before it is found out
    this.write(bytes.subarray(0, text.writeTo(bytes, 0)));
  }

  endRaw(): void {
    const cork = this.#cork;
    if (cork !== undefined) this.#flushCork(cork);
    this.#leg.end();
  }

  /** The message is complete, or can't be. Told from inside `message` after that has flushed. */
  over(message: OutgoingMessage): void {
    if (this.#cork === undefined) this.#finish(message);
  }

  #finish(message: OutgoingMessage): void {
    if (this.#message !== message) return;
    this.#message = undefined;
    if (message.failure === undefined) this.#owner.sent();
    else this.#owner.unsent(message.failure);
  }

  #openCork(head: HeadText): void {
    const needed = head.text.length * 3;
    const cork = needed > CORK_BYTES ? Buffer.allocUnsafeSlow(needed) : takeCork();
    try {
      this.#corked = head.writeTo(cork, 0);
    } catch (error) {
      giveCork(cork);
      throw error;
    }
    this.#cork = cork;
  }

  #closeCork(): void {
    const cork = this.#cork;
    if (cork === undefined) return;
    this.#flushCork(cork);
    this.#cork = undefined;
    giveCork(cork);
  }

  #flushCork(cork: Buffer): void {
    const bytes = this.#corked;
    this.#corked = 0;
    if (bytes > 0) this.#send(cork.subarray(0, bytes));
  }

  #send(view: Uint8Array): boolean {
    this.#moved?.();
    const hasRoom = this.#leg.write(view);
    if (!hasRoom) this.isBlocked = true;
    return !this.isBlocked;
  }
}

/** One body on its way out. Each has its own, so that a body that speaks after its end speaks to nobody. */
class OutgoingMessage implements BodyEvents {
  isOver = false;
  failure: HttpError | undefined;
  readonly #outlet: Outlet;
  readonly #body: Body;
  readonly #framing: OutgoingFraming;
  /** Of a body whose length was announced. */
  #left: number;

  constructor(outlet: Outlet, body: Body, framing: OutgoingFraming) {
    this.#outlet = outlet;
    this.#body = body;
    this.#framing = framing;
    this.#left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY;
  }

  data(view: Uint8Array): void {
    if (this.isOver || view.length === 0) return; // a chunk of no bytes would be the last
    this.#left -= view.length;
    if (this.#left < 0) {
      this.#body.cancel();
      this.#fail(lengthError('more'));
      return;
    }
    const hasRoom =
      this.#framing === 'chunked' || this.#framing === 'chunked-with-trailers'
        ? this.#outlet.writeChunk(view)
        : this.#outlet.write(view);
    if (!hasRoom) this.#body.pause();
  }

  end(trailers: HeaderFields | undefined): void {
    if (this.isOver) return;
    switch (this.#framing) {
      case 'chunked':
        this.#outlet.writeLastChunk(undefined);
        break;
      case 'chunked-with-trailers':
        try {
          this.#outlet.writeLastChunk(trailers);
        } catch (error) {
          this.#fail(error as HttpError);
          return;
        }
        break;
      case 'raw':
        this.#outlet.endRaw();
        break;
      default:
        if (this.#left > 0) {
          this.#fail(lengthError('fewer'));
          return;
        }
    }
    this.isOver = true;
    this.#outlet.over(this);
  }

  failed(error: HttpError): void {
    if (!this.isOver) this.#fail(error);
  }

  resume(): void {
    if (!this.isOver) this.#body.resume();
  }

  stop(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#body.cancel();
  }

  #fail(error: HttpError): void {
    this.isOver = true;
    this.failure = error;
    this.#outlet.over(this);
  }
}

const lengthError = (than: string): HttpError =>
  new HttpError('malformed', `a body of ${than} bytes than its length says`, {
    detail: 'http1.body_length',
    status: 502,
  });
