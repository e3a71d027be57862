/** One HTTP/2 connection that carries CONNECT streams and nothing else (RFC 9113), for either role. */
import { HeaderDecoder, type HeaderField } from '../../net/index.ts';
import type { ResetCode } from '../leg.ts';
import type { HboneSettings } from '../types.ts';
import { ConnectionFault, H2 } from './faults.ts';
import { isConnectHead, isWellFormed } from './fields.ts';
import { MAX_WINDOW_BYTES, ReceiveWindow } from './flow-window.ts';
import {
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameReader,
  type FrameSink,
  frame,
  goawayFrame,
  headerFrames,
  numberFrame,
  putHeader,
  SETTING,
  settingsFrame,
} from './frames.ts';
import { encodeHeaders } from './hpack.ts';
import { FloodGuard, type PlaneLimits } from './limits.ts';
import { PeerSettings } from './peer-settings.ts';
import { PlaneStream, type StreamCarrier } from './stream.ts';

/** What the connection stands on; `TlsLink` is one. */
export type Wire = {
  write(bytes: Uint8Array): void;
  /** Sends what is left and closes. */
  end(): void;
  readonly isBlocked: boolean;
};

export type ConnectionEvents = {
  /** The peer's SETTINGS came. */
  ready(): void;
  /** Server: a stream was opened, its fields are well formed. */
  request(stream: PlaneStream, fields: readonly HeaderField[]): void;
  /** No more streams will live; told once. A fault is the peer's. */
  over(fault: ConnectionFault | undefined): void;
};

export type ConnectionOptions = {
  readonly role: 'client' | 'server';
  readonly wire: Wire;
  readonly settings: HboneSettings;
  readonly limits: PlaneLimits;
  readonly events: ConnectionEvents;
  /** Milliseconds, never going back. */
  readonly now?: () => number;
};

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** RFC 9113 section 6.9.2: both windows begin here, whatever SETTINGS say of streams. */
const DEFAULT_WINDOW_BYTES = 65_535;
/** Larger frames would keep other streams of the connection waiting. */
const MAX_SENT_FRAME_BYTES = 64 * 1024;
/** What a waiting stream may send before the next one has its turn. */
const QUANTUM_BYTES = 64 * 1024;
/** Held for readers that do not read, all streams together: beyond it the connection's window closes. */
const MAX_HELD_BYTES = 64 << 20;
/** Streams that we reset and that the peer may still be sending on. */
const MAX_REMEMBERED_RESETS = 1_024;
/** RFC 9113 section 5.1.1: the last number a client may give a stream. */
const LAST_STREAM_ID = 2 ** 31 - 1;

type HeaderBlock = {
  readonly streamId: number;
  readonly endStream: boolean;
  parts: Buffer[];
  bytes: number;
  frames: number;
};

/**
 *     open --GOAWAY, either side--> draining --last stream gone--> over
 *       \                              |
 *        +----- fault, wire gone, cut --+-------------------------> over
 */
export class PlaneConnection implements StreamCarrier, FrameSink {
  readonly peerSettings = new PeerSettings();
  readonly #o: ConnectionOptions;
  readonly #now: () => number;
  readonly #reader: FrameReader;
  readonly #decoder = new HeaderDecoder();
  readonly #streams = new Map<number, PlaneStream>();
  readonly #waiting = new Set<PlaneStream>();
  readonly #resetByUs = new Set<number>();
  readonly #dataHeader = Buffer.alloc(FRAME_HEADER_BYTES);
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
  #block: HeaderBlock | undefined;
  #contentBytes = 0;
  #hasSentGoaway = false;
  #timer: NodeJS.Timeout | undefined;
  #pingsSent = 0;

  constructor(o: ConnectionOptions) {
    this.#o = o;
    this.#now = o.now ?? (() => performance.now());
    const { limits, settings, role } = o;
    this.#floods = {
      reset: new FloodGuard('rapid-reset', limits.earlyResets, this.#now),
      control: new FloodGuard('control-flood', limits.controlFrames, this.#now),
      malformed: new FloodGuard('malformed-streams', limits.malformedStreams, this.#now),
    };
    this.#reader = new FrameReader(this, settings.frameBytes);
    if (role === 'client') o.wire.write(PREFACE);
    o.wire.write(
      settingsFrame([
        [SETTING.INITIAL_WINDOW_SIZE, new ReceiveWindow(settings.streamWindowBytes).size],
        [SETTING.MAX_FRAME_SIZE, settings.frameBytes],
        [SETTING.MAX_HEADER_LIST_SIZE, this.#maxHeaderListBytes],
        role === 'client' ? [SETTING.ENABLE_PUSH, 0] : [SETTING.MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams],
      ]),
    );
    this.#receiveLeft = Math.max(settings.connectionWindowBytes, DEFAULT_WINDOW_BYTES);
    const more = this.#receiveLeft - DEFAULT_WINDOW_BYTES;
    if (more > 0) o.wire.write(numberFrame(FRAME.WINDOW_UPDATE, 0, more));
    this.#pingLater();
  }

  /** Streams that are open on the wire. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Whether new streams may be opened. */
  get isUsable(): boolean {
    return this.#state === 'open' && this.#nextOwnStream <= LAST_STREAM_ID;
  }

  /** Client: opens a stream. Undefined when the connection takes no more. */
  open(fields: readonly HeaderField[]): PlaneStream | undefined {
    if (!this.isUsable) return undefined;
    const stream = this.#newStream(this.#nextOwnStream);
    this.#nextOwnStream += 2;
    this.#writeHead(stream.id, fields, false);
    return stream;
  }

  /** Server: answers. `isLast`: that was all, and what the peer sends is not wanted. */
  respond(stream: PlaneStream, fields: readonly HeaderField[], isLast: boolean): void {
    if (stream.isAnswered || this.#streams.get(stream.id) !== stream) return;
    stream.isAnswered = true;
    this.#writeHead(stream.id, fields, isLast);
    if (isLast) stream.answeredForGood();
  }

  /** Bytes from the wire; a fault of the peer ends the connection. */
  feed(bytes: Buffer): void {
    if (this.#state === 'over') return;
    try {
      this.#reader.feed(this.#afterPreface(bytes));
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

  /** GOAWAY; ends with its last stream. */
  drain(): void {
    if (this.#state !== 'open') return;
    this.#goaway(H2.NO_ERROR);
    this.#state = 'draining';
    this.#checkDrained();
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

  sendData(stream: PlaneStream, view: Uint8Array): number {
    const maxFrame = Math.min(this.peerSettings.maxFrameBytes, MAX_SENT_FRAME_BYTES);
    let at = 0;
    while (at < view.length && !this.#o.wire.isBlocked) {
      const n = Math.min(view.length - at, maxFrame, stream.sendWindow, this.#sendWindow);
      if (n <= 0) {
        stream.stalledSince ??= this.#now();
        break;
      }
      putHeader(this.#dataHeader, n, FRAME.DATA, 0, stream.id);
      this.#o.wire.write(this.#dataHeader);
      this.#o.wire.write(n === view.length ? view : view.subarray(at, at + n));
      stream.sendWindow -= n;
      this.#sendWindow -= n;
      stream.stalledSince = undefined;
      at += n;
    }
    return at;
  }

  sendEnd(stream: PlaneStream): void {
    this.#write(frame(FRAME.DATA, FLAG.END_STREAM, stream.id));
  }

  sendReset(stream: PlaneStream, code: number): void {
    this.#rememberReset(stream.id);
    this.#write(numberFrame(FRAME.RST_STREAM, stream.id, code)); // asked for by us: not the peer's flood
  }

  sendCredit(stream: PlaneStream, bytes: number): void {
    this.#write(numberFrame(FRAME.WINDOW_UPDATE, stream.id, bytes));
  }

  waitForRoom(stream: PlaneStream): void {
    this.#waiting.add(stream);
  }

  holds(bytes: number): void {
    this.#held += bytes;
    if (bytes < 0) this.#creditConnection();
  }

  forget(stream: PlaneStream): void {
    this.#streams.delete(stream.id);
    this.#waiting.delete(stream);
    this.#checkDrained();
  }

  // Frames, as the reader finds them.

  begin(f: FrameHeader): void {
    if (this.#state === 'over') return;
    if (!this.#isSettled && (f.type !== FRAME.SETTINGS || (f.flags & FLAG.ACK) !== 0)) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'the first frame has to be SETTINGS');
    }
    const continues = f.type === FRAME.CONTINUATION;
    if (continues !== (this.#block !== undefined) || (this.#block && this.#block.streamId !== f.streamId)) {
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
    this.#streams.get(streamId)?.receiveData(piece);
  }

  finish(f: FrameHeader, payload: Buffer): void {
    if (this.#state === 'over') return;
    switch (f.type) {
      case FRAME.DATA:
        return void this.#finishData(f);
      case FRAME.HEADERS:
        return void this.#headers(f, payload);
      case FRAME.CONTINUATION:
        return void this.#continuation(f, payload);
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
      throw new ConnectionFault(H2.FLOW_CONTROL_ERROR, "more than the connection's window");
    }
    this.#uncredited += f.length;
    this.#contentBytes = 0;
    const stream = this.#streams.get(f.streamId);
    if (f.length === 0 && (f.flags & FLAG.END_STREAM) === 0) this.#floods.control.count();
    if (stream === undefined) return void this.#onClosedStream(f.streamId);
    if (stream.hasPeerEnded) return void this.#streamFault(f.streamId, H2.STREAM_CLOSED);
    if (this.#o.role === 'client' && !stream.isAnswered) return void this.#streamFault(f.streamId, H2.PROTOCOL_ERROR);
    if (!stream.receiveWindow.take(f.length)) this.#streamFault(f.streamId, H2.FLOW_CONTROL_ERROR);
  }

  #finishData(f: FrameHeader): void {
    const stream = this.#streams.get(f.streamId);
    stream?.receivePadding(f.length - this.#contentBytes);
    if ((f.flags & FLAG.END_STREAM) !== 0) stream?.receiveEnd();
    this.#creditConnection();
  }

  #headers(f: FrameHeader, payload: Buffer): void {
    const skip = (f.flags & FLAG.PRIORITY) === 0 ? 0 : 5;
    if (payload.length < skip) throw new ConnectionFault(H2.FRAME_SIZE_ERROR, 'HEADERS without room for its priority');
    this.#block = {
      streamId: f.streamId,
      endStream: (f.flags & FLAG.END_STREAM) !== 0,
      parts: [],
      bytes: 0,
      frames: -1,
    };
    this.#continuation(f, payload.subarray(skip));
  }

  #continuation(f: FrameHeader, part: Buffer): void {
    const block = this.#block;
    if (block === undefined) return;
    const { limits } = this.#o;
    block.parts.push(part);
    block.bytes += part.length;
    block.frames += 1;
    if (block.frames > limits.continuations) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'too many CONTINUATION frames', 'continuation-flood');
    }
    if (block.bytes > limits.headerBlockBytes) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'the header block is too large', 'header-flood');
    }
    if ((f.flags & FLAG.END_HEADERS) === 0) return;
    this.#block = undefined;
    const decoded = this.#decoder.decode(Buffer.concat(block.parts), {
      maxListBytes: this.#maxHeaderListBytes,
      maxFields: limits.headerFields,
    });
    if (decoded.kind === 'malformed') throw new ConnectionFault(H2.COMPRESSION_ERROR, 'the header block is malformed');
    const fields = decoded.kind === 'fields' ? decoded.fields : undefined;
    if (this.#o.role === 'server') this.#serverHeaders(block, fields);
    else this.#clientHeaders(block, fields);
  }

  #serverHeaders(block: HeaderBlock, fields: readonly HeaderField[] | undefined): void {
    const { streamId, endStream } = block;
    const known = this.#streams.get(streamId);
    if (known !== undefined) return void this.#trailers(known, endStream);
    if (streamId % 2 === 0) throw new ConnectionFault(H2.PROTOCOL_ERROR, `a client opened stream ${streamId}`);
    if (streamId <= this.#lastPeerStream) return void this.#headersOnClosed(streamId);
    if (this.#hasSentGoaway) return; // the peer knows by GOAWAY that it was not looked at
    this.#lastPeerStream = streamId;
    if (this.#streams.size >= this.#o.settings.maxConcurrentStreams) {
      this.#floods.malformed.count();
      return void this.#resetStream(streamId, H2.REFUSED_STREAM);
    }
    if (fields === undefined || !isWellFormed(fields, 'request')) {
      return void this.#streamFault(streamId, fields === undefined ? H2.ENHANCE_YOUR_CALM : H2.PROTOCOL_ERROR);
    }
    const stream = this.#newStream(streamId);
    if (endStream) stream.receiveEnd();
    if (isConnectHead(fields)) this.#o.events.request(stream, fields);
    else this.respond(stream, [[':status', '400']], true);
  }

  #clientHeaders(block: HeaderBlock, fields: readonly HeaderField[] | undefined): void {
    const { streamId, endStream } = block;
    this.#checkNotIdle(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return void this.#onClosedStream(streamId);
    if (stream.isAnswered) return void this.#trailers(stream, endStream);
    const status = fields?.find(([name]) => name === ':status')?.[1];
    if (fields === undefined || status === undefined || !isWellFormed(fields, 'response')) {
      return void this.#streamFault(streamId, H2.PROTOCOL_ERROR);
    }
    if (status.startsWith('1')) {
      this.#floods.control.count();
      if (endStream) this.#streamFault(streamId, H2.PROTOCOL_ERROR);
      return;
    }
    stream.receiveHead(fields, endStream);
  }

  /** Section 8.5 forbids fields in the middle of a tunnel; at its end we let them pass, since proxies send them. */
  #trailers(stream: PlaneStream, endStream: boolean): void {
    if (stream.hasPeerEnded) this.#streamFault(stream.id, H2.STREAM_CLOSED);
    else if (endStream) stream.receiveEnd();
    else this.#streamFault(stream.id, H2.PROTOCOL_ERROR);
  }

  #headersOnClosed(streamId: number): void {
    if (this.#resetByUs.has(streamId)) return;
    throw new ConnectionFault(H2.STREAM_CLOSED, `fields on stream ${streamId}, which is over`);
  }

  #reset(f: FrameHeader, code: number): void {
    this.#checkNotIdle(f.streamId);
    const stream = this.#streams.get(f.streamId);
    if (stream === undefined) return void this.#floods.control.count();
    if (this.#o.role === 'server' && !stream.isAnswered) this.#floods.reset.count();
    stream.receiveReset(code);
  }

  #settings(f: FrameHeader, payload: Buffer): void {
    if ((f.flags & FLAG.ACK) !== 0) {
      if (f.length > 0) throw new ConnectionFault(H2.FRAME_SIZE_ERROR, 'SETTINGS that acknowledges and sets');
      return;
    }
    this.#floods.control.count();
    const before = this.peerSettings.initialWindowBytes;
    this.peerSettings.apply(payload);
    const change = this.peerSettings.initialWindowBytes - before;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += change;
      if (stream.sendWindow > MAX_WINDOW_BYTES) throw new ConnectionFault(H2.FLOW_CONTROL_ERROR, 'a window overflows');
    }
    this.#answer(frame(FRAME.SETTINGS, FLAG.ACK, 0));
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#o.events.ready();
    }
    if (change > 0) this.#pumpAll();
  }

  #ping(f: FrameHeader, payload: Buffer): void {
    if ((f.flags & FLAG.ACK) === 0) {
      this.#floods.control.count();
      return void this.#answer(frame(FRAME.PING, FLAG.ACK, 0, payload));
    }
    if (payload.readUInt32BE(4) === this.#pingsSent) this.#pingLater();
  }

  #peerLeaves(lastStreamId: number): void {
    this.#floods.control.count();
    if (this.#state === 'open') this.#state = 'draining';
    if (this.#o.role === 'client') {
      // Not looked at, so that it may be tried elsewhere.
      for (const stream of [...this.#streams.values()]) {
        if (stream.id > lastStreamId) stream.receiveReset(H2.REFUSED_STREAM);
      }
    }
    this.#checkDrained();
  }

  #windowUpdate(f: FrameHeader, increment: number): void {
    if (f.streamId === 0) {
      if (increment === 0) throw new ConnectionFault(H2.PROTOCOL_ERROR, 'WINDOW_UPDATE by nothing');
      this.#sendWindow += increment;
      if (this.#sendWindow > MAX_WINDOW_BYTES) throw new ConnectionFault(H2.FLOW_CONTROL_ERROR, 'a window overflows');
      return void this.#pumpAll();
    }
    this.#checkNotIdle(f.streamId);
    const stream = this.#streams.get(f.streamId);
    if (stream === undefined) return; // sent before the peer knew that it is over
    if (increment === 0) return void this.#streamFault(stream.id, H2.PROTOCOL_ERROR);
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return void this.#streamFault(stream.id, H2.FLOW_CONTROL_ERROR);
    if (this.#waiting.has(stream) && !this.isBlocked) this.#pump(stream, Number.POSITIVE_INFINITY);
  }

  get #maxHeaderListBytes(): number {
    return this.#o.role === 'client' ? 16_384 : 65_536; // ztunnel.md section 3.2
  }

  #newStream(id: number): PlaneStream {
    const stream = new PlaneStream(id, this, {
      send: this.peerSettings.initialWindowBytes,
      receive: new ReceiveWindow(this.#o.settings.streamWindowBytes),
    });
    this.#streams.set(id, stream);
    return stream;
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
    this.#answer(numberFrame(FRAME.RST_STREAM, streamId, H2.STREAM_CLOSED));
  }

  #streamFault(streamId: number, code: number): void {
    this.#floods.malformed.count();
    this.#resetStream(streamId, code);
    this.#streams.get(streamId)?.connectionLost('cancel');
  }

  #resetStream(streamId: number, code: number): void {
    this.#rememberReset(streamId);
    this.#answer(numberFrame(FRAME.RST_STREAM, streamId, code));
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

  #writeHead(streamId: number, fields: readonly HeaderField[], endStream: boolean): void {
    this.#write(headerFrames(streamId, encodeHeaders(fields), endStream, this.peerSettings.maxFrameBytes));
  }

  /** What the peer makes us say: bounded while it does not read. */
  #answer(bytes: Buffer): void {
    this.#write(bytes);
    if (!this.isBlocked) return;
    this.#unsentAnswers += bytes.length;
    if (this.#unsentAnswers > this.#o.limits.unsentAnswerBytes) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, 'the peer asks and does not read the answers', 'unread-answers');
    }
  }

  #write(bytes: Buffer): void {
    if (this.#state !== 'over') this.#o.wire.write(bytes);
  }

  #creditConnection(): void {
    const size = this.#o.settings.connectionWindowBytes;
    if (this.#uncredited * 2 < size || this.#held > MAX_HELD_BYTES) return;
    this.#receiveLeft += this.#uncredited;
    this.#write(numberFrame(FRAME.WINDOW_UPDATE, 0, this.#uncredited));
    this.#uncredited = 0;
  }

  /** Each waiting stream in its turn, so that none starves. */
  #pumpAll(): void {
    while (this.#waiting.size > 0 && !this.isBlocked) {
      let hasMoved = false;
      for (const stream of [...this.#waiting]) {
        const [before, window] = [stream.hasPending, this.#sendWindow];
        this.#pump(stream, QUANTUM_BYTES);
        hasMoved ||= window !== this.#sendWindow || (!before && !this.#waiting.has(stream));
      }
      if (!hasMoved) break;
    }
  }

  #pump(stream: PlaneStream, maxBytes: number): void {
    this.#waiting.delete(stream);
    if (stream.pump(maxBytes) === 'more') this.#waiting.add(stream); // at the end of the line
  }

  #pingLater(): void {
    clearTimeout(this.#timer);
    if (this.#state === 'over') return;
    this.#timer = setTimeout(() => this.#pingNow(), this.#o.settings.pingIntervalMs);
  }

  #pingNow(): void {
    const limit = this.#now() - this.#o.limits.stallMs;
    for (const stream of [...this.#waiting]) {
      if (stream.stalledSince !== undefined && stream.stalledSince <= limit) stream.reset('cancel');
    }
    this.#pingsSent = (this.#pingsSent + 1) >>> 0;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#pingsSent, 4);
    this.#write(frame(FRAME.PING, 0, 0, payload));
    this.#timer = setTimeout(() => this.cut(), this.#o.settings.pingTimeoutMs);
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

  #finish(told: ResetCode, fault: ConnectionFault | undefined): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    for (const stream of [...this.#streams.values()]) stream.connectionLost(told);
    this.#o.wire.end();
    this.#decoder[Symbol.dispose]();
    this.#o.events.over(fault);
  }
}
