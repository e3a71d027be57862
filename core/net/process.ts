/**
 * What a program that starts others in namespaces needs from the kernel: mounts, a new root, capabilities, orphans.
 * The calls act on the calling thread, which is what `process.execve` then turns into the new program.
 */
import ffi from 'node:ffi';
import { closeSync, constants, openSync } from 'node:fs';
import { must } from './errors.ts';

// A table of its own beside `kernel.ts`: components never need these. Kept whole, functions taken from it would dangle.
const native = ffi.dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  mount: { arguments: ['pointer', 'pointer', 'pointer', 'u64', 'pointer'], return: 'i32' },
  umount2: { arguments: ['pointer', 'i32'], return: 'i32' },
  unshare: { arguments: ['i32'], return: 'i32' },
  setns: { arguments: ['i32', 'i32'], return: 'i32' },
  sethostname: { arguments: ['pointer', 'u64'], return: 'i32' },
  prctl: { arguments: ['i32', 'u64', 'u64', 'u64', 'u64'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  signal: { arguments: ['i32', 'pointer'], return: 'pointer' },
  ioctl: { arguments: ['i32', 'u64', 'pointer'], return: 'i32' },
  waitid: { arguments: ['i32', 'i32', 'pointer', 'i32', 'pointer'], return: 'i32' },
  syscall: { arguments: ['i64', 'pointer', 'pointer'], return: 'i64' },
});
const c = native.functions;
const errnoAddress = c.__errno_location();

const text = (value: string) => Buffer.from(`${value}\0`);
function orErrno(result: number | bigint): number {
  return result < 0 ? -ffi.getInt32(errnoAddress, 0) : Number(result);
}

/** mount(2) flags by their names in mount(8). */
const MOUNT_FLAGS = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  rec: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;
export type MountFlag = keyof typeof MOUNT_FLAGS;

export type Mount = {
  readonly source?: string;
  readonly target: string;
  readonly type?: string;
  readonly flags?: readonly MountFlag[];
  /** Options of the file system, such as `size=64m`. */
  readonly data?: string;
};

/** @throws KernelError */
export function mount(o: Mount): void {
  const flags = (o.flags ?? []).reduce((sum, flag) => sum | MOUNT_FLAGS[flag], 0);
  const result = c.mount(
    text(o.source ?? 'none'),
    text(o.target),
    o.type === undefined ? null : text(o.type),
    BigInt(flags),
    o.data === undefined ? null : text(o.data),
  );
  must(orErrno(result), 'mount', `${o.type ?? o.flags?.join(',') ?? ''} ${o.source ?? ''} on ${o.target}`);
}

const MNT_DETACH = 2;
/** Takes a mount out of sight at once; the kernel drops it when nobody uses it any more. @throws KernelError */
export function unmount(target: string): void {
  must(orErrno(c.umount2(text(target), MNT_DETACH)), 'umount', target);
}

const CLONE = { mount: 0x20000, uts: 0x4000000, fs: 0x200 } as const;
/** Gives this thread namespaces of its own. @throws KernelError */
export function unshare(kinds: readonly ('mount' | 'uts')[]): void {
  const flags = kinds.reduce((sum, kind) => sum | CLONE[kind], 0);
  must(orErrno(c.unshare(flags)), 'unshare', kinds.join(' and '));
}

/**
 * Moves this thread into a mount or UTS namespace, by a descriptor of `/proc/PID/ns/…`.
 * @throws KernelError
 */
export function enterNamespace(fd: number, kind: 'mount' | 'uts'): void {
  // Threads share root and working directory; with a mount namespace of its own a thread can't (setns(2)).
  if (kind === 'mount') must(orErrno(c.unshare(CLONE.fs)), 'unshare', 'root and working directory');
  must(orErrno(c.setns(fd, CLONE[kind])), 'setns', `${kind} namespace`);
}

const SYS_PIVOT_ROOT: Readonly<Record<string, bigint>> = { x64: 155n, arm64: 41n };
/** Makes a mount point the root of this mount namespace and forgets the old one. @throws KernelError */
export function pivotRoot(root: string): void {
  const number = SYS_PIVOT_ROOT[process.arch];
  if (number === undefined) throw new Error(`pivot_root: the call's number on ${process.arch} is not known`);
  process.chdir(root);
  // pivot_root(2): the same directory twice stacks the old root on top of the new one, and the unmount takes it away.
  must(orErrno(c.syscall(number, text('.'), text('.'))), 'pivot_root', root);
  unmount('.');
  process.chdir('/');
}

/** The name of this thread's UTS namespace. @throws KernelError */
export function setHostname(name: string): void {
  const bytes = Buffer.from(name);
  must(orErrno(c.sethostname(bytes, BigInt(bytes.length))), 'sethostname', name);
}

const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
/**
 * Drops every capability but these (numbers of capabilities(7)) from the bounding set. A root process has exactly the
 * bounding set after its next exec, another user's has none.
 * @throws KernelError
 */
export function boundCapabilities(keep: ReadonlySet<number>): void {
  for (let cap = 0; c.prctl(PR_CAPBSET_READ, BigInt(cap), 0n, 0n, 0n) >= 0; cap++) {
    if (!keep.has(cap)) must(orErrno(c.prctl(PR_CAPBSET_DROP, BigInt(cap), 0n, 0n, 0n)), 'prctl', `capability ${cap}`);
  }
}

/** No program started from here gains rights by set-user-ID or file capabilities. @throws KernelError */
export function setNoNewPrivileges(): void {
  must(orErrno(c.prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n)), 'prctl', 'no new privileges');
}

const IGNORED_BY_NODE = [13, 25]; // SIGPIPE, SIGXFSZ
/** What Node ignores would stay ignored in the next program, where SIGPIPE should end a writer. */
export function restoreSignals(): void {
  for (const signal of IGNORED_BY_NODE) c.signal(signal, null);
}

const F_SETFD = 2;
/** Closes a descriptor when this process becomes another program. @throws KernelError */
export function closeOnExec(fd: number): void {
  must(orErrno(c.fcntl(fd, F_SETFD, 1)), 'fcntl', `close descriptor ${fd} on exec`);
}

const TIOCSCTTY = 0x540en;
const TIOCSWINSZ = 0x5414n;
const TIOCGPTN = 0x80045430n;
const TIOCSPTLCK = 0x40045431n;

/** A pair of descriptors that make a terminal: people are at `master`, a program is at `slave`. @throws KernelError */
export function openTerminal(): { readonly master: number; readonly slave: number } {
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  try {
    const number = Buffer.alloc(4);
    must(orErrno(c.ioctl(master, TIOCSPTLCK, number)), 'ioctl', 'unlock a terminal');
    must(orErrno(c.ioctl(master, TIOCGPTN, number)), 'ioctl', 'number of a terminal');
    return { master, slave: openSync(`/dev/pts/${number.readInt32LE()}`, constants.O_RDWR | constants.O_NOCTTY) };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** Tells the programs at a terminal how large it is now. */
export function resizeTerminal(master: number, size: { readonly columns: number; readonly rows: number }): void {
  const memory = Buffer.alloc(8);
  memory.writeUInt16LE(size.rows & 0xffff, 0);
  memory.writeUInt16LE(size.columns & 0xffff, 2);
  c.ioctl(master, TIOCSWINSZ, memory); // a terminal that is gone has no size: nothing to tell
}

/** Makes a terminal the one that controls this session (its keys send signals). @throws KernelError */
export function takeTerminal(fd: number): void {
  must(orErrno(c.ioctl(fd, TIOCSCTTY, null)), 'ioctl', 'take the terminal');
}

const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;
const SIGINFO_BYTES = 128;
const SI_PID_OFFSET = 16; // on 64 bits the union of siginfo_t starts here
const info = Buffer.alloc(SIGINFO_BYTES);

/**
 * As PID 1: takes leave of ended processes that were left to us by their parents. libuv waits for its own children only,
 * and `own` says which those are; when one of them is first in line, its exit event comes first and this is called again.
 */
export function reapOrphans(own: (pid: number) => boolean): void {
  for (;;) {
    info.fill(0);
    if (c.waitid(P_ALL, 0, info, WNOHANG | WEXITED | WNOWAIT, null) < 0) return; // ECHILD: no children at all
    const pid = info.readInt32LE(SI_PID_OFFSET);
    if (pid === 0 || own(pid)) return;
    c.waitid(P_PID, pid, info, WNOHANG | WEXITED, null);
  }
}
