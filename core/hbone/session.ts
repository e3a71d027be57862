/** What both ends of a tunnel do alike with an HTTP/2 session. */
import { constants, type Http2Session, type IncomingHttpHeaders, type ServerSessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { resetSocket, type TcpConnection } from '../net/index.ts';
import type { HboneSettings } from './types.ts';

/** Options of both roles. Node's own guards against floods stay on, wide enough for a busy tunnel. */
export function sessionOptions(settings: HboneSettings, role: 'client' | 'server'): ServerSessionOptions {
  const limits = {
    // Megabytes. Below the connection's window Node would refuse streams while it only buffers what it allowed.
    maxSessionMemory: Math.ceil((settings.connectionWindowBytes * 4) / 1_000_000),
    // Each TCP reset of an application crosses as RST_STREAM; Node's default ends the tunnel after 33 a second.
    streamResetBurst: 10_000,
    streamResetRate: 1_000,
    maxSessionRejectedStreams: 1_000,
  };
  return {
    ...limits,
    settings: {
      initialWindowSize: settings.streamWindowBytes,
      maxFrameSize: settings.frameBytes,
      // ztunnel.md section 3.2
      maxHeaderListSize: role === 'client' ? 16_384 : 65_536,
      ...(role === 'client' ? { enablePush: false } : { maxConcurrentStreams: settings.maxConcurrentStreams }),
    },
  };
}

/**
 * PINGs while the session lives: the first after the interval, then the interval after each pong. Without a pong in time
 * `onDead` is called once.
 */
export function watchLiveness(session: Http2Session, settings: HboneSettings, onDead: () => void): void {
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(ping, settings.pingIntervalMs);
  };
  const ping = () => {
    if (session.destroyed) return;
    timer = setTimeout(onDead, settings.pingTimeoutMs);
    session.ping((error) => {
      clearTimeout(timer);
      if (!error && !session.destroyed) next();
    });
  };
  next();
  session.once('close', () => clearTimeout(timer));
}

/** How long a peer may take to read our goodbye. */
const GOODBYE_MS = 1_000;

/**
 * Ends a session and its socket now. Node alone would wait for the peer: for it to take what is unsent, and after a
 * graceful `close()` also for its FIN; a dead peer would keep the socket for ever.
 */
export function cutSession(session: Http2Session, socket: TLSSocket): void {
  session.destroy(undefined, constants.NGHTTP2_CANCEL);
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), GOODBYE_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.destroySoon();
}

/**
 * What Node's TLS is put on. A tunnel has no half-closed state, and a TLS socket that thinks otherwise would outlive its peer.
 * @throws KernelError when the connection is closed.
 */
export function tunnelSocket(connection: TcpConnection): Socket {
  const socket = connection.toSocket({ allowHalfOpen: false });
  socket.on('error', () => {}); // `close` follows, and what stands on it says why
  return socket;
}

/**
 * Resets a socket under a TLS handshake, in the next turn: destroying it from inside one of the handshake's callbacks frees
 * what OpenSSL is still working on, and the process crashes.
 */
export function resetSoon(socket: Socket): void {
  setImmediate(() => resetSocket(socket));
}

/** Header lines as plain text; pseudo-headers are left out. */
export function plainHeaders(headers: IncomingHttpHeaders): ReadonlyMap<string, string> {
  const plain = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(':') || value === undefined) continue;
    plain.set(name, Array.isArray(value) ? value.join(',') : value);
  }
  return plain;
}
