/** `sendmsg` and `recvmsg` with descriptors: one reusable set of the structures the kernel reads and writes. */
import {
  addressOf,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
  sys,
} from './kernel.ts';

/** Room for this many descriptors in one packet; what a peer sends beyond it counts as truncation. */
export const MAX_PACKET_FDS = 16;
const CMSG_HEADER_BYTES = 16; // size_t len, int level, int type
const MSGHDR_BYTES = 56;
const FLAGS_AT = 48;
const CONTROL_LENGTH_AT = 40;
const IOV_BYTES = 16;

export type Received = { readonly packet: Uint8Array; readonly fds: readonly number[]; readonly truncated: boolean };

const align8 = (n: number) => (n + 7) & ~7;

/** A `msghdr` with its iovec, data and control memory, all kept by this object for as long as the kernel may look. */
export class Message {
  readonly #header = Buffer.alloc(MSGHDR_BYTES);
  readonly #iov = Buffer.alloc(IOV_BYTES);
  readonly #data: Buffer;
  readonly #control = Buffer.alloc(CMSG_HEADER_BYTES + align8(4 * MAX_PACKET_FDS));

  constructor(maxPacketBytes: number) {
    this.#data = Buffer.alloc(maxPacketBytes);
    this.#iov.writeBigUInt64LE(addressOf(this.#data), 0);
    this.#header.writeBigUInt64LE(addressOf(this.#iov), 16);
    this.#header.writeBigUInt64LE(1n, 24);
  }

  /** Bytes sent, or minus the errno. The packet must fit `maxPacketBytes`. */
  send(fd: number, packet: Uint8Array, fds: readonly number[]): number {
    this.#data.set(packet);
    const controlBytes = fds.length === 0 ? 0 : CMSG_HEADER_BYTES + align8(4 * fds.length);
    if (fds.length > 0) {
      this.#control.fill(0);
      this.#control.writeBigUInt64LE(BigInt(CMSG_HEADER_BYTES + 4 * fds.length), 0);
      this.#control.writeInt32LE(SOL_SOCKET, 8);
      this.#control.writeInt32LE(SCM_RIGHTS, 12);
      for (const [i, passed] of fds.entries()) this.#control.writeInt32LE(passed, CMSG_HEADER_BYTES + 4 * i);
    }
    this.#prepare(packet.length, controlBytes);
    return sys.sendmsg(fd, this.#header, MSG_NOSIGNAL);
  }

  /** What came, or minus the errno. The descriptors belong to the caller, also those of a truncated packet. */
  receive(fd: number): Received | number {
    this.#prepare(this.#data.length, this.#control.length);
    const got = sys.recvmsg(fd, this.#header, MSG_CMSG_CLOEXEC);
    if (got < 0) return got;
    const flags = this.#header.readInt32LE(FLAGS_AT);
    return {
      packet: Uint8Array.prototype.slice.call(this.#data, 0, got),
      fds: this.#passedFds(),
      truncated: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
    };
  }

  #prepare(dataBytes: number, controlBytes: number): void {
    this.#iov.writeBigUInt64LE(BigInt(dataBytes), 8);
    this.#header.writeBigUInt64LE(controlBytes === 0 ? 0n : addressOf(this.#control), 32);
    this.#header.writeBigUInt64LE(BigInt(controlBytes), CONTROL_LENGTH_AT);
    this.#header.writeInt32LE(0, FLAGS_AT);
  }

  #passedFds(): number[] {
    const fds: number[] = [];
    const end = Number(this.#header.readBigUInt64LE(CONTROL_LENGTH_AT));
    for (let at = 0; at + CMSG_HEADER_BYTES <= end; ) {
      const length = Number(this.#control.readBigUInt64LE(at));
      if (length < CMSG_HEADER_BYTES) break;
      const isRights =
        this.#control.readInt32LE(at + 8) === SOL_SOCKET && this.#control.readInt32LE(at + 12) === SCM_RIGHTS;
      for (let fd = at + CMSG_HEADER_BYTES; isRights && fd + 4 <= at + length; fd += 4) {
        fds.push(this.#control.readInt32LE(fd));
      }
      at += align8(length);
    }
    return fds;
  }
}
