/** Listening sockets, made inside a network namespace and served outside of it. */
import { fstatSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { must } from './errors.ts';
import * as k from './kernel.ts';
import { unmark } from './ledger.ts';
import type { NetnsRef } from './netns.ts';
import { shareAlike } from './reuse-port.ts';
import { decodeSockaddr, encodeSockaddr, type IpPort, SOCKADDR_BYTES } from './sockaddr.ts';
import { type KeepAlive, setKeepAliveOn, setOption, setUnpaced } from './socket-options.ts';

export type ListenOptions = {
  readonly netns?: NetnsRef;
  /** Default `::`, for both families. */
  readonly ip?: string;
  readonly port: number;
  /** SO_MARK. */
  readonly mark?: number;
  /** IP_TRANSPARENT: its replies may leave with addresses that are not ours. */
  readonly transparent?: boolean;
  /** Two processes may listen at once: one generation takes over from another. */
  readonly reusePort?: boolean;
  /** Inherited by what is accepted. */
  readonly keepAlive?: KeepAlive;
  /** Who calls is on this host. */
  readonly isLocal?: boolean;
  readonly backlog?: number;
  readonly v6only?: boolean;
};

/**
 * Connections that wait in the kernel to be accepted. The reference has 128 (ztunnel.md 1.3), and a burst of a thousand then
 * loses some to resets; what a turn does not accept must wait here, at the cost of the pod whose socket it is.
 */
export const LISTEN_BACKLOG = 4_096;

/**
 * Makes a listening, non-blocking descriptor that children do not inherit. The caller owns it (usually `serveFd` takes it).
 * @throws KernelError
 */
export function listenTcp(options: ListenOptions): number {
  return options.netns ? options.netns.run(() => listenHere(options)) : listenHere(options);
}

function listenHere(o: ListenOptions): number {
  const at = { ip: o.ip ?? '::', port: o.port };
  const { family, bytes } = encodeSockaddr(at);
  const name = `listen on ${at.ip} port ${at.port}`;
  const fd = must(k.sys.socket(family, k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', name);
  try {
    setOption(fd, k.SOL_SOCKET, k.SO_REUSEADDR, 1, 'SO_REUSEADDR');
    setOption(fd, k.SOL_TCP, k.TCP_NODELAY, 1, 'TCP_NODELAY'); // inherited by what is accepted
    if (o.keepAlive) setKeepAliveOn(fd, o.keepAlive);
    if (o.isLocal) setUnpaced(fd);
    if (o.mark !== undefined) setOption(fd, k.SOL_SOCKET, k.SO_MARK, o.mark, 'SO_MARK');
    // Level IP also on a dual-stack socket: both families share the flag.
    if (o.transparent) setOption(fd, k.SOL_IP, k.IP_TRANSPARENT, 1, 'IP_TRANSPARENT');
    if (o.reusePort) setOption(fd, k.SOL_SOCKET, k.SO_REUSEPORT, 1, 'SO_REUSEPORT');
    if (family === k.AF_INET6) setOption(fd, k.SOL_IPV6, k.IPV6_V6ONLY, o.v6only ? 1 : 0, 'IPV6_V6ONLY');
    must(k.sys.bind(fd, bytes), 'bind', name);
    must(k.sys.listen(fd, o.backlog ?? LISTEN_BACKLOG), 'listen', name);
    if (o.reusePort) shareAlike(fd);
    return fd;
  } catch (error) {
    k.sys.close(fd);
    throw error;
  }
}

/** The address a descriptor is bound to; undefined when it is not an IP socket. */
export function localAddress(fd: number): IpPort | undefined {
  const bytes = Buffer.alloc(SOCKADDR_BYTES);
  return k.sys.getsockname(fd, bytes, k.int(bytes.length)) < 0 ? undefined : decodeSockaddr(bytes);
}

export type ServeOptions = {
  readonly backlog?: number;
  /** Default true: the end of one direction is not the end of the other. */
  readonly allowHalfOpen?: boolean;
  /** What the server reports after it has started; without it such an error ends the process. */
  readonly onError?: (error: Error) => void;
};

/**
 * Serves a listening descriptor with `node:net` and owns it from now on: closing the server closes it, and so does a
 * failure to start. Sockets arrive paused and with TCP_NODELAY: the caller makes a leg of them or resumes them.
 */
export async function serveFd(
  fd: number,
  onConnection: (socket: Socket) => void,
  options: ServeOptions = {},
): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer(
    { pauseOnConnect: true, allowHalfOpen: options.allowHalfOpen ?? true, noDelay: true },
    onConnection,
  );
  const { ino } = fstatSync(fd);
  const failed = (error: Error) => {
    // Node may have closed it, and its number may be another's by now.
    if (isSocket(fd, ino)) k.sys.close(fd);
    reject(error);
  };
  server.once('error', failed);
  server.listen({ fd, backlog: options.backlog ?? LISTEN_BACKLOG }, () => {
    server.off('error', failed);
    unmark(fd); // Node's now
    if (options.onError) server.on('error', options.onError);
    resolve(server);
  });
  return promise;
}

function isSocket(fd: number, inode: number): boolean {
  try {
    return fstatSync(fd).ino === inode;
  } catch {
    return false;
  }
}
