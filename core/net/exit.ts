import { sys } from './kernel.ts';

/**
 * Ends the process after the listeners of `exit`, whatever other threads do. Node would terminate those first, and abort where one of them
 * watches a descriptor or is within a callback of the kernel's (see `watch.ts`). Only in the main thread. `code`: `process.exitCode`, or 0.
 */
export function exitAtOnce(code = process.exitCode ?? 0): never {
  process.on('exit', (final) => sys.exit(final)); // the last of them, for it is the youngest
  process.exit(code);
}
