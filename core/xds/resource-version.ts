import { hash } from 'node:crypto';

/**
 * The version of a resource: 64 bits of a hash over its bytes, in hex. Equal contents give equal versions on every
 * replica, so a client that reconnects to another one is not sent what it already holds.
 */
export function resourceVersion(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 16);
}
