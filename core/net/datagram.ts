/** `recvmsg` and `sendmsg` for datagrams, with the address of the other end: memory that all sockets of this thread share. */
import { addressOf, MSG_NOSIGNAL, sys } from './kernel.ts';
import { SOCKADDR_BYTES } from './sockaddr.ts';

/** More than any UDP payload (RFC 768: the length field has 16 bits and counts the header). */
export const MAX_DATAGRAM_BYTES = 65_535;
const MSGHDR_BYTES = 56;
const NAME_AT = 0;
const NAME_LENGTH_AT = 8;
const IOV_AT = 16;
const IOV_COUNT_AT = 24;
const IOV_BYTES = 16;
const IOV_LENGTH_AT = 8;

/** A `msghdr` with its iovec, data and address, all kept by this object for as long as the kernel may look. */
class Datagram {
  readonly #header = Buffer.alloc(MSGHDR_BYTES);
  readonly #iov = Buffer.alloc(IOV_BYTES);
  readonly #data = Buffer.alloc(MAX_DATAGRAM_BYTES);
  readonly #name = Buffer.alloc(SOCKADDR_BYTES);

  constructor() {
    this.#iov.writeBigUInt64LE(addressOf(this.#data), 0);
    this.#header.writeBigUInt64LE(addressOf(this.#name), NAME_AT);
    this.#header.writeBigUInt64LE(addressOf(this.#iov), IOV_AT);
    this.#header.writeBigUInt64LE(1n, IOV_COUNT_AT);
  }

  /** Bytes received, or minus the errno; `bytes` and `from` say what and whence. */
  receive(fd: number): number {
    this.#prepare(MAX_DATAGRAM_BYTES, SOCKADDR_BYTES);
    return sys.recvmsg(fd, this.#header, 0);
  }

  /** What was received, valid until the next call. */
  bytes(length: number): Buffer {
    return this.#data.subarray(0, length);
  }

  /** The sender's address as the kernel wrote it: a copy. */
  from(): Buffer {
    return Buffer.from(this.#name.subarray(0, this.#header.readUInt32LE(NAME_LENGTH_AT)));
  }

  /** Bytes sent, or minus the errno. Without an address it goes where the socket is connected to. */
  send(fd: number, view: Uint8Array, to: Uint8Array | undefined): number {
    this.#data.set(view);
    if (to !== undefined) this.#name.set(to);
    this.#prepare(view.length, to?.length ?? 0);
    return sys.sendmsg(fd, this.#header, MSG_NOSIGNAL);
  }

  #prepare(dataBytes: number, nameBytes: number): void {
    this.#iov.writeBigUInt64LE(BigInt(dataBytes), IOV_LENGTH_AT);
    this.#header.writeUInt32LE(nameBytes, NAME_LENGTH_AT);
  }
}

/** Two, so that an answer may be sent while what came is still being read. */
export const incoming = new Datagram();
export const outgoing = new Datagram();
