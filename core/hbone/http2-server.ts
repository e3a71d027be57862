/** Accepts tunnels on `node:http2`: the plain implementation. */
import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { SpiffeId } from '../../mesh/index.ts';
import type { TcpConnection } from '../net/index.ts';
import { HboneError } from './errors.ts';
import { type Ends, Handshake } from './handshake.ts';
import { HandshakeQueue } from './handshake-queue.ts';
import { http2FloodKind } from './http2-faults.ts';
import { PeerTunnels } from './peer-tunnels.ts';
import { RevocationGate, resetWhenRevoked, type Standing } from './revocation-gate.ts';
import { cutSession, plainHeaders, resetSoon, sessionOptions, tunnelSocket, watchLiveness } from './session.ts';
import { streamLeg } from './stream-leg.ts';
import { TlsAcceptor } from './tls-acceptor.ts';
import {
  type ConnectRequest,
  DEFAULT_SETTINGS,
  type HboneServer,
  type HboneServerOptions,
  type HboneSettings,
  type TlsMaterial,
} from './types.ts';
import { acceptedBy, chainOf, verifyPeer } from './verify-peer.ts';

export function createHttp2Server(options: HboneServerOptions): HboneServer {
  return new Http2HboneServer(options);
}

type Caller = { readonly peer: SpiffeId; readonly ends: Ends; readonly revoked: AbortSignal | undefined };

class Http2HboneServer implements HboneServer {
  readonly #options: HboneServerOptions;
  readonly #settings: HboneSettings;
  readonly #acceptor = new TlsAcceptor();
  readonly #gate: RevocationGate;
  readonly #peers: PeerTunnels;
  /** From the accepted socket until HTTP/2 runs on it. */
  readonly #handshakes: HandshakeQueue<Handshake>;
  readonly #sessions = new Map<ServerHttp2Session, TLSSocket>();
  #streams = 0;
  #isDraining = false;
  /** Settles once nothing runs any more after a drain began. */
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(options: HboneServerOptions) {
    this.#options = options;
    this.#gate = new RevocationGate(options.revocations);
    this.#settings = { ...DEFAULT_SETTINGS, ...options.settings };
    const { maxHandshakes, maxWaitingHandshakes, maxTunnelsPerPeer } = this.#settings;
    this.#peers = new PeerTunnels(maxTunnelsPerPeer);
    this.#handshakes = new HandshakeQueue({ running: maxHandshakes, waiting: maxWaitingHandshakes }, (handshake) => {
      void this.#begin(handshake);
    });
  }

  stats() {
    return {
      handshakes: this.#handshakes.size,
      tunnels: this.#sessions.size,
      streams: this.#streams,
    };
  }

  accept(connection: TcpConnection): void {
    const handshake = new Handshake(connection, this.#settings.handshakeTimeoutMs, (error) => {
      this.#leave(handshake);
      const { from, to } = handshake.ends;
      if (error) this.#options.onHandshakeError(error, from, to);
    });
    this.#handshakes.add(handshake);
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    for (const session of this.#sessions.keys()) session.close(); // GOAWAY; closes when its streams are over
    this.#idle ??= Promise.withResolvers<void>();
    this.#checkIdle();
    const timer = setTimeout(() => this.#cut(), deadlineMs);
    await this.#idle.promise;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain(0);
  }

  #cut(): void {
    this.#handshakes.failAll(() => new HboneError('CLOSED', 'the server is closing'));
    for (const [session, socket] of this.#sessions) cutSession(session, socket);
  }

  #checkIdle(): void {
    const { handshakes, tunnels } = this.stats();
    if (handshakes === 0 && tunnels === 0) this.#idle?.resolve();
  }

  #leave(handshake: Handshake): void {
    this.#handshakes.leave(handshake);
    this.#checkIdle();
  }

  async #begin(handshake: Handshake): Promise<void> {
    try {
      const material = await this.#options.material();
      if (handshake.isOver) return;
      const socket = tunnelSocket(handshake.connection);
      handshake.takenBy({ cut: () => resetSoon(socket), hasHeard: () => socket.bytesRead > 0 });
      this.#acceptor.accept(socket, material, (outcome) => {
        if ('error' in outcome) handshake.lost(outcome.error);
        else this.#secured(handshake, outcome.socket, material);
      });
    } catch (cause) {
      handshake.fail(
        new HboneError('MATERIAL_UNAVAILABLE', 'there is no usable certificate to answer with', { cause }),
      );
    }
  }

  #secured(handshake: Handshake, tls: TLSSocket, material: TlsMaterial): void {
    tls.on('error', () => {}); // a peer that hangs up; the session's `close` cleans up
    if (handshake.isOver) return; // its socket is being reset
    let peer: SpiffeId;
    let standing: Standing;
    const admission = new DisposableStack();
    try {
      peer = verifyPeer(tls, acceptedBy(material.identity, this.#options.trustDomains));
      standing = admission.use(this.#gate.admit(() => chainOf(tls, material.roots)));
      admission.use(this.#peers.take({ identity: peer, ip: handshake.ends.from.ip }));
    } catch (error) {
      admission.dispose();
      handshake.fail(error instanceof HboneError ? error : new HboneError('CERTIFICATE_INVALID', String(error)));
      return;
    }
    const session = performServerHandshake(tls, sessionOptions(this.#settings, 'server'));
    this.#sessions.set(session, tls);
    standing.cutBy(() => {
      session.close(); // GOAWAY
      cutSession(session, tls);
    });
    const caller = { peer, ends: handshake.ends, revoked: standing.revoked };
    const failed = (cause?: unknown) =>
      handshake.fail(new HboneError('HTTP2_FAILED', 'the peer closed before it spoke HTTP/2', { cause }));
    // Later errors end the session, and each stream tells its own leg.
    session.on('error', (error) => {
      const kind = http2FloodKind(error);
      if (kind) this.#options.onFault?.(kind);
      failed(error);
    });
    session.once('close', () => {
      admission[Symbol.dispose]();
      this.#sessions.delete(session);
      failed();
      this.#checkIdle();
    });
    session.once('remoteSettings', () => handshake.succeed());
    session.on('stream', (stream, headers) => this.#serve(stream, headers, caller));
    session.setLocalWindowSize(this.#settings.connectionWindowBytes);
    // A pod whose namespace is gone looks like this, too: no reason to complain.
    watchLiveness(session, this.#settings, () => cutSession(session, tls));
    if (this.#isDraining) session.close();
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { peer, ends, revoked }: Caller): void {
    const abort = new AbortController();
    this.#streams += 1;
    const leg = streamLeg(stream);
    resetWhenRevoked(leg, revoked);
    stream.once('close', () => {
      this.#streams -= 1;
      abort.abort(new HboneError('TUNNEL_CLOSED', 'the stream is over'));
    });
    const answer = (status: number, more: Readonly<Record<string, string>>, endStream: boolean) => {
      if (!stream.destroyed && !stream.headersSent) {
        const options: ServerStreamResponseOptions & { sendDate: boolean } = { endStream, sendDate: false };
        stream.respond({ ':status': status, ...more }, options);
      }
    };
    const authority = headers[':authority'];
    if (headers[':method'] !== 'CONNECT' || authority === undefined) {
      answer(400, {}, true);
      return;
    }
    const request: ConnectRequest = {
      peer,
      from: ends.from,
      to: ends.to,
      authority,
      headers: plainHeaders(headers),
      closed: abort.signal,
      get isClosed() {
        return abort.signal.aborted;
      },
      revoked,
      respond: (status, more = {}) => {
        answer(status, more, false);
        return leg;
      },
      refuse: (status, more = {}) => answer(status, more, true),
    };
    this.#dispatch(request, stream);
  }

  #dispatch(request: ConnectRequest, stream: ServerHttp2Stream): void {
    const failed = () => {
      // A decision that can't be made is a refusal; one already answered is cut.
      if (stream.headersSent) stream.destroy();
      else request.refuse(503);
    };
    try {
      Promise.resolve(this.#options.onConnect(request)).catch(failed);
    } catch {
      failed();
    }
  }
}
