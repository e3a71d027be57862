/** One port, two processes (SO_REUSEPORT): the elder leaves it to its successor. */
import { must } from './errors.ts';
import * as k from './kernel.ts';

// Two structures of include/uapi/linux/filter.h, for 64-bit machines.
/** `struct sock_filter`: code (u16), two jumps (u8), operand (u32). */
const INSTRUCTION_BYTES = 8;
/** `struct sock_fprog`: count of instructions (u16, padded), where they are. */
const PROGRAM_BYTES = 16;
/** BPF_RET | BPF_K: the result is the operand. */
const RETURN_OPERAND = 0x06;

/** The program and its only instruction, in one memory: so both live as long. */
const program = Buffer.alloc(PROGRAM_BYTES + INSTRUCTION_BYTES);
program.writeUInt16LE(1, 0);
program.writeBigUInt64LE(k.addressOf(program) + BigInt(PROGRAM_BYTES), 8);
program.writeUInt16LE(RETURN_OPERAND, PROGRAM_BYTES);
program.writeUInt32LE(1, PROGRAM_BYTES + 4); // of those that listen, counted from 0 in the order in which they began

/** How long a port is kept for connections that were half open when it was left: some round trips. */
export const HAND_OVER_MS = 100;

/**
 * From now on all new connections go to the second of those that listen on this port: the elder of two calls this, and is
 * gone soon. Alone on the port it still gets them itself, since a choice that does not exist counts for none (socket(7),
 * SO_ATTACH_REUSEPORT_CBPF); a port that is not shared has no successor. The kernel keeps the rule until the next one begins
 * to listen.
 * @throws KernelError when the kernel has no such rules.
 */
export function leaveToSuccessor(fd: number): void {
  const result = k.sys.setsockopt(fd, k.SOL_SOCKET, k.SO_ATTACH_REUSEPORT_CBPF, program, PROGRAM_BYTES);
  if (result === -k.EINVAL) return; // not shared
  must(result, 'setsockopt', 'SO_ATTACH_REUSEPORT_CBPF');
}

/** All who listen on this port have a share of what comes, whatever an earlier generation had decided. */
export function shareAlike(fd: number): void {
  k.sys.setsockopt(fd, k.SOL_SOCKET, k.SO_DETACH_REUSEPORT_BPF, k.optionValue(0), k.INT_BYTES); // fails when nobody had
}
