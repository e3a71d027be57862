/** Both sides of a connection in one hand, for the tests of what goes over it. */

import {
  type ConnectionFault,
  DEFAULT_H2_LIMITS,
  encodeHeaders,
  FLAG,
  type FloodKind,
  FRAME,
  type FrameHeader,
  FrameReader,
  frame,
  type H2Limits,
  settingsFrame,
} from '../../h2/index.ts';
import { DEFAULT_SETTINGS, type HboneSettings } from '../types.ts';
import { PlaneConnection } from './connection.ts';
import type { PlaneStream } from './stream.ts';

export const CONNECT = encodeHeaders([
  [':method', 'CONNECT'],
  [':authority', '10.0.0.1:80'],
]);

export type Seen = {
  readonly type: number;
  readonly streamId: number;
  readonly flags: number;
  readonly number: number;
  readonly length: number;
};

/** A connection without a socket: bytes in, frames out, time by hand. */
export class Bench implements Disposable {
  readonly sent: Seen[] = [];
  readonly streams: PlaneStream[] = [];
  readonly connection: PlaneConnection;
  fault: ConnectionFault | undefined;
  readonly floods: FloodKind[] = [];
  isOver = false;
  isBlocked = false;
  /** What the wire takes before it is blocked. */
  roomBytes = Number.POSITIVE_INFINITY;
  nowMs = 0;
  readonly #reader: FrameReader;

  constructor(
    role: 'client' | 'server' = 'server',
    limits = DEFAULT_H2_LIMITS,
    settings = DEFAULT_SETTINGS,
    hasPreface = true,
  ) {
    this.#reader = new FrameReader(
      {
        begin: () => {},
        data: () => {},
        finish: (f: FrameHeader, payload) =>
          void this.sent.push({
            ...f,
            number: payload.length >= 4 ? payload.readUInt32BE(payload.length === 8 ? 4 : 0) : 0,
          }),
      },
      1 << 24,
    );
    let skip = role === 'client' ? 1 : 0; // the preface
    const bench = this;
    this.connection = new PlaneConnection({
      role,
      settings,
      limits,
      now: () => this.nowMs,
      wire: {
        write: (bytes) => {
          this.roomBytes -= bytes.length;
          if (skip > 0) skip -= 1;
          else this.#reader.feed(Buffer.from(bytes));
        },
        writeFrame(header, payload) {
          this.write(Buffer.concat([header, payload]));
        },
        end: () => {},
        get isBlocked() {
          return bench.isBlocked || bench.roomBytes <= 0;
        },
      },
      events: {
        ready: () => {},
        request: (stream) => void this.streams.push(stream),
        over: (fault) => {
          this.isOver = true;
          this.fault = fault;
        },
        flood: (kind) => void this.floods.push(kind),
      },
    });
    if (role === 'server' && hasPreface) this.connection.feed(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
  }

  static ready(role?: 'client' | 'server', limits?: H2Limits, settings?: HboneSettings): Bench {
    const bench = new Bench(role, limits, settings);
    bench.connection.feed(settingsFrame([]));
    bench.connection.feed(frame(FRAME.SETTINGS, FLAG.ACK, 0));
    return bench;
  }

  feed(...frames: Buffer[]): this {
    for (const bytes of frames) this.connection.feed(bytes);
    return this;
  }

  connect(id: number, endStream = false): this {
    return this.feed(frame(FRAME.HEADERS, FLAG.END_HEADERS | (endStream ? FLAG.END_STREAM : 0), id, CONNECT));
  }

  goaway(): number | undefined {
    return this.sent.find((f) => f.type === FRAME.GOAWAY)?.number;
  }

  resetOf(id: number): number | undefined {
    return this.sent.find((f) => f.type === FRAME.RST_STREAM && f.streamId === id)?.number;
  }

  [Symbol.dispose](): void {
    this.connection.lost();
  }
}
