/** What the process as a whole needs from the kernel. */
import { must } from './errors.ts';
import * as k from './kernel.ts';
import { NetnsRef } from './netns.ts';
import { setOption } from './socket-options.ts';
import { POLL_HANDLE_BYTES, UV_POLL } from './watch.ts';

/** Makes sure, at start, that descriptors can be watched. @throws Error */
export function checkRuntime(): void {
  if (k.uv.handleSize(UV_POLL) > POLL_HANDLE_BYTES) {
    throw new Error(`this Node is not the pinned one: a poll handle takes ${k.uv.handleSize(UV_POLL)} bytes`);
  }
}

/**
 * Makes sure, at start, that namespaces can be entered and sockets marked, so that a missing capability is one clear line and
 * not a failure of the first pod.
 * @throws Error naming what is missing.
 */
export function checkCapabilities(): void {
  try {
    using own = NetnsRef.current();
    own.run(() => {});
  } catch (cause) {
    throw new Error('cannot enter network namespaces: CAP_SYS_ADMIN is needed', { cause });
  }
  const fd = must(k.sys.socket(k.AF_INET, k.SOCK_STREAM | k.SOCK_CLOEXEC, 0), 'socket', 'a TCP socket');
  try {
    setOption(fd, k.SOL_SOCKET, k.SO_MARK, 1, 'SO_MARK');
  } catch (cause) {
    throw new Error('cannot mark packets: CAP_NET_ADMIN is needed', { cause });
  } finally {
    k.sys.close(fd);
  }
}

/**
 * Gives what native code has freed in all threads back to the kernel; the allocator keeps it otherwise, in pieces. Some
 * milliseconds. Nothing happens where the C library can not do it.
 */
export function trimNativeMemory(): void {
  k.trimMalloc();
}

/** Keeps other processes of the same user away from this one's memory: no core dump, no ptrace. */
export function setNotDumpable(): void {
  must(k.sys.prctl(k.PR_SET_DUMPABLE, 0n), 'prctl', 'make the process not dumpable');
}
