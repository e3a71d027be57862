/**
 * Which raw descriptors a thread has open. Node closes its own when a worker dies, and knows nothing of ours: whoever
 * replaces the worker closes what is left by this record.
 */

const DESCRIPTORS = 1 << 20; // the highest limit that systems give (fs.nr_open); higher numbers go unrecorded

/** One bit for each descriptor. Written by its thread alone; read by another once that thread has ended. */
export type DescriptorLedger = Int32Array<SharedArrayBuffer>;

let own: DescriptorLedger | undefined;

/** An empty one, to be given to a worker. */
export function newLedger(): DescriptorLedger {
  return new Int32Array(new SharedArrayBuffer(DESCRIPTORS / 8));
}

/** From here on this thread records what it opens. */
export function keepLedger(ledger: DescriptorLedger): void {
  own = ledger;
}

/** The numbers on record, lowest first. */
export function* recorded(ledger: DescriptorLedger): Iterable<number> {
  for (const [i, word] of ledger.entries()) {
    for (let bit = 0; word !== 0 && bit < 32; bit += 1) if ((word >>> bit) & 1) yield i * 32 + bit;
  }
}

/** Passes the descriptor, or the negative errno, on. */
export function mark(fd: number): number {
  if (own !== undefined && fd >= 0 && fd < DESCRIPTORS) own[fd >> 5] = (own[fd >> 5] ?? 0) | (1 << (fd & 31));
  return fd;
}

/** It is about to be closed, or is Node's from now on. */
export function unmark(fd: number): void {
  if (own !== undefined && fd >= 0 && fd < DESCRIPTORS) own[fd >> 5] = (own[fd >> 5] ?? 0) & ~(1 << (fd & 31));
}
