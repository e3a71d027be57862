/** Large buffers that are used again: a fresh one costs page faults, and the collector does not see how large they are. */

/** What a connection gathers before it is encrypted: a few TLS records. */
export const GATHER_BYTES = 128 * 1024;
/** Unused ones that are kept; connections that write at the same moment are few. */
const MAX_SPARE = 16;

const spare: Buffer[] = [];

/** A buffer of GATHER_BYTES with arbitrary content. */
export function takeBuffer(): Buffer {
  return spare.pop() ?? Buffer.allocUnsafeSlow(GATHER_BYTES);
}

/** The caller must not touch it any more. */
export function returnBuffer(buffer: Buffer): void {
  if (spare.length < MAX_SPARE) spare.push(buffer);
}

/** Runs of the event loop's poll phase end here: everything that gathered bytes in it sends them, once. */
const dirty = new Set<{ flush(): void }>();

export function flushSoon(what: { flush(): void }): void {
  if (dirty.size === 0) setImmediate(flushAll);
  dirty.add(what);
}

function flushAll(): void {
  const now = [...dirty];
  dirty.clear();
  for (const what of now) {
    try {
      what.flush();
    } catch (error) {
      // The bug of one connection's user must not keep the bytes of the others.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
