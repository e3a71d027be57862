/** Readiness of a raw descriptor on the event loop of the calling thread. */
import { isMainThread } from 'node:worker_threads';
import { must } from './errors.ts';
import { addressOf, uv } from './kernel.ts';
import { beginEvent, endEvent, endTurn, soon } from './turn.ts';

export const READABLE = 1; // UV_READABLE
export const WRITABLE = 2; // UV_WRITABLE
export const DISCONNECT = 4; // UV_DISCONNECT: the peer has closed, whether or not anything is left to read

export const UV_POLL = 8; // uv_handle_type
export const POLL_HANDLE_BYTES = 256; // more than uv_handle_size(UV_POLL); `checkRuntime` compares

export interface WatchEvents {
  /** `status` is negative (minus an errno) when the descriptor itself is broken; `events` is a mask. */
  ready(status: number, events: number): void;
  /** `ready` threw. */
  failed(error: unknown): void;
}

/** Handles in one piece of memory. Slabs are never freed: libuv holds addresses in them. */
const HANDLES_A_SLAB = 256;
const slabs: Buffer[] = [];
const free: bigint[] = [];

function takeHandle(): bigint {
  const spare = free.pop();
  if (spare !== undefined) return spare;
  const slab = Buffer.alloc(HANDLES_A_SLAB * POLL_HANDLE_BYTES);
  slabs.push(slab);
  const start = addressOf(slab);
  for (let i = HANDLES_A_SLAB - 1; i > 0; i--) free.push(start + BigInt(i * POLL_HANDLE_BYTES));
  return start;
}

/** Who is told about which handle; an entry goes when libuv has let go of the handle. */
const live = new Map<bigint, Watch>();

const onReady = uv.pollCallback((handle, status, events) => {
  beginEvent();
  const to = live.get(handle)?.receiver;
  try {
    if (status < 0 || (events & ~READABLE) !== 0) endTurn(); // more than bytes
    to?.ready(status, events);
  } catch (error) {
    endTurn();
    if (to !== undefined) report(to, error); // a throw would cross native frames and kill the process
  }
  endEvent();
});
const onClosed = uv.closeCallback((handle) => {
  live.delete(handle);
  free.push(handle);
});

/*
 * How a worker may end. Node aborts the process when the loop of a worker still has handles that are not its own ("uv loop ... has
 * open handles"), and when JavaScript is terminated within a callback of ours, or called by one afterwards ("Callbacks cannot
 * throw an exception"). An uncaught error and `process.exit` outside of such callbacks come by here first. `worker.terminate`, a
 * full heap and the end of the main thread do not: workers are never terminated, leave before their heap is full
 * (`core/threads/heap-guard.ts`), and the process ends by `exitAtOnce`.
 */
if (!isMainThread) {
  process.on('exit', () => {
    for (const watch of live.values()) watch[Symbol.dispose]();
  });
}

function report(to: WatchEvents, error: unknown): void {
  try {
    to.failed(error);
  } catch (again) {
    soon(() => {
      throw again; // an ordinary uncaught exception, off the native stack
    });
  }
}

/** Watches one descriptor until disposed. It does not own the descriptor: dispose first, then close it. */
export class Watch implements Disposable {
  receiver: WatchEvents;
  readonly #handle: bigint;
  #mask = 0;
  #closed = false;

  /** @throws KernelError when the descriptor can't be watched, or is watched already. */
  constructor(fd: number, to: WatchEvents) {
    this.receiver = to;
    this.#handle = takeHandle();
    try {
      must(uv.pollInit(this.#handle, fd), 'uv_poll_init', `watch descriptor ${fd}`);
    } catch (error) {
      free.push(this.#handle); // never initialised: libuv does not know it
      throw error;
    }
    live.set(this.#handle, this);
  }

  /** Sets what to wait for: READABLE, WRITABLE, DISCONNECT or a sum of them; 0 for nothing. */
  want(mask: number): void {
    if (this.#closed || mask === this.#mask) return;
    this.#mask = mask;
    must(uv.pollStart(this.#handle, mask, onReady), 'uv_poll_start', 'watch a descriptor');
  }

  [Symbol.dispose](): void {
    if (this.#closed) return; // libuv aborts the process on a second uv_close
    this.#closed = true;
    uv.close(this.#handle, onClosed);
  }
}
