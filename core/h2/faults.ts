/** What a peer can do wrong in HTTP/2, and how it is answered. */

/** RFC 9113 section 7. */
export const H2 = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
} as const;

/**
 * The limits that guard us against a peer that means harm, each under a name of its own. `protocol-error` is everything else
 * that ends a connection; a stall or a window overflow may end one stream only.
 */
export type FloodKind =
  | 'rapid-reset'
  | 'continuation-flood'
  | 'header-flood'
  | 'hpack-bomb'
  | 'settings-flood'
  | 'ping-flood'
  | 'control-flood'
  | 'unread-answers'
  | 'malformed-streams'
  | 'oversized-frame'
  | 'window-overflow'
  | 'zero-window-stall'
  | 'protocol-error';

/** Ends the connection: GOAWAY with `code`, and no more. */
export class ConnectionFault extends Error {
  override readonly name = 'ConnectionFault';
  readonly code: number;
  readonly flood: FloodKind;
  constructor(code: number, message: string, flood: FloodKind = 'protocol-error') {
    super(message);
    this.code = code;
    this.flood = flood;
  }
}
