/** One pooled connection of the client: mutual TLS, HTTP/2, and the streams on it. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { SpiffeId } from '../../mesh/index.ts';
import { HboneError, tlsFault } from './errors.ts';
import { http2FloodKind } from './http2-faults.ts';
import type { Leg } from './leg.ts';
import { type RevocationGate, resetWhenRevoked, type Standing } from './revocation-gate.ts';
import { cutSession, plainHeaders, resetSoon, sessionOptions, tunnelSocket, watchLiveness } from './session.ts';
import { streamLeg } from './stream-leg.ts';
import { ALPN, contextFor } from './tls-context.ts';
import type { HboneClientOptions, HboneSettings, OpenedStream, OpenOptions, TlsMaterial } from './types.ts';
import { chainOf, verifyPeer } from './verify-peer.ts';

/** A stream that the peer has certainly not looked at: trying again elsewhere repeats nothing. */
export class NotProcessed extends HboneError {}

export class Tunnel {
  readonly peer: SpiffeId;
  readonly #session: ClientHttp2Session;
  readonly #socket: TLSSocket;
  readonly #settings: HboneSettings;
  readonly #revoked: AbortSignal | undefined;

  private constructor(
    session: ClientHttp2Session,
    socket: TLSSocket,
    { peer, standing }: { readonly peer: SpiffeId; readonly standing: Standing },
    settings: HboneSettings,
  ) {
    this.#revoked = standing.revoked;
    session.once('close', () => standing[Symbol.dispose]());
    standing.cutBy(() => this.destroy());
    this.#session = session;
    this.#socket = socket;
    this.peer = peer;
    this.#settings = settings;
  }

  /** Dials, shakes hands and verifies. The peer's SETTINGS may come later, but within the same deadline. */
  static async establish(
    o: OpenOptions,
    settings: HboneSettings,
    { gate, onFault }: { readonly gate: RevocationGate; readonly onFault: HboneClientOptions['onFault'] },
  ): Promise<Tunnel> {
    let raw: Socket;
    try {
      raw = tunnelSocket(await o.connect());
    } catch (cause) {
      throw new HboneError('DIAL_FAILED', `no connection to ${o.dial.ip} port ${o.dial.port}`, { cause });
    }
    const { promise, resolve, reject } = Promise.withResolvers<Tunnel>();
    const timer = setTimeout(() => {
      const error = new HboneError(
        'HANDSHAKE_TIMEOUT',
        `TLS and SETTINGS took more than ${settings.handshakeTimeoutMs} ms`,
      );
      reject(error);
      resetSoon(raw);
    }, settings.handshakeTimeoutMs);
    raw.once('close', () => clearTimeout(timer));
    try {
      const tls = startTls(raw, o.source, reject);
      tls.once('secureConnect', () => {
        try {
          const peer = verifyPeer(tls, { kind: 'identities', expected: o.expected });
          const standing = gate.admit(() => chainOf(tls, o.source.roots));
          const session = startHttp2(tls, settings, onFault);
          session.once('remoteSettings', () => clearTimeout(timer));
          resolve(new Tunnel(session, tls, { peer, standing }, settings));
        } catch (error) {
          reject(error);
          resetSoon(raw);
        }
      });
    } catch (cause) {
      resetSoon(raw);
      reject(new HboneError('MATERIAL_UNAVAILABLE', `unusable certificate of ${o.source.identity}`, { cause }));
    }
    return promise;
  }

  get isUsable(): boolean {
    return !this.#session.destroyed && !this.#session.closed;
  }

  /** The connection's window, not a stream's. */
  get isSaturated(): boolean {
    return (this.#session.state.remoteWindowSize ?? 1) <= 0;
  }

  /** What the peer allows at once; unknown until its SETTINGS came. */
  get peerStreamLimit(): number {
    return this.#session.remoteSettings?.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
  }

  onClose(listener: () => void): void {
    if (this.#session.destroyed) queueMicrotask(listener);
    else this.#session.once('close', listener);
  }

  /** Takes leave; to be called when no stream is on it. */
  close(): void {
    if (!this.#session.destroyed) this.#session.close(); // GOAWAY
    cutSession(this.#session, this.#socket);
  }

  /** Resets what runs, and is gone. */
  destroy(): void {
    cutSession(this.#session, this.#socket);
  }

  /** One CONNECT. `over` is called once, when the stream no longer counts. */
  async request(o: OpenOptions, over: () => void): Promise<OpenedStream> {
    let stream: ClientHttp2Stream;
    try {
      o.signal?.throwIfAborted();
      // RFC 9113 section 8.5: CONNECT carries no :scheme or :path.
      const headers = { ':method': 'CONNECT', ':authority': o.authority, ...o.headers };
      stream = this.#session.request(headers, { endStream: false });
    } catch (cause) {
      over();
      if (o.signal?.aborted) throw o.signal.reason;
      throw new NotProcessed('TUNNEL_CLOSED', 'the tunnel takes no more streams', { cause });
    }
    stream.once('close', over);
    const leg = streamLeg(stream);
    resetWhenRevoked(leg, this.#revoked);
    const responseHeaders = await this.#reply(stream, leg, o);
    return { leg, firstBytes: 0, responseHeaders, peer: this.peer, revoked: this.#revoked };
  }

  #reply(stream: ClientHttp2Stream, leg: Leg, o: OpenOptions): Promise<ReadonlyMap<string, string>> {
    const { promise, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string>>();
    const giveUp = (reason: unknown) => {
      reject(reason);
      leg.reset('cancel');
    };
    const onAbort = () => giveUp(o.signal?.reason);
    const timer = setTimeout(() => {
      giveUp(new HboneError('CONNECT_TIMEOUT', `no answer to CONNECT in ${this.#settings.replyTimeoutMs} ms`));
    }, this.#settings.replyTimeoutMs);
    o.signal?.addEventListener('abort', onAbort, { once: true });
    const onClose = () => reject(closedBeforeReply(stream));
    stream.once('close', onClose);
    stream.once('response', (headers) => {
      const status = Number(headers[':status']);
      const plain = plainHeaders(headers);
      if (status === 200) resolve(plain);
      else giveUp(new HboneError('CONNECT_REFUSED', `CONNECT was answered with ${status}`, { status, headers: plain }));
    });
    return promise.finally(() => {
      clearTimeout(timer);
      stream.off('close', onClose);
      o.signal?.removeEventListener('abort', onAbort);
    });
  }
}

// A stream refused, or never given a number because GOAWAY came first, was not processed (RFC 9113 section 8.7).
function closedBeforeReply(stream: ClientHttp2Stream): HboneError {
  const code = stream.rstCode;
  if (stream.id === undefined || code === constants.NGHTTP2_REFUSED_STREAM) {
    return new NotProcessed('TUNNEL_CLOSED', 'the peer did not take the stream');
  }
  return new HboneError('TUNNEL_CLOSED', `the stream ended before the answer (code ${code})`);
}

function startTls(raw: Socket, material: TlsMaterial, reject: (error: HboneError) => void): TLSSocket {
  const tls = tlsConnect({
    socket: raw,
    secureContext: contextFor(material),
    ALPNProtocols: ALPN,
    // No `servername`: no SNI, and no name to compare. verifyPeer decides by identity, and says why.
    checkServerIdentity: () => undefined,
    rejectUnauthorized: false,
  });
  tls.on('error', (error) => reject(tlsFault(error)));
  tls.once('close', () => reject(new HboneError('TLS_FAILED', 'the peer hung up during the handshake')));
  return tls;
}

function startHttp2(
  tls: TLSSocket,
  settings: HboneSettings,
  onFault: HboneClientOptions['onFault'],
): ClientHttp2Session {
  const session = connect('https://tunnel', {
    ...sessionOptions(settings, 'client'),
    peerMaxConcurrentStreams: 100,
    createConnection: () => tls,
  });
  // Each stream tells its own leg, `close` tells the pool.
  session.on('error', (error) => {
    const kind = http2FloodKind(error);
    if (kind) onFault?.(kind);
  });
  session.once('connect', () => session.setLocalWindowSize(settings.connectionWindowBytes));
  watchLiveness(session, settings, () => cutSession(session, tls));
  return session;
}
