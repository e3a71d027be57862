/** A TCP connection that is read and written without Node: bytes arrive in a callback, a write says whether to go on. */
import { HeldViews } from './held-views.ts';
import { addressOf, EAGAIN, EINTR, sys } from './kernel.ts';
import { Pipe } from './pipe.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { bytesCome } from './turn.ts';
import { READABLE, type Watch, type WatchEvents, WRITABLE } from './watch.ts';

export type TcpLinkEvents = {
  /** Valid only during the call. The {@link HEADROOM_BYTES} before it may be overwritten. */
  data(view: Buffer): void;
  /** Where bytes would end up that `data` was told of now, when nothing waits before them: another connection as it is. */
  outlet?(): TcpLink | undefined;
  /** So many bytes went to the outlet, and `data` is not told of them. */
  passed?(bytes: number): void;
  /** What a `write` that said false left over has gone out. */
  drained(): void;
  /** The peer sends no more. */
  end(): void;
  /** Reset by the peer, or broken otherwise: closed, and nothing follows. */
  broken(): void;
  /** Closed after both sides had ended, and all of ours had left. */
  closed(): void;
};

/** Before every view: who forwards it in frames has room for a frame's header, and need not copy the bytes. */
export const HEADROOM_BYTES = 16;
/** Larger reads cost fewer calls on long streams (design.md, decision 3), but what is larger than a core's own cache is fetched twice. */
const READ_BYTES = 256 * 1024;
/** Of what follows a write: an answer, most likely, at whose first bytes its reader has to think, and to hold the rest. */
const FIRST_READ_BYTES = 64 * 1024;
/** What the kernel had last, from which on it is worth two calls to move bytes rather than to copy them twice. */
const BULK_BYTES = READ_BYTES / 2;
/** One for all connections of this thread: a view is passed on before the next read. */
const incoming = Buffer.alloc(HEADROOM_BYTES + READ_BYTES);
const readAddress = addressOf(incoming) + BigInt(HEADROOM_BYTES);

/** The bytes from which `view` may be written with a header before it; undefined for views of any other memory. */
export function withHeadroom(view: Uint8Array): Buffer | undefined {
  return view.buffer === incoming.buffer && view.byteOffset - incoming.byteOffset >= HEADROOM_BYTES
    ? incoming
    : undefined;
}

/** Starts paused. Owns the connection. */
export class TcpLink implements WatchEvents {
  readonly #connection: TcpConnection;
  readonly #watch: Watch;
  #events: TcpLinkEvents | undefined;
  #isPaused = true;
  #peerEnded = false;
  #ended = false;
  #isClosed = false;
  /** For the next read. */
  #readBytes = FIRST_READ_BYTES;
  /** What the kernel did not take, in order. */
  readonly #backlog = new HeldViews();
  /** The last read found a lot. */
  #isBulk = false;
  /** Holds what the outlet did not take: nothing is read until it has. */
  #pipe: Pipe | undefined;
  /** Where the pipe leads. */
  #leadsTo: TcpLink | undefined;
  /** Whose pipe waits for room here. */
  #feeder: TcpLink | undefined;

  /** @throws KernelError when the connection is closed. */
  constructor(connection: TcpConnection) {
    this.#connection = connection;
    this.#watch = connection.watch(this);
    this.#watch.want(0);
    connection.onClose(() => this.#gone()); // somebody else may close it
  }

  /** Names the receiver; reading begins with `resume`. */
  deliver(events: TcpLinkEvents): void {
    this.#events = events;
  }

  pause(): void {
    this.#isPaused = true;
    this.#want();
  }

  resume(): void {
    this.#isPaused = false;
    this.#want();
  }

  /** False: keeps a copy of what did not fit; stop until `drained`. */
  write(view: Uint8Array): boolean {
    if (this.#ended || this.#isClosed) return true;
    this.#readBytes = FIRST_READ_BYTES;
    if (this.#isWaiting()) {
      this.#backlog.push(view);
      return false;
    }
    const sent = sys.sendAt(this.#connection.fd, addressOf(view), view.length); // looked at again below: so it stays
    if (sent === view.length) return true;
    if (sent < 0 && sent !== -EAGAIN && sent !== -EINTR) {
      this.#break();
      return true;
    }
    this.#backlog.push(view, Math.max(sent, 0));
    this.#want();
    return false;
  }

  /** No more bytes from us; what waits still goes. */
  end(): void {
    if (this.#ended || this.#isClosed) return;
    this.#ended = true;
    if (!this.#isWaiting()) this.#sayEnd();
  }

  /** Cuts with RST, and tells nobody. */
  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop();
    this.#connection.reset();
  }

  /** Itself, when the kernel may be handed bytes right now. */
  get outlet(): TcpLink | undefined {
    return this.#ended || this.#isClosed || this.#isWaiting() ? undefined : this;
  }

  // What the watch tells.

  ready(status: number, mask: number): void {
    if (status < 0) {
      // libuv stops watching after an error; the calls below say what it is, and read what came before it.
      if (this.#isReading()) this.#read();
      if (!this.#isClosed) this.#break();
      return;
    }
    if ((mask & WRITABLE) !== 0) {
      if (this.#feeder !== undefined) this.#feeder.#drain();
      if (this.#feeder === undefined && (this.#backlog.bytes > 0 || this.#ended)) this.#flush();
    }
    if ((mask & ~WRITABLE) !== 0 && this.#isReading()) this.#read();
  }

  failed(error: unknown): void {
    throw error; // ours alone: rethrown as an uncaught exception
  }

  #read(): void {
    const outlet = this.#isBulk ? this.#events?.outlet?.() : undefined;
    const pipe = outlet && Pipe.take();
    if (outlet !== undefined && pipe !== undefined) return void this.#move(pipe, outlet);
    const n = sys.recvAt(this.#connection.fd, readAddress, this.#readBytes);
    if (n > 0) {
      this.#isBulk = n >= BULK_BYTES;
      if (n === this.#readBytes) this.#readBytes = READ_BYTES;
      bytesCome();
      this.#events?.data(incoming.subarray(HEADROOM_BYTES, HEADROOM_BYTES + n));
    } else this.#readNothing(n);
  }

  #readNothing(n: number): void {
    if (n === 0) {
      this.#peerEnded = true;
      this.#events?.end();
      this.#closeIfOver();
      this.#want(); // if there is still something to wait for
    } else if (n !== -EAGAIN && n !== -EINTR) {
      this.#break();
    }
  }

  /** Like a read and a write, and no byte of it is copied. */
  #move(pipe: Pipe, outlet: TcpLink): void {
    const n = pipe.fill(this.#connection.fd);
    this.#isBulk = n >= BULK_BYTES;
    if (n <= 0) {
      pipe.giveBack();
      this.#readNothing(n);
      return;
    }
    this.#pipe = pipe;
    this.#leadsTo = outlet;
    this.#events?.passed?.(n);
    this.#drain();
  }

  /** On with what the pipe holds; until it is empty nothing is read. */
  #drain(): void {
    const [pipe, outlet] = [this.#pipe, this.#leadsTo];
    if (pipe === undefined || outlet === undefined) return;
    if (pipe.drain(outlet.#connection.fd) < 0) {
      this.#letGo();
      outlet.#break();
      return;
    }
    if (pipe.bytes === 0) return void this.#letGo();
    outlet.#feeder = this;
    outlet.#want();
    this.#want();
  }

  /** Gives the pipe back; what it holds is lost. */
  #letGo(): void {
    const [pipe, outlet] = [this.#pipe, this.#leadsTo];
    this.#pipe = undefined;
    this.#leadsTo = undefined;
    pipe?.giveBack();
    if (outlet === undefined || outlet.#feeder === undefined) return; // nothing had to wait
    outlet.#feeder = undefined;
    outlet.#want();
    this.#want();
  }

  #flush(): void {
    for (let head = this.#backlog.take(); head !== undefined; head = this.#backlog.take()) {
      const sent = sys.sendAt(this.#connection.fd, addressOf(head), head.length); // held by the backlog
      this.#backlog.giveBack(Math.max(sent, 0));
      if (sent < 0) {
        if (sent !== -EAGAIN && sent !== -EINTR) this.#break();
        return;
      }
      if (sent < head.length) return;
    }
    this.#want();
    if (this.#ended) this.#sayEnd();
    else this.#events?.drained();
  }

  #sayEnd(): void {
    if (!this.#peerEnded) this.#connection.shutdown(); // else closing says it, nothing being unread
    this.#closeIfOver();
  }

  #closeIfOver(): void {
    if (!this.#peerEnded || !this.#ended || this.#isWaiting() || this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
    this.#events?.closed();
  }

  #break(): void {
    this.#gone();
    this.#connection.reset();
  }

  #gone(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#drop();
    this.#events?.broken();
  }

  #isReading(): boolean {
    return !this.#isPaused && !this.#peerEnded && !this.#isClosed && this.#pipe === undefined;
  }

  /** Whether something has to go out before what comes now. */
  #isWaiting(): boolean {
    return this.#backlog.bytes > 0 || this.#feeder !== undefined;
  }

  /** Everything that waits is lost, here and before. */
  #drop(): void {
    this.#backlog.clear();
    this.#letGo();
    if (this.#feeder !== undefined) this.#feeder.#letGo();
  }

  #want(): void {
    if (this.#isClosed) return;
    this.#watch.want((this.#isReading() ? READABLE : 0) | (this.#isWaiting() ? WRITABLE : 0));
  }
}
