/** Memory in which a head and what follows it at once become one write; taken for a moment only, by one connection at a time. */

export const CORK_BYTES = 64 * 1024;
const KEPT = 8;
const free: Buffer[] = [];

export const takeCork = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(CORK_BYTES);

export function giveCork(buffer: Buffer): void {
  if (buffer.length === CORK_BYTES && free.length < KEPT) free.push(buffer);
}
