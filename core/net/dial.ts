/** Outgoing TCP connections from inside a network namespace. */
import { Socket } from 'node:net';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import type { NetnsRef } from './netns.ts';
import { encodeSockaddr, type IpPort } from './sockaddr.ts';
import { DEFAULT_KEEPALIVE, type KeepAlive, setKeepAliveOn, setOption, setSpoofing } from './socket-options.ts';

export type DialOptions = {
  readonly netns?: NetnsRef;
  readonly to: IpPort;
  /** SO_MARK. */
  readonly mark?: number;
  /** Speak as this address, which need not be ours; the port is chosen freely. */
  readonly bindSource?: string;
  /** Default 10 s (ztunnel.md 1.3). */
  readonly timeoutMs?: number;
  readonly keepAlive?: KeepAlive;
  readonly signal?: AbortSignal;
  /** Default true. */
  readonly allowHalfOpen?: boolean;
};

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects. The socket has TCP_NODELAY and keepalive, and is not being read yet.
 * Rejects with an error whose `code` is ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH and so on, or with the signal's reason.
 */
export async function dialTcp(o: DialOptions): Promise<Socket> {
  o.signal?.throwIfAborted();
  const fd = o.netns ? o.netns.run(() => socketHere(o)) : socketHere(o);
  const socket = adopt(fd, o.allowHalfOpen ?? true);
  try {
    await connected(socket, o);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** A socket with all its options, bound where asked; libuv connects this very descriptor later. */
function socketHere(o: DialOptions): number {
  const { family } = encodeSockaddr(o.to);
  const name = `connect to ${o.to.ip} port ${o.to.port}`;
  const fd = must(k.sys.socket(family, k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', name);
  try {
    if (o.mark !== undefined) setOption(fd, k.SOL_SOCKET, k.SO_MARK, o.mark, 'SO_MARK');
    setOption(fd, k.SOL_TCP, k.TCP_NODELAY, 1, 'TCP_NODELAY');
    setKeepAliveOn(fd, o.keepAlive ?? DEFAULT_KEEPALIVE);
    if (o.bindSource !== undefined) {
      const source = encodeSockaddr({ ip: o.bindSource, port: 0 });
      if (source.family !== family) {
        throw new KernelError('EAFNOSUPPORT', 'bind', `${name}: as ${o.bindSource}, which is of the other family`);
      }
      setSpoofing(fd, family);
      must(k.sys.bind(fd, source.bytes), 'bind', `${name}: as ${o.bindSource}`);
    }
    return fd;
  } catch (error) {
    k.sys.close(fd);
    throw error;
  }
}

function adopt(fd: number, allowHalfOpen: boolean): Socket {
  try {
    // manualStart: the data must not flow before the caller listens for it
    return new Socket({ fd, allowHalfOpen, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
  } catch (error) {
    k.sys.close(fd);
    throw error;
  }
}

function connected(socket: Socket, o: DialOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timeoutMs = o.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    reject(new KernelError('ETIMEDOUT', 'connect', `${o.to.ip} port ${o.to.port}: no answer in ${timeoutMs} ms`));
  }, timeoutMs);
  const onAbort = () => reject(o.signal?.reason);
  const onError = (error: Error) => reject(error);
  const onClose = () => reject(new KernelError('ECONNABORTED', 'connect', `${o.to.ip} port ${o.to.port}`));
  o.signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('error', onError);
  socket.once('close', onClose);
  socket.once('connect', () => resolve());
  socket.connect({ host: o.to.ip, port: o.to.port });
  // net.Socket starts to read once connected unless it is paused; a Leg or a pipe resumes it.
  socket.pause();
  return promise.finally(() => {
    clearTimeout(timer);
    o.signal?.removeEventListener('abort', onAbort);
    socket.off('close', onClose);
    // A late error (the destroy of a failed dial) has nobody to go to; after success it is the caller's.
    if (socket.connecting || socket.destroyed) socket.once('error', () => {});
    socket.off('error', onError);
  });
}
