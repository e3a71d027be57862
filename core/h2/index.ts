/** The wall of HTTP/2 itself (RFC 9113): frames, windows, header compression, and what a peer may do. What streams mean is said elsewhere. */
export { H2Connection } from './connection.ts';
export type { ConnectionEvents, ConnectionOptions, H2Settings, H2Stream, Wire } from './connection-types.ts';
export { ConnectionFault, type FloodKind, H2 } from './faults.ts';
export { FIRST_WINDOW_BYTES, firstWindowBytes, MAX_WINDOW_BYTES, ReceiveWindow, WindowGrowth } from './flow-window.ts';
export {
  DEFAULT_FRAME_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  FrameReader,
  frame,
  goawayFrame,
  headerFrames,
  numberFrame,
  putHeader,
  SETTING,
  settingsFrame,
} from './frames.ts';
export type { BlockDecoder, HeaderBlock, HeaderField } from './header-blocks.ts';
export { HeldBytes } from './held-bytes.ts';
export { encodeHeaders } from './hpack.ts';
export { type Field, HpackDecoder, type MakeField, staticFields } from './hpack-decoder.ts';
export { HpackEncoder } from './hpack-encoder.ts';
export { DEFAULT_H2_LIMITS, type H2Limits, type Rate } from './limits.ts';
export { randomness } from './randomness.ts';
