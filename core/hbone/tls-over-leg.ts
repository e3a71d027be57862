/**
 * TLS as a client over any leg, towards servers that are not of the mesh: by names and authorities of their own. What the mesh
 * itself speaks is in `tls-context.ts` and `plane`.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { Leg, ResetCode } from './leg.ts';
import { LegStream } from './leg-stream.ts';
import { NodeLeg } from './node-leg.ts';

export type ClientTls = {
  /** Authorities, and our own certificate where the server wants one. */
  readonly context: SecureContext;
  /** Sent as server name (RFC 6066 section 3); an address is not sent. */
  readonly serverName: string;
  /** Offered in the order of preference (RFC 7301); empty: none. */
  readonly protocols: readonly string[];
  /**
   * Whether the certificate, whose chain was verified already, is of whom we mean: why not, or undefined. Without it the server may be anybody.
   */
  readonly judge: ((certificate: X509Certificate) => string | undefined) | undefined;
};

export type SecuredLeg = {
  readonly leg: Leg;
  /** What was agreed on; undefined: the server has chosen none. */
  readonly protocol: string | undefined;
};

/**
 * Shakes hands over the leg, and takes it over whatever comes of it: it is reset when the handshake fails, takes longer than
 * `timeoutMs`, or `signal` fires. Rejects with what OpenSSL or `judge` said. A server that closes without a goodbye looks like
 * one that ended: what is spoken inside has to tell its own end.
 */
export async function secureLeg(leg: Leg, o: ClientTls, timeoutMs: number, signal: AbortSignal): Promise<SecuredLeg> {
  if (signal.aborted) {
    leg.reset('cancel');
    signal.throwIfAborted();
  }
  const socket = connect({
    socket: new LegStream(leg),
    secureContext: o.context,
    ...(isIP(o.serverName) === 0 && { servername: o.serverName }),
    ...(o.protocols.length > 0 && { ALPNProtocols: [...o.protocols] }),
    rejectUnauthorized: o.judge !== undefined,
    checkServerIdentity: (_host, { raw }) => {
      const problem = o.judge?.(new X509Certificate(raw));
      return problem === undefined ? undefined : new Error(problem);
    },
  });
  socket.pause();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`no TLS within ${timeoutMs / 1000} s`)), timeoutMs);
  const onClose = () => reject(new Error('the server closed the connection before TLS was agreed on'));
  const onAbort = () => reject(signal.reason);
  socket.once('secureConnect', resolve);
  socket.once('error', reject);
  socket.once('close', onClose);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
    return { leg: new TlsLeg(socket, leg), protocol: socket.alpnProtocol || undefined };
  } catch (error) {
    socket.on('error', () => {}); // what else goes wrong while it is torn down
    // Not from inside a callback of its handshake, which may be below us on the stack.
    setImmediate(() => {
      socket.destroy();
      leg.reset('cancel');
    });
    throw error;
  } finally {
    clearTimeout(timer);
    socket.off('secureConnect', resolve);
    socket.off('error', reject);
    socket.off('close', onClose);
    signal.removeEventListener('abort', onAbort);
  }
}

/** The leg of a TLS socket that shook hands over `below`; owns both. */
export class TlsLeg extends NodeLeg<TLSSocket> {
  readonly #below: Leg;

  constructor(socket: TLSSocket, below: Leg) {
    super(socket);
    this.#below = below;
  }

  protected override cut(code: ResetCode): void {
    this.#below.reset(code);
    setImmediate(() => this.stream.destroy());
  }

  protected override reason(): ResetCode {
    return 'connect-error';
  }

  protected override peerMayLeave(): boolean {
    return true;
  }
}
