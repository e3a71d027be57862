/** Threads of a proxy: each its own loop and memory, which talk in questions and answers. */
export { guardHeap } from './heap-guard.ts';
export { type Call, type Calls, type Handlers, Link } from './link.ts';
export { MaterialCache } from './material-cache.ts';
export { settle } from './settle.ts';
export { DEFAULT_HANG_MS } from './watchdog.ts';
export { type AnySettings, type AnyWorkerCalls, type Death, entryBeside, WorkerThread } from './worker-thread.ts';
