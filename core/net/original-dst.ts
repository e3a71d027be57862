/** Where a redirected connection was going. */
import type { Socket } from 'node:net';
import { addressOf, int, SO_ORIGINAL_DST, SOL_IP, SOL_IPV6, sys } from './kernel.ts';
import { decodeSockaddr, type IpPort, SOCKADDR_BYTES } from './sockaddr.ts';
import { fdOf } from './socket-options.ts';
import { TcpConnection } from './tcp-connection.ts';

/**
 * The destination before NAT, as connection tracking remembers it. Undefined when the socket is gone or the kernel does
 * not track it: the caller then falls back to the local address (ztunnel.md 1.5).
 */
export function originalDst(socket: Socket | TcpConnection): IpPort | undefined {
  const fd = socket instanceof TcpConnection ? socket.fd : fdOf(socket);
  if (fd === undefined) return undefined;
  // On a dual-stack socket an IPv4 connection answers at level IP only; the order is that of ztunnel.md 1.5.
  return read(fd, SOL_IP, 16) ?? read(fd, SOL_IPV6, SOCKADDR_BYTES);
}

// Read into again and again: asked once a connection.
const bytes = Buffer.alloc(SOCKADDR_BYTES);
const length = int(0);
const [bytesAddress, lengthAddress] = [addressOf(bytes), addressOf(length)];

function read(fd: number, level: number, room: number): IpPort | undefined {
  length.writeInt32LE(room);
  const result = sys.getsockopt(fd, level, SO_ORIGINAL_DST, bytesAddress, lengthAddress);
  return result < 0 ? undefined : decodeSockaddr(bytes);
}
