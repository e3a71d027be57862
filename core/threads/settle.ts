import { trimNativeMemory } from '../net/index.ts';

/**
 * Gives back what starting has left in the calling thread's heap and in native memory (compiled modules, parsed configuration):
 * without much to do V8 and the allocator would keep it for hours. Takes some 40 ms, so it belongs before the first connection.
 * Needs `--expose-gc`, as the proxies are started in clusters; without it nothing happens.
 */
export function settle(): void {
  if (globalThis.gc === undefined) return;
  globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  trimNativeMemory();
}
