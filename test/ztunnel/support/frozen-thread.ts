/** A thread of another process that gets no further, as one that is caught in an endless loop. */

import ffi from 'node:ffi';
import { readdirSync, readFileSync } from 'node:fs';

// Kept as a whole: once the library is collected, the functions taken from it dangle.
const libc = ffi.dlopen(null, {
  ptrace: { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'i64' },
  waitpid: { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
});
const { ptrace, waitpid } = libc.functions;

// ptrace(2), waitpid(2)
const PTRACE_SEIZE = 0x4206n;
const PTRACE_INTERRUPT = 0x4207n;
const WNOHANG_WALL = 0x4000_0001n;

/** Stops the thread of that name, and no other one. Its process can not end before `reap` has said true. */
export function freeze(pid: number, name: string): { reap(): boolean } {
  const tasks = `/proc/${pid}/task`;
  const tid = readdirSync(tasks).find((one) => readFileSync(`${tasks}/${one}/comm`, 'utf8').trim() === name);
  if (tid === undefined) throw new Error(`process ${pid} has no thread ${name}`);
  for (const request of [PTRACE_SEIZE, PTRACE_INTERRUPT]) {
    if (ptrace(request, BigInt(tid), 0n, 0n) !== 0n) throw new Error(`thread ${tid} can not be stopped`);
  }
  let waits = 0;
  return {
    /** Whether the thread is gone: first it is told that it has stopped. */
    reap() {
      if (waitpid(BigInt(tid), 0n, WNOHANG_WALL) === Number(tid)) waits += 1;
      return waits === 2;
    },
  };
}
