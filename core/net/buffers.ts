/** Large buffers that are used again: a fresh one costs page faults, and the collector does not see how large they are. */
import { addressOf } from './kernel.ts';

/** What a connection gathers before it is encrypted: a few TLS records. */
export const GATHER_BYTES = 128 * 1024;
/** Unused ones that are kept; connections that write at the same moment are few. */
const MAX_SPARE = 16;

/** GATHER_BYTES with arbitrary content, and where they are. */
export type Gather = { readonly bytes: Buffer; readonly address: bigint };

const spare: Gather[] = [];

export function takeBuffer(): Gather {
  const known = spare.pop();
  if (known !== undefined) return known;
  const bytes = Buffer.allocUnsafeSlow(GATHER_BYTES);
  return { bytes, address: addressOf(bytes) };
}

/** The caller must not touch it any more. */
export function returnBuffer(buffer: Gather): void {
  if (spare.length < MAX_SPARE) spare.push(buffer);
}
