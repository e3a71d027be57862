/** A leg as the wire of a connection: frames of one turn are gathered and written at once. */
import { FLAG, FRAME, FRAME_HEADER_BYTES, HpackEncoder, type Wire } from '../../h2/index.ts';
import type { Leg } from '../../hbone/index.ts';
import { flushSoon } from '../../net/index.ts';

/** Four full frames of what every peer takes. */
const GATHER_BYTES = 4 * (16_384 + FRAME_HEADER_BYTES);
/** Buffers that nobody uses now: a connection has one only while it has something to say. */
const spare: Buffer[] = [];
const MAX_SPARE = 16;
const NONE = Buffer.alloc(0);

export class LegWire implements Wire {
  isBlocked = false;
  readonly #leg: Leg;
  readonly #encoder = new HpackEncoder();
  #buffer: Buffer = NONE;
  #used = 0;
  /** The last HEADERS or DATA that is still here, and whose it is: its stream may yet end with it. */
  #lastAt = -1;
  #lastStream = 0;
  #isEnded = false;

  constructor(leg: Leg) {
    this.#leg = leg;
  }

  write(bytes: Uint8Array): void {
    this.#room(bytes.length).set(bytes, this.#used);
    this.#used += bytes.length;
  }

  writeFrame(header: Uint8Array, payload: Uint8Array): void {
    const into = this.#room(header.length + payload.length);
    const at = this.#used;
    into.set(header, at);
    into.set(payload, at + header.length);
    this.#used = at + header.length + payload.length;
    this.#lastAt = at;
    this.#lastStream = into.readUInt32BE(at + 5);
  }

  /** Begins a header block that takes at most `bound` bytes: its fields go into the encoder, and then it has to be ended. */
  beginHeaders(bound: number): HpackEncoder {
    const into = this.#room(FRAME_HEADER_BYTES + bound);
    this.#encoder.begin(into, this.#used + FRAME_HEADER_BYTES);
    return this.#encoder;
  }

  /** The block as HEADERS, and CONTINUATION where the peer wants smaller frames. Says how many bytes it has. */
  endHeaders(streamId: number, isLast: boolean, maxFrameBytes: number): number {
    const into = this.#buffer;
    const at = this.#used;
    const end = this.#encoder.end();
    const bytes = end - at - FRAME_HEADER_BYTES;
    const flags = isLast ? FLAG.END_STREAM : 0;
    if (bytes > maxFrameBytes) {
      const block = Buffer.from(into.subarray(at + FRAME_HEADER_BYTES, end));
      this.#writeInPieces(streamId, block, flags, maxFrameBytes);
      return bytes;
    }
    putFrameHeader(into, at, bytes, FRAME.HEADERS, flags | FLAG.END_HEADERS, streamId);
    this.#used = end;
    this.#lastAt = at;
    this.#lastStream = streamId;
    return bytes;
  }

  limitTable(bytes: number): void {
    this.#encoder.limitTable(bytes);
  }

  /** Ends the stream with its last frame, if that has not left yet. */
  endWithLast(streamId: number): boolean {
    if (this.#lastAt < 0 || this.#lastStream !== streamId) return false;
    this.#buffer[this.#lastAt + 4] = (this.#buffer[this.#lastAt + 4] as number) | FLAG.END_STREAM;
    this.#lastAt = -1;
    return true;
  }

  end(): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    this.#leg.end();
  }

  flush(): void {
    const { length } = this.#buffer;
    if (this.#used === 0) return;
    const [buffer, used] = [this.#buffer, this.#used];
    this.#buffer = NONE;
    this.#used = 0;
    this.#lastAt = -1;
    if (!this.#isEnded && !this.#leg.write(buffer.subarray(0, used))) this.isBlocked = true;
    if (length === GATHER_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
  }

  #writeInPieces(streamId: number, block: Buffer, flags: number, maxFrameBytes: number): void {
    for (let at = 0; at < block.length; at += maxFrameBytes) {
      const part = block.subarray(at, at + maxFrameBytes);
      const done = at + maxFrameBytes >= block.length ? FLAG.END_HEADERS : 0;
      const into = this.#room(FRAME_HEADER_BYTES + part.length);
      const type = at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION;
      putFrameHeader(into, this.#used, part.length, type, done | (at === 0 ? flags : 0), streamId);
      into.set(part, this.#used + FRAME_HEADER_BYTES);
      this.#used += FRAME_HEADER_BYTES + part.length;
    }
    this.#lastAt = -1;
  }

  /** The buffer, with room for so many bytes after `#used`. */
  #room(bytes: number): Buffer {
    if (this.#buffer.length - this.#used >= bytes) return this.#buffer;
    if (this.#used > 0) this.flush();
    else flushSoon(this);
    this.#buffer =
      bytes > GATHER_BYTES ? Buffer.allocUnsafeSlow(bytes) : (spare.pop() ?? Buffer.allocUnsafeSlow(GATHER_BYTES));
    return this.#buffer;
  }
}

function putFrameHeader(into: Buffer, at: number, length: number, type: number, flags: number, streamId: number): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  into[at + 5] = streamId >>> 24;
  into[at + 6] = streamId >>> 16;
  into[at + 7] = streamId >>> 8;
  into[at + 8] = streamId;
}
