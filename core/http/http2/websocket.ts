/**
 * The handshake of WebSocket that HTTP/1.1 has and HTTP/2 does without (RFC 8441 section 5), so that what was asked in one can be
 * passed on in the other: inside, a request always has a key and a 101 its proof.
 */
import { createHash, randomBytes } from 'node:crypto';

export const KEY_FIELD = 'sec-websocket-key';
export const ACCEPT_FIELD = 'sec-websocket-accept';
/** RFC 6455 section 1.3 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export function newKey(): string {
  return randomBytes(16).toString('base64');
}

/** What proves that a key was read. */
export function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}
