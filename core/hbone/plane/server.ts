/** Accepts tunnels on the plane. */
import type { SpiffeId } from '../../../mesh/index.ts';
import { DEFAULT_H2_LIMITS } from '../../h2/index.ts';
import { KernelError, type TcpConnection, type TlsContext, TlsLink } from '../../net/index.ts';
import { HboneError } from '../errors.ts';
import { type Ends, Handshake } from '../handshake.ts';
import { HandshakeQueue } from '../handshake-queue.ts';
import { PeerTunnels } from '../peer-tunnels.ts';
import { RevocationGate, type Standing } from '../revocation-gate.ts';
import {
  type ConnectRequest,
  DEFAULT_SETTINGS,
  type HboneServer,
  type HboneServerOptions,
  type HboneSettings,
  type TlsMaterial,
} from '../types.ts';
import { acceptedBy } from '../verify-peer.ts';
import { PlaneConnection } from './connection.ts';
import { plainFields, pseudo, type TunnelField } from './fields.ts';
import { asHboneError, handshakeFault, peerOf, planeContextFor } from './secure.ts';
import type { PlaneStream, StreamListener } from './stream.ts';

export function createPlaneServer(options: HboneServerOptions): HboneServer {
  return new PlaneServer(options);
}

type Caller = { readonly peer: SpiffeId; readonly ends: Ends; readonly revoked: AbortSignal | undefined };

/** `admission` ends with the tunnel. */
type Admitted = { readonly peer: SpiffeId; readonly standing: Standing; readonly admission: Disposable };

/** One for all: a reason that is no failure needs no stack of its own. */
const STREAM_OVER = new HboneError('TUNNEL_CLOSED', 'the stream is over');

class PlaneServer implements HboneServer {
  readonly #options: HboneServerOptions;
  readonly #settings: HboneSettings;
  /** From the accepted socket until HTTP/2 runs on it. */
  readonly #handshakes: HandshakeQueue<Handshake>;
  readonly #connections = new Set<PlaneConnection>();
  readonly #gate: RevocationGate;
  readonly #peers: PeerTunnels;
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
      tunnels: this.#connections.size,
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
    for (const connection of [...this.#connections]) connection.drain();
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
    for (const connection of [...this.#connections]) connection.cut();
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
      const context = planeContextFor(material);
      if (!handshake.isOver) this.#shakeHands(handshake, material, context);
    } catch (cause) {
      if (cause instanceof KernelError) {
        handshake.fail(new HboneError('TLS_FAILED', 'the connection was lost before the handshake', { cause }));
        return;
      }
      handshake.fail(
        new HboneError('MATERIAL_UNAVAILABLE', 'there is no usable certificate to answer with', { cause }),
      );
    }
  }

  #shakeHands(handshake: Handshake, material: TlsMaterial, context: TlsContext): void {
    let connection: PlaneConnection | undefined;
    const link = new TlsLink(handshake.connection, context, 'server', {
      secured: () => {
        if (handshake.isOver) return; // it is being reset
        const admission = new DisposableStack();
        try {
          const peer = peerOf(link, acceptedBy(material.identity, this.#options.trustDomains));
          const standing = admission.use(this.#gate.admit(() => link.verifiedChain()));
          admission.use(this.#peers.take({ identity: peer, ip: handshake.ends.from.ip }));
          connection = this.#connect(link, handshake, { peer, standing, admission });
        } catch (error) {
          admission.dispose();
          handshake.fail(asHboneError(error));
        }
      },
      data: (view) => connection?.feed(view),
      drained: () => connection?.drained(),
      over: (error) => {
        if (connection) connection.lost();
        else handshake.lost(handshakeFault(error));
      },
      closed: () => {},
    });
    handshake.takenBy({ cut: () => link.reset(), hasHeard: () => link.hasHeard });
  }

  #connect(link: TlsLink, handshake: Handshake, { peer, standing, admission }: Admitted): PlaneConnection {
    const connection = new PlaneConnection({
      role: 'server',
      wire: link,
      settings: this.#settings,
      limits: DEFAULT_H2_LIMITS,
      events: {
        ready: () => handshake.succeed(),
        request: (stream, fields) =>
          this.#serve(connection, stream, fields, { peer, ends: handshake.ends, revoked: standing.revoked }),
        over: (fault) => {
          admission[Symbol.dispose]();
          this.#connections.delete(connection);
          const why = fault === undefined ? 'the peer closed before it spoke HTTP/2' : fault.message;
          handshake.fail(new HboneError('HTTP2_FAILED', why, { cause: fault })); // harmless once it has succeeded
          this.#checkIdle();
        },
        flood: (kind) => this.#options.onFault?.(kind),
      },
    });
    this.#connections.add(connection);
    standing.cutBy(() => connection.cut());
    if (this.#isDraining) connection.drain();
    return connection;
  }

  readonly #streamLeft = (): void => {
    this.#streams -= 1;
  };

  #serve(
    connection: PlaneConnection,
    stream: PlaneStream,
    fields: readonly TunnelField[],
    { peer, ends, revoked }: Caller,
  ): void {
    this.#streams += 1;
    const end = new StreamEnd(this.#streamLeft);
    stream.listen(end);
    const answer = (status: number, more: Readonly<Record<string, string>>, isLast: boolean) =>
      connection.respond(stream, [[':status', String(status)], ...Object.entries(more)], isLast);
    const request: ConnectRequest = {
      peer,
      from: ends.from,
      to: ends.to,
      authority: pseudo(fields, ':authority') ?? '',
      headers: plainFields(fields),
      get closed() {
        return end.signal;
      },
      get isClosed() {
        return end.isOver;
      },
      revoked,
      respond: (status, more = {}) => {
        answer(status, more, false);
        return stream;
      },
      refuse: (status, more = {}) => answer(status, more, true),
    };
    const failed = () => {
      // A decision that can't be made is a refusal; one already answered is cut.
      if (stream.isAnswered) stream.reset('connect-error');
      else request.refuse(503);
    };
    try {
      Promise.resolve(this.#options.onConnect(request)).catch(failed);
    } catch {
      failed();
    }
  }
}

/** What a stream knows of its request once that was answered: the rest need not live as long. */
class StreamEnd implements StreamListener {
  readonly #left: () => void;
  isOver = false;
  /** Made for who asks. */
  #abort: AbortController | undefined;

  constructor(left: () => void) {
    this.#left = left;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.isOver) this.#abort.abort(STREAM_OVER);
    return this.#abort.signal;
  }

  gone(): void {
    this.isOver = true;
    this.#left();
    this.#abort?.abort(STREAM_OVER);
  }
}
