/**
 * One HTTP/2 connection (RFC 9113), for either role: frames, windows, fairness, and what a peer may do. What streams carry, and
 * what their header lists mean, is for those who extend it: tunnels in core/hbone, requests in core/http.
 */
import { bytesCome, endTurn, soon } from '../net/index.ts';
import type { ConnectionOptions, H2Stream } from './connection-types.ts';
import { ConnectionFault, H2 } from './faults.ts';
import { firstWindowBytes, MAX_WINDOW_BYTES, ReceiveWindow, WindowGrowth } from './flow-window.ts';
import {
  DEFAULT_FRAME_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameReader,
  type FrameSink,
  frame,
  goawayFrame,
  numberFrame,
  putHeader,
  SETTING,
  settingsFrame,
} from './frames.ts';
import { type HeaderBlock, HeaderBlocks } from './header-blocks.ts';
import { FloodGuard } from './limits.ts';
import { Liveness } from './liveness.ts';
import { PeerSettings } from './peer-settings.ts';

const NOTHING = Buffer.alloc(0);
/** Of the frame that is being written, whichever connection's it is. */
const dataHeader = Buffer.alloc(FRAME_HEADER_BYTES);
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** RFC 9113 section 6.9.2: both windows begin here, whatever SETTINGS say of streams. */
const DEFAULT_WINDOW_BYTES = 65_535;
/** Larger frames would keep other streams of the connection waiting. */
const MAX_SENT_FRAME_BYTES = 240 * 1024 - FRAME_HEADER_BYTES; // with its header, fifteen full TLS records
/** What a waiting stream may send before the next one has its turn. */
const QUANTUM_BYTES = 64 * 1024;
/** Streams that we reset and that the peer may still be sending on. */
const MAX_REMEMBERED_RESETS = 1_024;
/** RFC 9113 section 5.1.1: the last number a client may give a stream. */
const LAST_STREAM_ID = 2 ** 31 - 1;
/** Of the PING by whose answer a server learns that its first GOAWAY was read. */
const FAREWELL = Buffer.from('farewell');
/** How long it waits for that. */
const FAREWELL_MS = 1_000;

/**
 *     open --GOAWAY, either side--> draining --last stream gone--> over
 *       \                              |
 *        +----- fault, wire gone, cut --+-------------------------> over
 *
 * A server that drains has sent a first GOAWAY while it was open, which takes all streams.
 */
export abstract class H2Connection<S extends H2Stream, F> implements FrameSink {
  readonly peerSettings: PeerSettings;
  readonly #o: ConnectionOptions<F>;
  readonly #now: () => number;
  readonly #reader: FrameReader;
  readonly #blocks: HeaderBlocks<F>;
  readonly #liveness: Liveness;
  readonly #growth: WindowGrowth;
  readonly #firstWindow: number;
  readonly #streams = new Map<number, S>();
  readonly #waiting = new Set<S>();
  readonly #resetByUs = new Set<number>();
  readonly #floods: Readonly<Record<'reset' | 'control' | 'malformed', FloodGuard>>;
  #state: 'open' | 'draining' | 'over' = 'open';
  #prefaceBytes = 0;
  #isSettled = false;
  #lastPeerStream = 0;
  #nextOwnStream = 1;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #receiveLeft: number;
  #uncredited = 0;
  #held = 0;
  #unsentAnswers = 0;
  #contentBytes = 0;
  #hasSentGoaway = false;
  #farewell: Disposable | undefined;
  /** By the peer's GOAWAY: the last of our streams that it may have looked at. */
  #lastTaken = LAST_STREAM_ID;

  constructor(o: ConnectionOptions<F>) {
    this.#o = o;
    this.#now = o.now ?? (() => performance.now());
    const { limits, settings, role } = o;
    this.#floods = {
      reset: new FloodGuard('rapid-reset', limits.earlyResets, this.#now),
      control: new FloodGuard('control-flood', limits.controlFrames, this.#now),
      malformed: new FloodGuard('malformed-streams', limits.malformedStreams, this.#now),
    };
    this.peerSettings = new PeerSettings(role === 'server' ? 'client' : 'server');
    this.#blocks = new HeaderBlocks(o.decoder, limits, o.maxHeaderListBytes);
    const frameBytes = Math.max(settings.frameBytes, DEFAULT_FRAME_BYTES);
    this.#reader = new FrameReader(this, frameBytes);
    // All that the windows of live streams may hold stays below the limit: so a reader that stops blocks only itself.
    this.#firstWindow = firstWindowBytes(settings.streamWindowBytes, settings.firstWindowBytes);
    const first = settings.maxConcurrentStreams * this.#firstWindow;
    // Unless larger windows were configured than that leaves room for: who wants those pays for two.
    this.#growth = new WindowGrowth(Math.max(limits.heldBytes - first, 2 * settings.streamWindowBytes));
    if (role === 'client') o.wire.write(PREFACE);
    o.wire.write(
      settingsFrame([
        [SETTING.INITIAL_WINDOW_SIZE, this.#firstWindow],
        [SETTING.MAX_FRAME_SIZE, frameBytes],
        [SETTING.MAX_HEADER_LIST_SIZE, o.maxHeaderListBytes],
        role === 'client' ? [SETTING.ENABLE_PUSH, 0] : [SETTING.MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams],
        ...(o.moreSettings ?? []),
      ]),
    );
    this.#receiveLeft = Math.max(settings.connectionWindowBytes, DEFAULT_WINDOW_BYTES);
    const more = this.#receiveLeft - DEFAULT_WINDOW_BYTES;
    if (more > 0) o.wire.write(numberFrame(FRAME.WINDOW_UPDATE, 0, more));
    this.#liveness = new Liveness({
      settings,
      now: this.#now,
      round: () => this.#cutStalled(),
      ping: (payload) => this.#write(frame(FRAME.PING, 0, 0, payload)),
      dead: () => this.cut(),
      fault: (fault) => this.#fail(fault),
    });
  }

  /** Streams that are open on the wire. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Received for readers that do not read. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Whether new streams may be opened. */
  get isUsable(): boolean {
    return this.#state === 'open' && this.#nextOwnStream <= LAST_STREAM_ID;
  }

  /** The peer lets us send nothing at all, on no stream. */
  get isSaturated(): boolean {
    return this.#sendWindow <= 0;
  }

  /** Bytes from the wire; a fault of the peer ends the connection. */
  feed(bytes: Buffer): void {
    if (this.#state === 'over') return;
    try {
      this.#reader.feed(this.#afterPreface(bytes));
      this.#checkUnread();
    } catch (error) {
      if (error instanceof ConnectionFault) return void this.#fail(error);
      this.#fail(new ConnectionFault(H2.INTERNAL_ERROR, 'our own fault'));
      throw error;
    }
  }

  /** The wire has room again. */
  drained(): void {
    this.#unsentAnswers = 0;
    this.#pumpAll();
  }

  /** The wire is gone. */
  lost(): void {
    this.#finish('connect-error', undefined);
  }

  /**
   * GOAWAY; ends with its last stream. A server takes leave in two steps, so that streams which are on their way when the
   * peer hears of it are served and not given back: RFC 9113 section 6.8.
   */
  drain(): void {
    if (this.#state !== 'open' || this.#farewell !== undefined) return;
    if (this.#o.role === 'client') return void this.#leave();
    this.#write(goawayFrame(LAST_STREAM_ID, H2.NO_ERROR));
    this.#write(frame(FRAME.PING, 0, 0, FAREWELL));
    this.#farewell = this.later(FAREWELL_MS, () => this.#leave());
  }

  /** Resets what runs (CANCEL), and is gone. */
  cut(): void {
    if (this.#state === 'over') return;
    for (const stream of this.#streams.values()) this.#write(numberFrame(FRAME.RST_STREAM, stream.id, H2.CANCEL));
    this.#goaway(H2.NO_ERROR);
    this.#finish('cancel', undefined);
  }

  // What streams ask of their connection.

  get isBlocked(): boolean {
    return this.#o.wire.isBlocked;
  }

  sendData(stream: S, view: Uint8Array): number {
    const maxFrame = Math.min(this.peerSettings.maxFrameBytes, MAX_SENT_FRAME_BYTES);
    let at = 0;
    while (at < view.length && !this.#o.wire.isBlocked) {
      const n = Math.min(view.length - at, maxFrame, stream.sendWindow, this.#sendWindow);
      if (n <= 0) {
        stream.stalledSince ??= this.#now();
        break;
      }
      putHeader(dataHeader, n, FRAME.DATA, 0, stream.id);
      this.#o.wire.writeFrame(dataHeader, n === view.length ? view : view.subarray(at, at + n));
      stream.sendWindow -= n;
      this.#sendWindow -= n;
      stream.stalledSince = undefined;
      at += n;
    }
    return at;
  }

  sendEnd(stream: S): void {
    this.#write(frame(FRAME.DATA, FLAG.END_STREAM, stream.id));
  }

  sendReset(stream: S, code: number): void {
    this.#rememberReset(stream.id);
    this.#write(numberFrame(FRAME.RST_STREAM, stream.id, code)); // asked for by us: not the peer's flood
    this.#failUnreadSoon();
  }

  sendCredit(stream: S, bytes: number): void {
    this.#write(numberFrame(FRAME.WINDOW_UPDATE, stream.id, bytes));
  }

  waitForRoom(stream: S): void {
    this.#waiting.add(stream);
  }

  holds(bytes: number): void {
    this.#held += bytes;
    if (bytes < 0) this.#creditConnection();
  }

  forget(stream: S): void {
    this.#streams.delete(stream.id);
    stream.releaseWindow();
    this.#waiting.delete(stream);
    this.#checkDrained();
  }

  // Frames, as the reader finds them.

  begin(f: FrameHeader): void {
    if (this.#state === 'over') return;
    if (f.type !== FRAME.DATA || (f.flags & FLAG.END_STREAM) !== 0) endTurn(); // who waits for it is told by promises
    if (!this.#isSettled && (f.type !== FRAME.SETTINGS || (f.flags & FLAG.ACK) !== 0)) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'the first frame has to be SETTINGS');
    }
    const continues = f.type === FRAME.CONTINUATION;
    const open = this.#blocks.openStream;
    if (continues !== (open !== undefined) || (open !== undefined && open !== f.streamId)) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'CONTINUATION out of place, or missing');
    }
    const isOfConnection = f.type === FRAME.SETTINGS || f.type === FRAME.PING || f.type === FRAME.GOAWAY;
    const isOfStream = f.type <= FRAME.RST_STREAM || continues;
    if ((isOfConnection && f.streamId !== 0) || (isOfStream && f.streamId === 0)) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, `a frame of type ${f.type} on stream ${f.streamId}`);
    }
    if (f.type === FRAME.PUSH_PROMISE)
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'PUSH_PROMISE is never allowed here');
    if (f.type === FRAME.DATA) this.#beginData(f);
    else if (f.type === FRAME.PRIORITY || f.type > FRAME.CONTINUATION) this.#floods.control.count();
  }

  data(streamId: number, piece: Buffer): void {
    if (this.#state === 'over') return;
    this.#contentBytes += piece.length;
    bytesCome();
    this.#streams.get(streamId)?.receiveData(piece);
  }

  finish(f: FrameHeader, payload: Buffer): void {
    if (this.#state === 'over') return;
    switch (f.type) {
      case FRAME.DATA:
        return void this.#finishData(f);
      case FRAME.HEADERS:
        return void this.#headers(this.#blocks.begin(f, payload));
      case FRAME.CONTINUATION:
        return void this.#headers(this.#blocks.continue(f, payload));
      case FRAME.RST_STREAM:
        return void this.#reset(f, payload.readUInt32BE(0));
      case FRAME.SETTINGS:
        return void this.#settings(f, payload);
      case FRAME.PING:
        return void this.#ping(f, payload);
      case FRAME.GOAWAY:
        return void this.#peerLeaves(payload.readUInt32BE(0) & LAST_STREAM_ID);
      case FRAME.WINDOW_UPDATE:
        return void this.#windowUpdate(f, payload.readUInt32BE(0) & MAX_WINDOW_BYTES);
      default: // PRIORITY is deprecated, unknown types are to be ignored (section 5.5)
    }
  }

  // What those who extend it say, and are asked.

  /** Server: fields came on a new stream, which nobody knows yet. */
  protected abstract opened(block: HeaderBlock<F>): void;

  /** Client: fields came on a stream that waits for its final head. */
  protected abstract answered(stream: S, block: HeaderBlock<F>): void;

  /** Fields came after the head. */
  protected abstract trailers(stream: S, block: HeaderBlock<F>): void;

  /** A timer of those who have their own. */
  protected later(ms: number, work: () => void): Disposable {
    const timer = setTimeout(work, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Client: the number of the next stream. Only while `isUsable`. */
  protected takeStreamId(): number {
    const id = this.#nextOwnStream;
    this.#nextOwnStream += 2;
    return id;
  }

  protected addStream(stream: S): void {
    this.#streams.set(stream.id, stream);
  }

  /** A header block has begun, and not ended. */
  protected get isInsideBlock(): boolean {
    return this.#blocks.openStream !== undefined;
  }

  protected isLive(stream: S): boolean {
    return this.#streams.get(stream.id) === stream;
  }

  protected newReceiveWindow(): ReceiveWindow {
    return new ReceiveWindow(this.#o.settings.streamWindowBytes, this.#growth, this.#firstWindow);
  }

  /** Everything but DATA: whoever asks for it, it is bounded while the peer does not read. */
  protected write(bytes: Buffer): void {
    this.#write(bytes);
  }

  /** After a write that was no answer to the frame under way. */
  protected failUnreadSoon(): void {
    this.#failUnreadSoon();
  }

  /** So many bytes, not of DATA, went to the wire past `write`. */
  protected wrote(bytes: number): void {
    if (!this.isBlocked) return;
    this.#unsentAnswers += bytes;
    this.#failUnreadSoon();
  }

  protected resetStream(streamId: number, code: number): void {
    this.#resetStream(streamId, code);
  }

  /** Legal, and good for nothing in numbers. @throws ConnectionFault when there were too many. */
  protected countControl(): void {
    this.#floods.control.count();
  }

  /** We refused it although it was legal. @throws ConnectionFault when there were too many. */
  protected countRefused(): void {
    this.#floods.malformed.count();
  }

  #afterPreface(bytes: Buffer): Buffer {
    if (this.#o.role === 'client' || this.#prefaceBytes === PREFACE.length) return bytes;
    const n = Math.min(PREFACE.length - this.#prefaceBytes, bytes.length);
    if (!bytes.subarray(0, n).equals(PREFACE.subarray(this.#prefaceBytes, this.#prefaceBytes + n))) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'the peer does not speak HTTP/2');
    }
    this.#prefaceBytes += n;
    return bytes.subarray(n);
  }

  #beginData(f: FrameHeader): void {
    this.#checkNotIdle(f.streamId);
    this.#receiveLeft -= f.length;
    if (this.#receiveLeft < 0) {
      throw new ConnectionFault(H2.FLOW_CONTROL_ERROR, "more than the connection's window", 'window-overflow');
    }
    this.#uncredited += f.length;
    this.#contentBytes = 0;
    const stream = this.#streams.get(f.streamId);
    if (f.length === 0 && (f.flags & FLAG.END_STREAM) === 0) this.#floods.control.count();
    if (stream === undefined) return void this.#onClosedStream(f.streamId);
    if (stream.hasPeerEnded) return void this.streamFault(f.streamId, H2.STREAM_CLOSED);
    if (this.#o.role === 'client' && !stream.isAnswered) return void this.streamFault(f.streamId, H2.PROTOCOL_ERROR);
    if (!stream.takes(f.length)) this.#overflow(f.streamId);
  }

  #finishData(f: FrameHeader): void {
    const stream = this.#streams.get(f.streamId);
    stream?.receivePadding(f.length - this.#contentBytes);
    if ((f.flags & FLAG.END_STREAM) !== 0) stream?.receiveEnd();
    this.#creditConnection();
  }

  #headers(block: HeaderBlock<F> | undefined): void {
    if (block === undefined) return;
    if (this.#o.role === 'server') this.#serverHeaders(block);
    else this.#clientHeaders(block);
  }

  #serverHeaders(block: HeaderBlock<F>): void {
    const { streamId } = block;
    const known = this.#streams.get(streamId);
    if (known !== undefined) return void this.#moreHeaders(known, block);
    if (streamId % 2 === 0) throw new ConnectionFault(H2.PROTOCOL_ERROR, `a client opened stream ${streamId}`);
    if (streamId <= this.#lastPeerStream) return void this.#headersOnClosed(streamId);
    // The peer knows by GOAWAY that it was not looked at; when it got that, it stops.
    if (this.#hasSentGoaway) return void this.#floods.control.count();
    this.#lastPeerStream = streamId;
    if (this.#streams.size >= this.#o.settings.maxConcurrentStreams) {
      this.#floods.malformed.count();
      return void this.#resetStream(streamId, H2.REFUSED_STREAM);
    }
    this.opened(block);
  }

  #clientHeaders(block: HeaderBlock<F>): void {
    const { streamId } = block;
    this.#checkNotIdle(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#onClosedStream(streamId);
    else if (stream.isAnswered) this.#moreHeaders(stream, block);
    else this.answered(stream, block);
  }

  #moreHeaders(stream: S, block: HeaderBlock<F>): void {
    if (stream.hasPeerEnded) this.streamFault(stream.id, H2.STREAM_CLOSED);
    else this.trailers(stream, block);
  }

  #headersOnClosed(streamId: number): void {
    if (this.#resetByUs.has(streamId)) return;
    throw new ConnectionFault(H2.STREAM_CLOSED, `fields on stream ${streamId}, which is over`);
  }

  #reset(f: FrameHeader, code: number): void {
    this.#checkNotIdle(f.streamId);
    const stream = this.#streams.get(f.streamId);
    if (stream === undefined) {
      // That both sides reset is no flood: so ends every stream that we refuse, or whose refusal we learn.
      if (!this.#resetByUs.delete(f.streamId)) this.#floods.control.count();
      return;
    }
    if (this.#o.role === 'server' && !stream.isAnswered) this.#floods.reset.count();
    stream.receiveReset(code);
  }

  #settings(f: FrameHeader, payload: Buffer): void {
    if ((f.flags & FLAG.ACK) !== 0) {
      if (f.length > 0) throw new ConnectionFault(H2.FRAME_SIZE_ERROR, 'SETTINGS that acknowledges and sets');
      return void this.#liveness.settingsTaken();
    }
    this.#floods.control.count('settings-flood');
    const before = this.peerSettings.initialWindowBytes;
    this.peerSettings.apply(payload);
    const change = this.peerSettings.initialWindowBytes - before;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw windowOverflow();
    }
    this.#write(frame(FRAME.SETTINGS, FLAG.ACK, 0));
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#o.events.ready();
    }
    this.#o.events.settled?.();
    if (change > 0) this.#pumpAll();
  }

  #ping(f: FrameHeader, payload: Buffer): void {
    if ((f.flags & FLAG.ACK) !== 0 && (this.#liveness.pong(payload) || this.#farewellRead(payload))) return;
    this.#floods.control.count('ping-flood');
    if ((f.flags & FLAG.ACK) === 0) this.#write(frame(FRAME.PING, FLAG.ACK, 0, payload));
  }

  #farewellRead(payload: Buffer): boolean {
    if (this.#farewell === undefined || this.#hasSentGoaway || !payload.equals(FAREWELL)) return false;
    this.#leave();
    return true;
  }

  /** The last word on which streams were taken. */
  #leave(): void {
    if (this.#state === 'over') return;
    this.#farewell?.[Symbol.dispose]();
    this.#goaway(H2.NO_ERROR);
    this.#state = 'draining';
    this.#checkDrained();
  }

  #peerLeaves(lastStreamId: number): void {
    this.#floods.control.count();
    if (lastStreamId > this.#lastTaken) {
      // Section 6.8: what was given back may be under way elsewhere.
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'GOAWAY takes more streams than the one before');
    }
    this.#lastTaken = lastStreamId;
    if (this.#state === 'open') this.#state = 'draining';
    if (this.#o.role === 'client') {
      // Not looked at, so that it may be tried elsewhere.
      for (const stream of [...this.#streams.values()]) {
        if (stream.id > lastStreamId) stream.receiveReset(H2.REFUSED_STREAM);
      }
    }
    this.#o.events.leaving?.();
    this.#checkDrained();
  }

  #windowUpdate(f: FrameHeader, increment: number): void {
    if (f.streamId === 0) {
      if (increment === 0) throw new ConnectionFault(H2.PROTOCOL_ERROR, 'WINDOW_UPDATE by nothing');
      const wasShut = this.#sendWindow <= 0;
      this.#sendWindow += increment;
      if (this.#sendWindow > MAX_WINDOW_BYTES) throw windowOverflow();
      // Otherwise nobody has waited for it, and asking them all would make this frame an expensive one.
      if (wasShut) this.#pumpAll();
      return;
    }
    this.#checkNotIdle(f.streamId);
    const stream = this.#streams.get(f.streamId);
    if (stream === undefined) return; // sent before the peer knew that it is over
    if (increment === 0) return void this.streamFault(stream.id, H2.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return void this.#overflow(stream.id);
    if (this.#waiting.has(stream) && !this.isBlocked) this.#pump(stream, Number.POSITIVE_INFINITY);
  }

  #checkNotIdle(streamId: number): void {
    const isOwn = streamId % 2 === 1 && this.#o.role === 'client';
    const isKnown = isOwn
      ? streamId < this.#nextOwnStream
      : this.#o.role === 'server' && streamId % 2 === 1 && (streamId <= this.#lastPeerStream || this.#hasSentGoaway);
    if (!isKnown) throw new ConnectionFault(H2.PROTOCOL_ERROR, `a frame on stream ${streamId}, which is idle`);
  }

  #onClosedStream(streamId: number): void {
    if (this.#resetByUs.has(streamId) || this.#hasSentGoaway) return;
    this.#floods.control.count();
    this.#write(numberFrame(FRAME.RST_STREAM, streamId, H2.STREAM_CLOSED));
  }

  /** The peer broke the rules on a stream, which may not exist yet; the connection goes on, unless that was too often. */
  protected streamFault(streamId: number, code: number): void {
    endTurn();
    this.#floods.malformed.count();
    this.#resetStream(streamId, code);
    this.#streams.get(streamId)?.brokeRules(code);
  }

  #overflow(streamId: number): void {
    this.#o.events.flood?.('window-overflow');
    this.streamFault(streamId, H2.FLOW_CONTROL_ERROR);
  }

  #resetStream(streamId: number, code: number): void {
    this.#rememberReset(streamId);
    this.#write(numberFrame(FRAME.RST_STREAM, streamId, code));
  }

  #rememberReset(streamId: number): void {
    this.#resetByUs.add(streamId);
    if (this.#resetByUs.size > MAX_REMEMBERED_RESETS) {
      for (const oldest of this.#resetByUs) {
        this.#resetByUs.delete(oldest);
        break;
      }
    }
  }

  /** Everything but DATA: whoever asks for it, it is bounded while the peer does not read. */
  #write(bytes: Buffer): void {
    if (this.#state === 'over') return;
    this.#o.wire.write(bytes);
    if (this.isBlocked) this.#unsentAnswers += bytes.length;
  }

  #checkUnread(): void {
    if (this.#unsentAnswers > this.#o.limits.unsentAnswerBytes) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'the peer asks and does not read the answers', 'unread-answers');
    }
  }

  /** For what our users say, who must not be called back from inside their call. */
  #failUnreadSoon(): void {
    if (this.#unsentAnswers > this.#o.limits.unsentAnswerBytes) soon(() => this.feed(NOTHING));
  }

  #creditConnection(): void {
    const size = this.#o.settings.connectionWindowBytes;
    // Live streams alone can't reach the limit, but those that have ended may still be unread: the last resort.
    if (this.#uncredited * 2 < size || this.#held > this.#o.limits.heldBytes) return;
    this.#receiveLeft += this.#uncredited;
    this.#write(numberFrame(FRAME.WINDOW_UPDATE, 0, this.#uncredited));
    this.#uncredited = 0;
  }

  /** Each waiting stream in its turn, so that none starves. */
  #pumpAll(): void {
    while (this.#waiting.size > 0 && !this.isBlocked) {
      let hasMoved = false;
      for (const stream of [...this.#waiting]) {
        if (this.isBlocked) return; // those whose turn did not come keep their places, before those who had theirs
        const [before, window] = [stream.hasPending, this.#sendWindow];
        this.#pump(stream, QUANTUM_BYTES);
        hasMoved ||= window !== this.#sendWindow || (!before && !this.#waiting.has(stream));
      }
      if (!hasMoved) break;
    }
  }

  #pump(stream: S, maxBytes: number): void {
    this.#waiting.delete(stream);
    if (stream.pump(maxBytes) === 'more') this.#waiting.add(stream); // at the end of the line
  }

  #cutStalled(): void {
    const limit = this.#now() - this.#o.limits.stallMs;
    for (const stream of [...this.#waiting]) {
      if (stream.stalledSince === undefined || stream.stalledSince > limit) continue;
      this.#o.events.flood?.('zero-window-stall');
      stream.cutStalled();
    }
  }

  #goaway(code: number): void {
    if (this.#hasSentGoaway && code === H2.NO_ERROR) return;
    this.#hasSentGoaway = true;
    this.#write(goawayFrame(this.#lastPeerStream, code));
  }

  #checkDrained(): void {
    if (this.#state === 'draining' && this.#streams.size === 0) this.#finish('cancel', undefined);
  }

  #fail(fault: ConnectionFault): void {
    if (this.#state === 'over') return;
    this.#goaway(fault.code);
    this.#finish('connect-error', fault);
  }

  #finish(told: 'cancel' | 'connect-error', fault: ConnectionFault | undefined): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    endTurn();
    this.#liveness.stop();
    this.#farewell?.[Symbol.dispose]();
    for (const stream of [...this.#streams.values()]) stream.connectionLost(told);
    this.#o.wire.end();
    this.#blocks[Symbol.dispose]();
    if (fault) this.#o.events.flood?.(fault.flood);
    this.#o.events.over(fault);
  }
}

function windowOverflow(): ConnectionFault {
  return new ConnectionFault(H2.FLOW_CONTROL_ERROR, 'a window overflows', 'window-overflow');
}
