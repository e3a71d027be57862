/** Where a redirected connection was going. */
import type { Socket } from 'node:net';
import { int, SO_ORIGINAL_DST, SOL_IP, SOL_IPV6, sys } from './kernel.ts';
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

function read(fd: number, level: number, length: number): IpPort | undefined {
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  return sys.getsockopt(fd, level, SO_ORIGINAL_DST, bytes, int(length)) < 0 ? undefined : decodeSockaddr(bytes);
}
