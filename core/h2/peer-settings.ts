/** What the peer has said in SETTINGS (RFC 9113 section 6.5.2). */
import { ConnectionFault, H2 } from './faults.ts';
import { MAX_WINDOW_BYTES } from './flow-window.ts';
import { DEFAULT_FRAME_BYTES, SETTING } from './frames.ts';

const MAX_FRAME_BYTES = 2 ** 24 - 1;

export class PeerSettings {
  initialWindowBytes = 65_535;
  maxFrameBytes = DEFAULT_FRAME_BYTES;
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  headerTableBytes = 4_096;
  /** Of a server: it takes extended CONNECT. */
  takesConnectProtocol = false;
  /** Of a server: it takes what follows a CONNECT before it has answered. */
  takesEagerConnect = false;

  /** What a peer may say of pushes (section 6.5.2): a server, nothing but that it won't. */
  readonly #maxEnablePush: 0 | 1;

  constructor(peer: 'client' | 'server') {
    this.#maxEnablePush = peer === 'server' ? 0 : 1;
  }

  /** The payload of a SETTINGS frame, whose length is right. @throws ConnectionFault */
  apply(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }

  #set(id: number, value: number): void {
    if (id === SETTING.INITIAL_WINDOW_SIZE) {
      if (value > MAX_WINDOW_BYTES) {
        throw new ConnectionFault(H2.FLOW_CONTROL_ERROR, 'INITIAL_WINDOW_SIZE overflows', 'window-overflow');
      }
      this.initialWindowBytes = value;
    } else if (id === SETTING.MAX_FRAME_SIZE) {
      if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) {
        throw new ConnectionFault(H2.PROTOCOL_ERROR, `MAX_FRAME_SIZE of ${value}`);
      }
      this.maxFrameBytes = value;
    } else if (id === SETTING.MAX_CONCURRENT_STREAMS) {
      this.maxConcurrentStreams = value;
    } else if (id === SETTING.HEADER_TABLE_SIZE) {
      this.headerTableBytes = value;
    } else if (id === SETTING.ENABLE_CONNECT_PROTOCOL) {
      // RFC 8441 section 3: a promise that can't be taken back.
      if (value > 1 || (value === 0 && this.takesConnectProtocol)) {
        throw new ConnectionFault(H2.PROTOCOL_ERROR, `ENABLE_CONNECT_PROTOCOL of ${value}`);
      }
      this.takesConnectProtocol = value === 1;
    } else if (id === SETTING.EAGER_CONNECT) {
      this.takesEagerConnect = value === 1;
    } else if (id === SETTING.ENABLE_PUSH && value > this.#maxEnablePush) {
      throw new ConnectionFault(H2.PROTOCOL_ERROR, `ENABLE_PUSH of ${value}`);
    }
  }
}
