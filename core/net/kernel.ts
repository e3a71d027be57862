/**
 * The kernel's door: every libc and libuv function that Ambit calls, in one table, through Node's built-in FFI.
 *
 * Nothing outside `core/net` imports this file. Each function returns what the call returned, or the negative errno, read
 * at once: anything that runs in between (a garbage collection, say) may overwrite it.
 */
import ffi from 'node:ffi';
import { mark, unmark } from './ledger.ts';
import { WORD, word } from './word.ts';

export type Memory = bigint | NodeJS.ArrayBufferView | null;

// Used as a whole below and kept by this module: once the library is collected, the functions taken from it dangle.
const native = ffi.dlopen(null, {
  __errno_location: { arguments: [], return: 'pointer' },
  socket: { arguments: [WORD, WORD, WORD], return: 'i32' },
  bind: { arguments: [WORD, WORD, WORD], return: 'i32' },
  connect: { arguments: [WORD, WORD, WORD], return: 'i32' },
  listen: { arguments: [WORD, WORD], return: 'i32' },
  accept4: { arguments: [WORD, WORD, WORD, WORD], return: 'i32' },
  close: { arguments: [WORD], return: 'i32' },
  shutdown: { arguments: [WORD, WORD], return: 'i32' },
  fcntl: { arguments: [WORD, WORD, WORD], return: 'i32' },
  getsockname: { arguments: [WORD, WORD, WORD], return: 'i32' },
  getpeername: { arguments: [WORD, WORD, WORD], return: 'i32' },
  send: { arguments: [WORD, WORD, WORD, WORD], return: 'i32' },
  setsockopt: { arguments: [WORD, WORD, WORD, WORD, WORD], return: 'i32' },
  getsockopt: { arguments: [WORD, WORD, WORD, WORD, WORD], return: 'i32' },
  sendmsg: { arguments: [WORD, WORD, WORD], return: 'i32' },
  recvmsg: { arguments: [WORD, WORD, WORD], return: 'i32' },
  recv: { arguments: [WORD, WORD, WORD, WORD], return: 'i32' },
  pipe2: { arguments: [WORD, WORD], return: 'i32' },
  splice: { arguments: [WORD, WORD, WORD, WORD, WORD, WORD], return: 'i64' },
  memcpy: { arguments: [WORD, WORD, WORD], return: 'pointer' },
  setns: { arguments: [WORD, WORD], return: 'i32' },
  ioctl: { arguments: [WORD, WORD, WORD], return: 'i32' },
  prctl: { arguments: [WORD, WORD, WORD, WORD, WORD], return: 'i32' },
  _exit: { arguments: [WORD], return: 'void' },
  if_nametoindex: { arguments: [WORD], return: 'u32' },
  uv_handle_size: { arguments: [WORD], return: 'u64' },
  uv_poll_init: { arguments: [WORD, WORD, WORD], return: 'i32' },
  uv_poll_start: { arguments: [WORD, WORD, WORD], return: 'i32' },
  uv_close: { arguments: [WORD, WORD], return: 'void' },
});
const c = native.functions;
const errnoAddress = c.__errno_location(); // constant for a thread, and each worker loads this module anew

function orErrno(result: number): number {
  return result < 0 ? -ffi.getInt32(errnoAddress, 0) : result;
}

// Only glibc has it: without it no other call should be missing.
const allocator = (() => {
  try {
    return ffi.dlopen(null, { malloc_trim: { arguments: [WORD], return: 'i32' } });
  } catch {
    return undefined;
  }
})();

/** Gives memory that was freed back to the kernel, also from between what is in use (malloc_trim(3)). */
export function trimMalloc(): void {
  allocator?.functions.malloc_trim(0n);
}

/** System calls. Every one gives its result, or minus the errno. */
export const sys = {
  socket: (domain: number, type: number, protocol: number) =>
    mark(orErrno(c.socket(word(domain), word(type), word(protocol)))),
  bind: (fd: number, address: Buffer) => orErrno(c.bind(word(fd), address, word(address.length))),
  connect: (fd: number, address: Buffer) => orErrno(c.connect(word(fd), address, word(address.length))),
  listen: (fd: number, backlog: number) => orErrno(c.listen(word(fd), word(backlog))),
  /** Writes the peer's address and its length where asked: memory that the caller holds on to. */
  accept: (fd: number, address = 0n, length = 0n) => mark(orErrno(c.accept4(word(fd), address, length, ACCEPT_FLAGS))),
  close: (fd: number) => {
    unmark(fd); // first: from the call on the number may be another thread's
    return orErrno(c.close(word(fd)));
  },
  shutdown: (fd: number, how: number) => orErrno(c.shutdown(word(fd), word(how))),
  duplicate: (fd: number) => mark(orErrno(c.fcntl(word(fd), word(F_DUPFD_CLOEXEC), 0n))),
  getsockname: (fd: number, address: Memory, length: Memory) => orErrno(c.getsockname(word(fd), address, length)),
  getpeername: (fd: number, address: Memory, length: Memory) => orErrno(c.getpeername(word(fd), address, length)),
  setsockopt: (fd: number, level: number, option: number, value: Memory, bytes: number) =>
    orErrno(c.setsockopt(word(fd), word(level), word(option), value, word(bytes))),
  getsockopt: (fd: number, level: number, option: number, value: Memory, length: Memory) =>
    orErrno(c.getsockopt(word(fd), word(level), word(option), value, length)),
  sendmsg: (fd: number, header: Memory, flags: number) => orErrno(c.sendmsg(word(fd), header, word(flags))),
  recvmsg: (fd: number, header: Memory, flags: number) => orErrno(c.recvmsg(word(fd), header, word(flags))),
  recv: (fd: number, into: Buffer, flags: number) => orErrno(c.recv(word(fd), into, word(into.length), word(flags))),
  /** The same for memory that the caller holds on to, by its address. */
  recvAt: (fd: number, address: bigint, bytes: number) => orErrno(c.recv(word(fd), address, word(bytes), 0n)),
  /** The same, and the bytes stay where they are. */
  peekAt: (fd: number, address: bigint, bytes: number) => orErrno(c.recv(word(fd), address, word(bytes), PEEK_FLAGS)),
  /** Drops bytes of a TCP socket unread (tcp(7), MSG_TRUNC). */
  skip: (fd: number, bytes: number) => orErrno(c.recv(word(fd), 0n, word(bytes), SKIP_FLAGS)),
  /** From memory that the caller holds on to. */
  sendAt: (fd: number, address: bigint, bytes: number) => orErrno(c.send(word(fd), address, word(bytes), SEND_FLAGS)),
  /** Two descriptors, which do not block, written into `into`: where to read, then where to write. `at` is its address. */
  pipe: (into: Buffer, at: bigint) => {
    const result = orErrno(c.pipe2(at, PIPE_FLAGS));
    if (result === 0) for (const i of [0, INT_BYTES]) mark(into.readInt32LE(i));
    return result;
  },
  fcntl: (fd: number, command: number, value: number) => orErrno(c.fcntl(word(fd), word(command), word(value))),
  /** Moves bytes between a pipe and a socket, without blocking. */
  splice: (from: number, to: number, bytes: number) =>
    orErrno(Number(c.splice(word(from), 0n, word(to), 0n, word(bytes), SPLICE_FLAGS))),
  setns: (fd: number, kind: number) => orErrno(c.setns(word(fd), word(kind))),
  ioctl: (fd: number, request: number, memory: Memory) => orErrno(c.ioctl(word(fd), word(request), memory)),
  prctl: (option: number, value: bigint) => orErrno(c.prctl(word(option), value, 0n, 0n, 0n)),
  /** Does not come back, and runs nothing on the way. */
  exit: (code: number) => c._exit(word(code)),
  /** Index of an interface of the calling thread's namespace; 0 when there is none of that name. */
  interfaceIndex: (name: string) => c.if_nametoindex(Buffer.from(`${name}\0`)),
} as const;

/** libuv's own calls, which return minus the errno themselves, and what they need from the runtime. */
export const uv = {
  handleSize: (type: number) => Number(c.uv_handle_size(word(type))),
  pollInit: (handle: bigint, fd: number) => c.uv_poll_init(loop(), handle, word(fd)),
  pollStart: (handle: bigint, events: number, callback: bigint) => c.uv_poll_start(handle, word(events), callback),
  close: (handle: bigint, callback: bigint) => c.uv_close(handle, callback),
  /** A function that libuv may call as `uv_poll_cb`; it must not throw. */
  pollCallback: (call: (handle: bigint, status: number, events: number) => void): bigint =>
    native.lib.registerCallback({ arguments: ['pointer', 'i32', 'i32'], return: 'void' }, (handle, status, events) =>
      call(handle as bigint, status, events),
    ),
  /** A function that libuv may call as `uv_close_cb`; it must not throw. */
  closeCallback: (call: (handle: bigint) => void): bigint =>
    native.lib.registerCallback({ arguments: ['pointer'], return: 'void' }, (handle) => call(handle as bigint)),
} as const;

/** The same for a thread's life. */
let eventLoop: bigint | undefined;
function loop(): bigint {
  eventLoop ??= ffi.getCurrentEventLoop();
  return eventLoop;
}

/** Address of a buffer's first byte: valid while the buffer is reachable, so whoever asks keeps it. */
export const addressOf = (memory: NodeJS.ArrayBufferView): bigint => ffi.getRawPointer(memory);

/** Copies between memory that the caller holds on to. */
export const copyMemory = (to: bigint, from: bigint, bytes: number): bigint => c.memcpy(to, from, word(bytes));

/** A C `int` in memory of its own, which the kernel may write to. */
export function int(value: number): Buffer {
  const memory = Buffer.alloc(4);
  memory.writeInt32LE(value | 0);
  return memory;
}

/** Values of options are few, and the same for every socket. */
const MAX_OPTION_VALUES = 64;
const optionValues = new Map<number, { readonly memory: Buffer; readonly address: bigint }>();

/** A C `int` for setsockopt, which only reads it: shared. */
export function optionValue(value: number): Memory {
  const known = optionValues.get(value);
  if (known !== undefined) return known.address;
  const memory = int(value);
  if (optionValues.size < MAX_OPTION_VALUES) optionValues.set(value, { memory, address: addressOf(memory) });
  return memory;
}

// Numbers of the Linux ABI, the same on x86-64 and arm64 (include/uapi and asm-generic headers).
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;
export const CLONE_NEWNET = 0x40000000;
export const NS_GET_NSTYPE = 0xb703;
export const PR_SET_DUMPABLE = 4;
export const ETH_P_ALL = 3;

export const INT_BYTES = 4;
export const SOL_SOCKET = 1;
export const SO_RCVBUFFORCE = 33;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const SO_PEERCRED = 17;
export const SO_MARK = 36;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_DETACH_REUSEPORT_BPF = 68;
export const SOL_IP = 0;
export const IP_FREEBIND = 15;
export const IP_TRANSPARENT = 19;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const SOL_IPV6 = 41;
export const IPV6_V6ONLY = 26;
export const IPV6_TRANSPARENT = 75;
export const IPV6_FREEBIND = 78;
/** SO_ORIGINAL_DST at level SOL_IP, IP6T_SO_ORIGINAL_DST at level SOL_IPV6: the same number. */
export const SO_ORIGINAL_DST = 80;
export const SOL_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_CONGESTION = 13;
export const SOL_PACKET = 263;
export const PACKET_STATISTICS = 6;

export const SCM_RIGHTS = 1;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

export const SHUT_WR = 1;

const ACCEPT_FLAGS = word(SOCK_NONBLOCK | SOCK_CLOEXEC);
const PEEK_FLAGS = word(0x2 | 0x40); // MSG_PEEK, MSG_DONTWAIT
const SKIP_FLAGS = word(MSG_TRUNC | 0x40);
const PIPE_FLAGS = word(SOCK_NONBLOCK | SOCK_CLOEXEC); // O_NONBLOCK and O_CLOEXEC are the same bits
const SPLICE_FLAGS = word(0x1 | 0x2); // SPLICE_F_MOVE, SPLICE_F_NONBLOCK
const SEND_FLAGS = word(MSG_NOSIGNAL);

export const EINTR = 4;
export const EAGAIN = 11;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOBUFS = 105;
export const ENOMEM = 12;
export const EALREADY = 114;
export const EINPROGRESS = 115;
