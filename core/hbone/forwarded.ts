/** The headers that a CONNECT request carries beside its authority. */
import { randomBytes } from 'node:crypto';
import { formatSocketAddress, type SocketAddress } from '../../mesh/index.ts';

/** `forwarded`: who called, and which service was meant (RFC 7239, as ambient meshes use it). */
export function formatForwarded(client: SocketAddress, serviceHost: string | undefined): string {
  const from = `for="${formatSocketAddress(client)}"`;
  return serviceHost === undefined ? from : `${from};host=${serviceHost}`;
}

/** The `host` of a `forwarded` header; quotes are optional, anything that is not plain ASCII is ignored. */
export function forwardedHost(header: string | undefined): string | undefined {
  if (header === undefined || !/^[\x20-\x7e]*$/.test(header)) return undefined;
  for (const part of header.split(/[;,]/)) {
    const [name, value] = part.trim().split('=', 2);
    if (name?.toLowerCase() !== 'host') continue;
    const host = value?.replace(/^"(.*)"$/, '$1').trim();
    return host === '' ? undefined : host;
  }
  return undefined;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Drawn in one go for many: one call of the generator for each connection shows in profiles. */
const RANDOM_BYTES = 4_096;
let random = Buffer.alloc(0);
let used = 0;

/** As many random bytes, as hex digits; none is used twice. */
function randomHex(bytes: number): string {
  if (used + bytes > random.length) {
    random = randomBytes(RANDOM_BYTES);
    used = 0;
  }
  used += bytes;
  return random.toString('hex', used - bytes, used);
}

/** 32 hex digits that tie the log lines of both ends together. */
export function newTraceId(): string {
  return randomHex(16);
}

/** 16 hex digits. */
export function newSpanId(): string {
  return randomHex(8);
}

export function formatTraceparent(traceId: string): string {
  return `00-${traceId}-${randomHex(8)}-00`;
}

/** The caller's trace id, or a new one where it sent none that can be read. */
export function traceIdOf(header: string | undefined): string {
  return TRACEPARENT.exec(header ?? '')?.[1] ?? newTraceId();
}
