/** HTTP/2 frames (RFC 9113 sections 4 and 6): reading them from a stream of bytes, and writing them. */
import { ConnectionFault, H2 } from './faults.ts';

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

export const FRAME_HEADER_BYTES = 9;
/** RFC 9113 section 4.2: what every peer takes, and who has not said otherwise gets no more. */
export const DEFAULT_FRAME_BYTES = 16_384;
/** The largest SETTINGS that anybody needs; more is an attack on our memory. */
const MAX_SETTINGS_BYTES = 6 * 64;
/** Debug data of GOAWAY beyond this is not kept. */
const MAX_GOAWAY_BYTES = 1_024;

export type FrameHeader = {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
};

export type FrameSink = {
  /** A header was read; its payload follows. Throws to refuse the frame. */
  begin(frame: FrameHeader): void;
  /** A piece of a DATA frame, without padding; valid only during the call. */
  data(streamId: number, piece: Buffer): void;
  /** The frame is complete. The payload, without padding, is empty for DATA and for unknown types; valid only now. */
  finish(frame: FrameHeader, payload: Buffer): void;
};

const EMPTY = Buffer.alloc(0);

/** A table over the types that have a size of their own (RFC 9113 section 6); others may be up to the limit of all. */
const EXACT_BYTES: Readonly<Record<number, number>> = {
  [FRAME.PRIORITY]: 5,
  [FRAME.RST_STREAM]: 4,
  [FRAME.PING]: 8,
  [FRAME.WINDOW_UPDATE]: 4,
};

/** Cuts bytes, however they arrive, into frames. DATA is passed on as it comes; everything else is small and collected. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  /** Of a header that came in parts; few do. */
  #header = EMPTY;
  #headerBytes = 0;
  #frame: FrameHeader | undefined;
  /** Of the frame's payload, padding included. */
  #left = 0;
  /** At the end of `#left`. */
  #padding = 0;
  /** The length of the padding comes first, and is still to be read. */
  #expectsPadLength = false;
  #collected: Buffer = EMPTY;
  #collectedBytes = 0;

  constructor(sink: FrameSink, maxFrameBytes: number) {
    this.#sink = sink;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** @throws ConnectionFault, and whatever the sink throws. After that the reader is of no use. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#frame === undefined) at += this.#readHeader(bytes, at);
      else if (this.#expectsPadLength) at += this.#readPadLength(this.#frame, bytes, at);
      else at += this.#readPayload(this.#frame, bytes, at);
    }
  }

  #readHeader(bytes: Buffer, at: number): number {
    let header = bytes;
    let start = at;
    let used = FRAME_HEADER_BYTES;
    if (this.#headerBytes > 0 || bytes.length - at < FRAME_HEADER_BYTES) {
      used = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, bytes.length - at);
      if (this.#headerBytes === 0) this.#header = Buffer.alloc(FRAME_HEADER_BYTES);
      bytes.copy(this.#header, this.#headerBytes, at, at + used);
      this.#headerBytes += used;
      if (this.#headerBytes < FRAME_HEADER_BYTES) return used;
      this.#headerBytes = 0;
      header = this.#header;
      start = 0;
    }
    const frame: FrameHeader = {
      length: header.readUIntBE(start, 3),
      type: header[start + 3] ?? 0,
      flags: header[start + 4] ?? 0,
      // The reserved bit is to be ignored (section 4.1).
      streamId: header.readUInt32BE(start + 5) & 0x7fff_ffff,
    };
    this.#checkLength(frame);
    this.#sink.begin(frame);
    this.#frame = frame;
    this.#left = frame.length;
    this.#padding = 0;
    this.#expectsPadLength = isPadded(frame);
    this.#collectedBytes = 0;
    if (frame.length === 0) this.#finish(frame, EMPTY);
    return used;
  }

  #checkLength(frame: FrameHeader): void {
    const { length, type } = frame;
    if (length > this.#maxFrameBytes) {
      throw new ConnectionFault(
        H2.FRAME_SIZE_ERROR,
        `a frame of ${length} bytes, at most ${this.#maxFrameBytes} go`,
        'oversized-frame',
      );
    }
    const exact = EXACT_BYTES[type];
    if (exact !== undefined && length !== exact) {
      throw new ConnectionFault(H2.FRAME_SIZE_ERROR, `a frame of type ${type} with ${length} bytes`);
    }
    if (type === FRAME.SETTINGS && length % 6 !== 0) {
      throw new ConnectionFault(H2.FRAME_SIZE_ERROR, `SETTINGS of ${length} bytes`);
    }
    if (type === FRAME.SETTINGS && length > MAX_SETTINGS_BYTES) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, `SETTINGS of ${length} bytes`, 'settings-flood');
    }
    if (type === FRAME.GOAWAY && length < 8) {
      throw new ConnectionFault(H2.FRAME_SIZE_ERROR, `GOAWAY of ${length} bytes`);
    }
    if (type === FRAME.GOAWAY && length > MAX_GOAWAY_BYTES) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, `GOAWAY of ${length} bytes`, 'oversized-frame');
    }
    if ((type === FRAME.HEADERS || type === FRAME.CONTINUATION) && length > MAX_HEADER_FRAME_BYTES) {
      throw new ConnectionFault(H2.ENHANCE_YOUR_CALM, `header fields of ${length} bytes`, 'header-flood');
    }
    if (isPadded(frame) && length === 0) {
      throw new ConnectionFault(H2.FRAME_SIZE_ERROR, 'a padded frame without room for its padding');
    }
  }

  #readPadLength(frame: FrameHeader, bytes: Buffer, at: number): number {
    this.#padding = bytes[at] ?? 0;
    this.#expectsPadLength = false;
    this.#left -= 1;
    if (this.#padding > this.#left) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, 'more padding than the frame has room for');
    }
    if (this.#left === 0) this.#finish(frame, EMPTY);
    return 1;
  }

  #readPayload(frame: FrameHeader, bytes: Buffer, at: number): number {
    const used = Math.min(this.#left, bytes.length - at);
    const wanted = Math.min(used, this.#left - this.#padding);
    this.#left -= used;
    if (wanted > 0) {
      if (frame.type === FRAME.DATA) {
        this.#sink.data(frame.streamId, bytes.subarray(at, at + wanted));
      } else if (keeps(frame)) {
        // All of it, as nearly always: it need not be collected.
        if (this.#left === 0 && this.#collectedBytes === 0) {
          this.#finish(frame, bytes.subarray(at, at + wanted));
          return used;
        }
        if (this.#collectedBytes === 0) this.#collected = Buffer.allocUnsafe(wanted + this.#left);
        bytes.copy(this.#collected, this.#collectedBytes, at, at + wanted);
        this.#collectedBytes += wanted;
      }
    }
    if (this.#left < this.#padding) this.#padding = this.#left;
    if (this.#left === 0) this.#finish(frame, this.#collected.subarray(0, this.#collectedBytes));
    return used;
  }

  #finish(frame: FrameHeader, payload: Buffer): void {
    this.#frame = undefined;
    this.#collected = EMPTY;
    this.#sink.finish(frame, payload);
  }
}

/** A header block in one frame; beyond it a peer is out to fill our memory. */
export const MAX_HEADER_FRAME_BYTES = 65_536;

function isPadded({ type, flags }: FrameHeader): boolean {
  return (type === FRAME.DATA || type === FRAME.HEADERS) && (flags & FLAG.PADDED) !== 0;
}

function keeps({ type }: FrameHeader): boolean {
  return type > FRAME.DATA && type <= FRAME.CONTINUATION && type !== FRAME.PUSH_PROMISE;
}

/** Writes a frame's header at the start of `into`. */
export function putHeader(into: Buffer, length: number, type: number, flags: number, streamId: number): void {
  into[0] = length >>> 16;
  into[1] = length >>> 8;
  into[2] = length;
  into[3] = type;
  into[4] = flags;
  into.writeUInt32BE(streamId, 5);
}

/** A whole frame. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array = EMPTY): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  putHeader(bytes, payload.length, type, flags, streamId);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** A frame whose payload is one 32-bit number: RST_STREAM and WINDOW_UPDATE. */
export function numberFrame(type: number, streamId: number, value: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(value);
  return frame(type, 0, streamId, payload);
}

export function goawayFrame(lastStreamId: number, code: number): Buffer {
  const payload = Buffer.allocUnsafe(8);
  payload.writeUInt32BE(lastStreamId, 0);
  payload.writeUInt32BE(code, 4);
  return frame(FRAME.GOAWAY, 0, 0, payload);
}

/** RFC 9113 section 6.5.2. */
export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
  /** RFC 8441 section 3 */
  ENABLE_CONNECT_PROTOCOL: 8,
  /** Ours, from the range for experiments (RFC 9113 section 11.3): 1 of a server that takes DATA before it has answered a CONNECT. */
  EAGER_CONNECT: 0xf0a1,
} as const;

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(6 * settings.length);
  for (const [i, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  }
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

/** A header block as HEADERS and as many CONTINUATION as the peer's frame size asks for. */
export function headerFrames(streamId: number, block: Buffer, endStream: boolean, maxFrameBytes: number): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += maxFrameBytes) {
    const part = block.subarray(at, at + maxFrameBytes);
    const isLast = at + maxFrameBytes >= block.length;
    const flags = (isLast ? FLAG.END_HEADERS : 0) | (at === 0 && endStream ? FLAG.END_STREAM : 0);
    frames.push(frame(at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, flags, streamId, part));
  }
  return Buffer.concat(frames);
}
