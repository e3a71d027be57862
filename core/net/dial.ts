/** Outgoing TCP connections from inside a network namespace. */
import type { Socket } from 'node:net';
import { KernelError, must } from './errors.ts';
import * as k from './kernel.ts';
import type { NetnsRef } from './netns.ts';
import { encodeSockaddr, type IpPort } from './sockaddr.ts';
import {
  DEFAULT_KEEPALIVE,
  type KeepAlive,
  setKeepAliveOn,
  setOption,
  setSpoofing,
  setUnpaced,
} from './socket-options.ts';
import { TcpConnection } from './tcp-connection.ts';
import { WRITABLE } from './watch.ts';

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
  /** Who is called is on this host. */
  readonly isLocal?: boolean;
  /** Gives it up. A function is asked only when there is something to wait for. */
  readonly signal?: AbortSignal | (() => AbortSignal);
};

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects. TCP_NODELAY and keepalive are set; nothing is read yet.
 * Rejects with an error whose `code` is ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH and so on, or with the signal's reason.
 */
export async function connectTcp(o: DialOptions): Promise<TcpConnection> {
  if (o.signal instanceof AbortSignal) o.signal.throwIfAborted();
  const { family, bytes } = encodeSockaddr(o.to);
  const fd = o.netns ? o.netns.run(() => socketHere(o, family)) : socketHere(o, family);
  const connection = new TcpConnection(fd, o.to);
  try {
    let result = k.sys.connect(fd, bytes);
    // On one machine all packets of the handshake are exchanged within the call, but the answer is looked at when it is over:
    // asked a second time, the kernel knows (connect(2), EALREADY: it does not).
    if (result === -k.EINPROGRESS) result = k.sys.connect(fd, bytes);
    if (result === -k.EALREADY) await connected(connection, o);
    else must(result, 'connect', nameOf(o.to));
    return connection;
  } catch (error) {
    connection.reset();
    throw error;
  }
}

/** The same as a Node socket, paused. */
export async function dialTcp(o: DialOptions & { readonly allowHalfOpen?: boolean }): Promise<Socket> {
  return (await connectTcp(o)).toSocket(o.allowHalfOpen === undefined ? {} : { allowHalfOpen: o.allowHalfOpen });
}

const nameOf = ({ ip, port }: IpPort) => `${ip} port ${port}`;

/** A socket with all its options, bound where asked. */
function socketHere(o: DialOptions, family: number): number {
  const name = `connect to ${nameOf(o.to)}`;
  const fd = must(k.sys.socket(family, k.SOCK_STREAM | k.SOCK_NONBLOCK | k.SOCK_CLOEXEC, 0), 'socket', name);
  try {
    if (o.mark !== undefined) setOption(fd, k.SOL_SOCKET, k.SO_MARK, o.mark, 'SO_MARK');
    setOption(fd, k.SOL_TCP, k.TCP_NODELAY, 1, 'TCP_NODELAY');
    setKeepAliveOn(fd, o.keepAlive ?? DEFAULT_KEEPALIVE);
    if (o.isLocal) setUnpaced(fd);
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

function connected(connection: TcpConnection, o: DialOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timeoutMs = o.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const watch = connection.watch({
    ready: () => {
      watch.want(0);
      try {
        must(-pendingError(connection.fd), 'connect', nameOf(o.to));
        resolve();
      } catch (error) {
        reject(error);
      }
    },
    failed: reject,
  });
  const timer = setTimeout(() => {
    reject(new KernelError('ETIMEDOUT', 'connect', `${nameOf(o.to)}: no answer in ${timeoutMs} ms`));
  }, timeoutMs);
  watch.want(WRITABLE);
  const signal = typeof o.signal === 'function' ? o.signal() : o.signal;
  const onAbort = () => reject(signal?.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  });
}

const error = Buffer.alloc(4);
const errorLength = Buffer.alloc(4);
const [errorAt, errorLengthAt] = [k.addressOf(error), k.addressOf(errorLength)];

/** The errno that an asynchronous connect left behind; 0 when it went well. */
function pendingError(fd: number): number {
  errorLength.writeInt32LE(4);
  const result = k.sys.getsockopt(fd, k.SOL_SOCKET, k.SO_ERROR, errorAt, errorLengthAt);
  return result < 0 ? -result : error.readInt32LE(0);
}
