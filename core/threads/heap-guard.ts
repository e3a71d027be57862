/** Ends a worker before V8 does, which would take the process along. */
import { getHeapStatistics } from 'node:v8';
import { MeshError } from '../../mesh/index.ts';

/** Of what V8 gives a heap at most: above it V8 collects ever more often, and may stop the thread at any allocation. */
const FULL = 0.85;
const EVERY_MS = 1_000;
/** A collection of a large heap stops its thread for as long as a second. */
const BETWEEN_COLLECTIONS_MS = 30_000;

/**
 * Watches the heap of the calling thread. One that stays almost full after a collection is a leak: the thread throws from between two
 * callbacks, ends in order and is replaced, its memory is free, and the other threads serve on. Without `--expose-gc` garbage can not be told
 * from a leak, and nothing is done.
 */
export function guardHeap(everyMs = EVERY_MS, betweenMs = BETWEEN_COLLECTIONS_MS): void {
  let collectedMs = Number.NEGATIVE_INFINITY;
  const check = (): void => {
    if (globalThis.gc === undefined || !isAlmostFull() || performance.now() - collectedMs < betweenMs) return;
    globalThis.gc();
    collectedMs = performance.now();
    if (!isAlmostFull()) return;
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    throw new MeshError('INTERNAL', `its heap is almost full: ${mib(used)} of ${mib(limit)} MiB`);
  };
  setInterval(check, everyMs).unref();
}

function isAlmostFull(): boolean {
  const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
  return used > FULL * limit;
}

const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
