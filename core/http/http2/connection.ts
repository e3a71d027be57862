/** One HTTP/2 connection that carries requests, over a leg; the part that both roles share. */
import {
  DEFAULT_FRAME_BYTES,
  DEFAULT_H2_LIMITS,
  H2Connection,
  type H2Limits,
  type H2Settings,
  HpackEncoder,
  type Rate,
  SETTING,
} from '../../h2/index.ts';
import type { Leg } from '../../hbone/index.ts';
import { Deadline, type Deadlines, threadDeadlines } from '../deadlines.ts';
import type { HeaderFields } from '../header-fields.ts';
import type { HttpLimits } from '../message.ts';
import { type HttpField, newFieldDecoder, OF_THE_CONNECTION } from './fields.ts';
import { LegWire } from './leg-wire.ts';
import type { Carrier, MessageStream } from './message-stream.ts';

/** Larger frames of one stream would keep the others waiting. */
const FRAME_BYTES = 64 * 1024;
/** A stream begins with little, since most messages are small, and gets more as its reader keeps up. */
const FIRST_WINDOW_BYTES = 64 * 1024;
const STREAM_WINDOW_BYTES = 2 << 20;
const CONNECTION_WINDOW_BYTES = 4 << 20;
/** Received for readers that do not read, all streams of a connection together. */
const HELD_BYTES = 16 << 20;
/** Heads of responses count as well: all streams may be answered at once for a peer that reads slowly. */
const UNSENT_ANSWER_BYTES = 1 << 20;
/** How often a connection looks for streams that may send nothing. */
const ROUND_MS = 10_000;
/** For the peer to acknowledge our SETTINGS. */
const SETTINGS_MS = 10_000;
/** For the peer to read what is left, and to close. */
const LINGER_MS = 30_000;
/** The same, where nothing is worth waiting for: it was cut, or broke the rules. */
const CUT_LINGER_MS = 1_000;
/** A client of gRPC may measure its way by a PING for each message that it reads: only what costs us is too many. */
const CONTROL_FRAMES: Rate = { burst: 10_000, perSecond: 5_000 };
/** What Content-Length takes, when we write it. */
const LENGTH_FIELD_BYTES = 48;

/** Never sent on, wherever they come from; `host` is `:authority`. */
const LEFT_OUT: ReadonlySet<string> = new Set([...OF_THE_CONNECTION, 'host', 'content-length']);

/** Says what a message's Content-Length is: a number, nothing, or what is among its headers. */
export type Length = number | undefined | 'as-told';

export type HttpConnectionOptions = {
  readonly role: 'client' | 'server';
  readonly leg: Leg;
  readonly limits: HttpLimits;
  readonly deadlines?: Deadlines;
  readonly h2Limits?: Partial<H2Limits>;
};

export abstract class HttpConnection<S extends MessageStream> extends H2Connection<S, HttpField> implements Carrier {
  readonly closed: Promise<void>;
  readonly deadlines: Deadlines;
  readonly streamIdleMs: number;
  protected readonly limits: HttpLimits;
  /** The peer's SETTINGS have come. */
  protected isSettled = false;
  /** Streams that are over on the wire and hold what nobody has read yet. */
  protected unreadStreams = 0;
  readonly #leg: Leg;
  readonly #wire: LegWire;
  /** For the peer's SETTINGS, and then for each header block that has begun. */
  readonly #head: Deadline;
  readonly #idle: Deadline;
  readonly #age: Deadline;
  #isHeadLate = false;
  #isClosing = false;
  #isCut = false;

  constructor(o: HttpConnectionOptions) {
    const { limits, leg, role } = o;
    const wire = new LegWire(leg);
    super({
      role,
      wire,
      settings: settingsOf(limits),
      limits: { ...limitsOf(limits), ...o.h2Limits },
      decoder: newFieldDecoder(),
      maxHeaderListBytes: limits.headBytes,
      // RFC 8441 section 3
      moreSettings: role === 'server' ? [[SETTING.ENABLE_CONNECT_PROTOCOL, 1]] : [],
      events: {
        ready: () => this.#head.clear(),
        settled: () => {
          this.isSettled = true;
          wire.limitTable(this.peerSettings.headerTableBytes);
          this.changed();
        },
        leaving: () => this.changed(),
        over: (fault) => this.#over(fault !== undefined),
      },
    });
    this.limits = limits;
    this.deadlines = o.deadlines ?? threadDeadlines();
    this.streamIdleMs = limits.streamIdleMs;
    this.closed = leg.closed;
    this.#leg = leg;
    this.#wire = wire;
    this.#head = new Deadline(this.deadlines, () => this.cut());
    this.#idle = new Deadline(this.deadlines, () => this.drain());
    this.#age = new Deadline(this.deadlines, () => this.drain());
    if (role === 'server') this.#head.set(limits.headMs);
    this.#idle.set(limits.idleMs);
    this.#age.set(limits.connectionMs);
    void leg.closed.then(() => {
      this.lost();
      for (const deadline of [this.#head, this.#idle, this.#age]) deadline.close();
    });
  }

  /** Begins to hear what the leg brings; `first` came before. */
  protected start(first?: Uint8Array): void {
    if (first !== undefined && first.length > 0) this.#heard(first);
    this.#leg.deliver({
      data: (view) => this.#heard(view),
      writable: () => {
        this.#wire.isBlocked = false;
        this.#wire.flush();
        if (!this.#wire.isBlocked) this.drained();
      },
      end: () => {
        this.lost();
        this.#leg.end();
      },
      reset: () => this.lost(),
    });
  }

  override cut(): void {
    this.#isCut = true;
    super.cut();
  }

  // What streams ask.

  override sendEnd(stream: S): void {
    if (!this.#wire.endWithLast(stream.id)) super.sendEnd(stream);
  }

  sendTrailers(stream: MessageStream, trailers: HeaderFields): void {
    const encoder = this.#wire.beginHeaders(HpackEncoder.boundOf(trailers.list));
    putFields(encoder, trailers.list);
    this.#sendBlock(stream.id, true);
  }

  fault(stream: MessageStream, code: number): void {
    this.streamFault(stream.id, code);
  }

  unread(change: 1 | -1): void {
    this.unreadStreams += change;
    if (change < 0) this.changed();
  }

  override newReceiveWindow() {
    return super.newReceiveWindow();
  }

  override forget(stream: S): void {
    super.forget(stream);
    if (this.streamCount === 0) this.#idle.set(this.limits.idleMs);
  }

  /** `pseudo`: name, value, name, value… */
  protected sendHead(
    streamId: number,
    pseudo: readonly string[],
    headers: HeaderFields,
    length: Length,
    isLast: boolean,
  ): void {
    const { list } = headers;
    const encoder = this.#wire.beginHeaders(
      HpackEncoder.boundOf(pseudo) + HpackEncoder.boundOf(list) + LENGTH_FIELD_BYTES,
    );
    for (let at = 0; at < pseudo.length; at += 2) encoder.field(pseudo[at] as string, pseudo[at + 1] as string);
    putFields(encoder, list, length === 'as-told');
    if (typeof length === 'number') encoder.field('content-length', String(length));
    this.#sendBlock(streamId, isLast);
  }

  protected override addStream(stream: S): void {
    if (this.streamCount === 0) this.#idle.clear();
    super.addStream(stream);
  }

  protected override later(ms: number, work: () => void): Disposable {
    const deadline = new Deadline(this.deadlines, work);
    deadline.set(ms);
    return { [Symbol.dispose]: () => deadline.close() };
  }

  /** What the connection can take may be another now. */
  protected abstract changed(): void;

  #sendBlock(streamId: number, isLast: boolean): void {
    const bytes = this.#wire.endHeaders(streamId, isLast, this.peerSettings.maxFrameBytes);
    this.wrote(bytes);
  }

  #heard(view: Uint8Array): void {
    this.feed(Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength));
    if (this.isInsideBlock === this.#isHeadLate) return;
    this.#isHeadLate = !this.#isHeadLate;
    this.#head.set(this.#isHeadLate ? this.limits.headMs : 0);
  }

  #over(isFault: boolean): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#idle.close();
    this.#age.close();
    // The wire has said its end; who does not close then is cut.
    this.#head.close();
    const linger = new Deadline(this.deadlines, () => this.#leg.reset('cancel'));
    linger.set(isFault || this.#isCut ? CUT_LINGER_MS : LINGER_MS);
    void this.closed.then(() => linger.close());
    this.changed();
  }
}

/** All that may be sent on; Content-Length only where it was not decided otherwise. */
function putFields(encoder: HpackEncoder, list: readonly string[], hasLength = false): void {
  for (let at = 0; at < list.length; at += 2) {
    const name = list[at] as string;
    const value = list[at + 1] as string;
    if (LEFT_OUT.has(name) && !(hasLength && name === 'content-length')) continue;
    if (name.charCodeAt(0) === 0x3a || (name === 'te' && value !== 'trailers')) continue;
    encoder.field(name, value);
  }
}

function settingsOf(limits: HttpLimits): H2Settings {
  return {
    streamWindowBytes: STREAM_WINDOW_BYTES,
    firstWindowBytes: FIRST_WINDOW_BYTES,
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    frameBytes: FRAME_BYTES,
    maxConcurrentStreams: limits.streams,
    handshakeTimeoutMs: SETTINGS_MS,
    pingIntervalMs: ROUND_MS,
    pingTimeoutMs: 0,
  };
}

function limitsOf(limits: HttpLimits): H2Limits {
  // Encoded, what is a little too large for us has to be read, so that it can be answered.
  const headerBlockBytes = Math.max(DEFAULT_H2_LIMITS.headerBlockBytes, 2 * limits.headBytes);
  return {
    ...DEFAULT_H2_LIMITS,
    headerBlockBytes,
    continuations: Math.max(DEFAULT_H2_LIMITS.continuations, (2 * headerBlockBytes) / DEFAULT_FRAME_BYTES),
    // Four pseudo-header fields are not among those that are counted.
    headerFields: limits.headFields + 5,
    heldBytes: HELD_BYTES,
    controlFrames: CONTROL_FRAMES,
    unsentAnswerBytes: UNSENT_ANSWER_BYTES,
    ...(limits.streamIdleMs > 0 ? { stallMs: limits.streamIdleMs } : {}),
  };
}
