/** What `node:http2` says of a peer that breaks the rules, in the words that the plane has for it. */
import type { FloodKind } from '../h2/index.ts';

/** nghttp2.h, `nghttp2_error`: Node passes the number on as `errno`. */
const OF_NGHTTP2: Readonly<Record<number, FloodKind>> = {
  [-505]: 'protocol-error', // PROTO
  [-522]: 'oversized-frame', // FRAME_SIZE_ERROR
  [-523]: 'protocol-error', // HEADER_COMP
  [-524]: 'window-overflow', // FLOW_CONTROL
  [-537]: 'settings-flood', // TOO_MANY_SETTINGS
  [-903]: 'protocol-error', // BAD_CLIENT_MAGIC
  [-904]: 'control-flood', // FLOODED: PING or SETTINGS that wait for their answers
  [-905]: 'continuation-flood', // TOO_MANY_CONTINUATIONS
};

/** Undefined: an error that is not the peer's doing, such as a connection that was lost. */
export function http2FloodKind(error: unknown): FloodKind | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  if (error.code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES') return 'malformed-streams';
  if (error.code !== 'ERR_HTTP2_ERROR' || !('errno' in error) || typeof error.errno !== 'number') return undefined;
  return OF_NGHTTP2[error.errno];
}
