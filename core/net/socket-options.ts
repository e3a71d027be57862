/** Options of TCP sockets, set on the descriptor. */
import type { Socket } from 'node:net';
import { must } from './errors.ts';
import * as k from './kernel.ts';

/** Liveness of an idle connection, in seconds. */
export type KeepAlive = { readonly idleS: number; readonly intervalS: number; readonly probes: number };

/** ztunnel's values: 180 s idle, then every 180 s, dead after 9. */
export const DEFAULT_KEEPALIVE: KeepAlive = { idleS: 180, intervalS: 180, probes: 9 };

export function setOption(fd: number, level: number, option: number, value: number, name: string): void {
  must(k.sys.setsockopt(fd, level, option, k.optionValue(value), k.INT_BYTES), 'setsockopt', name);
}

export function setKeepAliveOn(fd: number, keepAlive: KeepAlive): void {
  setOption(fd, k.SOL_SOCKET, k.SO_KEEPALIVE, 1, 'SO_KEEPALIVE');
  setOption(fd, k.SOL_TCP, k.TCP_KEEPIDLE, keepAlive.idleS, 'TCP_KEEPIDLE');
  setOption(fd, k.SOL_TCP, k.TCP_KEEPINTVL, keepAlive.intervalS, 'TCP_KEEPINTVL');
  setOption(fd, k.SOL_TCP, k.TCP_KEEPCNT, keepAlive.probes, 'TCP_KEEPCNT');
}

/** Binding to an address that is not ours, in either family: what lets a proxy speak as its client. */
export function setSpoofing(fd: number, family: number): void {
  if (family === k.AF_INET6) {
    setOption(fd, k.SOL_IPV6, k.IPV6_TRANSPARENT, 1, 'IPV6_TRANSPARENT');
    setOption(fd, k.SOL_IPV6, k.IPV6_FREEBIND, 1, 'IPV6_FREEBIND');
  } else {
    setOption(fd, k.SOL_IP, k.IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
    setOption(fd, k.SOL_IP, k.IP_FREEBIND, 1, 'IP_FREEBIND');
  }
  // The port is chosen at connect, where it must be unique only together with the destination: else 28,000 is the limit.
  setOption(fd, k.SOL_IP, k.IP_BIND_ADDRESS_NO_PORT, 1, 'IP_BIND_ADDRESS_NO_PORT');
}

/** What sends as soon as the window allows, the better one first; the second is in every kernel. */
const UNPACED = ['cubic', 'reno'].map((name) => Buffer.from(name));

/**
 * For a connection that does not leave the host. BBR, where it is the default, lets a timer pace what is sent: of use on a
 * network, while over loopback it halves what a stream moves.
 */
export function setUnpaced(fd: number): void {
  UNPACED.some((name) => k.sys.setsockopt(fd, k.SOL_TCP, k.TCP_CONGESTION, name, name.length) === 0);
}

/** The descriptor under a Node socket; undefined when it has none any more. Node keeps it in an unnamed place. */
export function fdOf(socket: Socket): number | undefined {
  const handle = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle;
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

/**
 * Cuts a connection with a TCP reset. Lingering for no time makes the kernel's close a reset, also after our side has
 * sent its FIN, where libuv's own reset refuses.
 */
export function resetSocket(socket: Socket): void {
  const fd = fdOf(socket);
  if (fd !== undefined) setLingerZero(fd);
  socket.destroy();
}

/** `struct linger`: on, for no time. */
const linger = Buffer.of(1, 0, 0, 0, 0, 0, 0, 0);
const lingerAddress = k.addressOf(linger);

/** Makes the coming close of this descriptor a reset. */
export function setLingerZero(fd: number): void {
  k.sys.setsockopt(fd, k.SOL_SOCKET, k.SO_LINGER, lingerAddress, linger.length); // fails only on a socket already gone
}

/** Makes Node leave the bytes of a socket in the kernel; `pause()` alone lets it read one chunk ahead. */
export function stopReading(socket: Socket): void {
  socket.pause();
  (socket as unknown as { readonly _handle?: { readStop?(): void } | null })._handle?.readStop?.();
}
